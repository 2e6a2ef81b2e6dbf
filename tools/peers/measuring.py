"""What the peers share: the command line, times, and results in the form that bt-bench writes."""
import argparse
import json
import pathlib
import platform
import statistics
import time

import torch


def options(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path, help="file for the results")
    parser.add_argument("--filter", default="", help="only benches whose name holds this text")
    parser.add_argument("--repetitions", type=int, default=7, help="timed runs of every variant")
    parser.add_argument("--toy", action="store_true", help="small shapes and nothing compiled, to try the script")
    parsed = parser.parse_args()
    parsed.device = "cuda" if torch.cuda.is_available() else "cpu"
    parsed.dtype = torch.float32 if parsed.toy else torch.bfloat16
    return parsed


def compiled(function, chosen):
    """torch.compile for fixed shapes, but for a try."""
    return function if chosen.toy else torch.compile(function, dynamic=False)


def seconds(run, device):
    """Of one run; on a GPU between two events of the device."""
    if device == "cpu":
        begin = time.perf_counter()
        run()
        return time.perf_counter() - begin
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    begin.record()
    run()
    end.record()
    end.synchronize()
    return 1e-3 * begin.elapsed_time(end)


def recorded(run, device):
    """The run as a CUDA graph; itself on a CPU."""
    if device == "cpu":
        return run
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


class Results:
    """Benches as they come: printed, and written after each, so that an interrupted run leaves what it found."""

    def __init__(self, chosen):
        self.chosen = chosen
        device = torch.cuda.get_device_name() if chosen.device == "cuda" else platform.processor()
        self.report = {"machine": {"torch": torch.__version__, "device": device, "dtype": str(chosen.dtype),
                                   "repetitions": chosen.repetitions}, "benches": []}

    def wants(self, bench):
        return self.chosen.filter in bench

    def measure(self, bench, variant, run, calls=1, tokens=0):
        """Two runs untimed, then the median of the others; `calls` of what is measured in a run. None: it failed."""
        try:
            for _ in range(2):
                run()
            if self.chosen.device == "cuda":
                torch.cuda.synchronize()
                torch.cuda.reset_peak_memory_stats()
            taken = [seconds(run, self.chosen.device) / calls for _ in range(self.chosen.repetitions)]
        except Exception as error:  # one that lacks memory, or that a PyTorch cannot compile, must not cost the others
            self.add(bench, {"name": variant, "failure": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"})
            return None
        memory = torch.cuda.max_memory_allocated() if self.chosen.device == "cuda" else 0
        median = statistics.median(taken)
        self.add(bench, {"name": variant, "median_seconds": median, "least_seconds": min(taken), "tokens": tokens,
                         "memory_bytes": memory})
        return median

    def add(self, bench, variant):
        entry = next((one for one in self.report["benches"] if one["name"] == bench), None)
        if entry is None:
            entry = {"name": bench, "variants": []}
            self.report["benches"].append(entry)
        entry["variants"].append(variant)
        figure = variant.get("failure") or f"{1e3 * variant['median_seconds']:.4f} ms"
        print(f"{bench:42} {variant['name']:34} {figure}", flush=True)
        if self.chosen.json:
            self.chosen.json.write_text(json.dumps(self.report, indent=2) + "\n")
