#!/usr/bin/env python3
"""Results of bt-bench and of the peers beside each other, one row a variant; then the bars of bars.csv, met or not.

    python3 tools/peers/compare.py bench-*.json peer-*.json

"of first": time over the bench's first variant; of a step with boundaries, less 1 it is the boundaries' share, and "more
ms" what they cost. "of PyTorch": time over the fastest PyTorch variant of the same bench, a LoRA step over a LoRA step;
below 1 is faster. "memory of PyTorch": peak memory over that of the same variant. "of copy": bytes a second over those of
a copy. Where a file names a failure, the row says so. The bars are of one H200: what must be met, and the goal.
"""
import csv
import json
import pathlib
import sys

COLUMNS = {"ms": (12, 4), "of first": (9, 3), "of PyTorch": (11, 3), "more ms": (9, 3), "of copy": (8, 3),
           "tokens/s": (10, 0), "GiB": (8, 2), "memory of PyTorch": (18, 3)}
AT_LEAST = {"of copy", "tokens/s"}  # of all other figures less is better


def read(paths):
    """Variants by bench, in the order of the files."""
    benches = {}
    for path in paths:
        with open(path) as file:
            report = json.load(file)
        for bench in report["benches"]:
            for variant in bench["variants"]:
                variant["bandwidth"] = report["machine"].get("copy_bytes_per_second", 0)
            benches.setdefault(bench["name"], []).extend(bench["variants"])
    return benches


def is_lora(variant):
    return "LoRA" in variant["name"]


def fastest_peer(variants, like):
    peers = [v for v in variants
             if v["name"].startswith("PyTorch") and "failure" not in v and is_lora(v) == is_lora(like)]
    return min(peers, key=lambda v: v["median_seconds"], default={})


def figures(variant, variants, bench):
    """Those of COLUMNS that the variant has."""
    time, first, peer = variant["median_seconds"], variants[0], fastest_peer(variants, variant)
    base, memory = first.get("median_seconds", 0), variant.get("memory_bytes", 0)
    peer_time, peer_memory = peer.get("median_seconds", 0), peer.get("memory_bytes", 0)
    found = {"ms": 1e3 * time, "of first": base and time / base, "of PyTorch": peer_time and time / peer_time,
             "tokens/s": variant.get("tokens", 0) / time, "GiB": memory / 2**30,
             "memory of PyTorch": peer_memory and memory / peer_memory}
    if bench.startswith("step/") and "boundar" in variant["name"] and base:
        found["more ms"] = 1e3 * (time - base)
    if variant["bandwidth"]:
        found["of copy"] = variant.get("bytes", 0) / time / variant["bandwidth"]
    return {name: value for name, value in found.items() if value}


def table(benches):
    lines = [" " * 38 + "".join(f"{name:>{width}}" for name, (width, _) in COLUMNS.items())]
    for bench, variants in benches.items():
        lines.append(bench)
        for variant in variants:
            if "failure" in variant:
                lines.append(f"  {variant['name']:36}  FAILED: {variant['failure']}")
                continue
            found = figures(variant, variants, bench)
            cells = (f"{found[name]:{width}.{digits}f}" if name in found else f"{'-':>{width}}"
                     for name, (width, digits) in COLUMNS.items())
            lines.append(f"  {variant['name']:36}" + "".join(cells))
    return lines


def verdict(found, bar):
    must, goal = float(bar["must"]), float(bar["goal"])
    sign = -1 if bar["figure"] in AT_LEAST else 1
    return "goal" if sign * found <= sign * goal else "met" if sign * found <= sign * must else "MISSED"


def bars(benches):
    """One line a bar."""
    yield f"{'bar':72}{'figure':16}{'must':>10}{'goal':>10}{'found':>10}"
    with open(pathlib.Path(__file__).with_name("bars.csv")) as file:
        for bar in csv.DictReader(file):
            variants = benches.get(bar["bench"], [])
            variant = next((v for v in variants if v["name"] == bar["variant"] and "failure" not in v), None)
            found = figures(variant, variants, bar["bench"]).get(bar["figure"]) if variant else None
            end = f"{found:10.4g}  {verdict(found, bar)}" if found is not None else f"{'-':>10}  not measured"
            yield f"{bar['bench'] + ': ' + bar['variant']:72}{bar['figure']:16}{bar['must']:>10}{bar['goal']:>10}{end}"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    benches = read(sys.argv[1:])
    print("\n".join([*table(benches), "", *bars(benches)]))


if __name__ == "__main__":
    main()
