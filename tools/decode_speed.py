#!/usr/bin/env python3
"""Tokens per second of plain greedy decoding at batch 1, beside transformers, on one machine in one run.

    hf/bin/python tools/decode_speed.py --bin build/cpu/bin [--threads N] [--dtype float32 bfloat16] [--repeats 5]

The environment `hf` needs torch, transformers and safetensors. A Llama of SmolLM2-135M's shape with random weights goes
into a temporary folder; both programs continue the same prompt of 16 tokens. A program's rate is what its longer run does
beyond its shorter one, so that starting, loading and prefill are left out; the two alternate, and medians are printed. The
share of memory bandwidth takes every weight as read once a token, against a sum over an array larger than the caches,
measured in the same run.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

SHAPE = dict(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
             num_key_value_heads=3, max_position_embeddings=2048, tie_word_embeddings=True, bos_token_id=None,
             eos_token_id=None)
PROMPT = list(range(100, 116))
SHORT, LONG = 16, 112  # new tokens


def make_model(folder):
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(LlamaConfig(**SHAPE))
    model.save_pretrained(folder)
    tokenizer = {"type": "bytes", "vocab_size": 259, "bos_id": 256, "eos_id": 257, "pad_id": 258}
    (folder / "bytes.tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "generation_config.json").unlink(missing_ok=True)
    return sum(p.numel() for p in model.parameters())


def bandwidth():
    """Bytes per second of reading 1 GB once."""
    array = torch.ones(250_000_000)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        array.sum()
        times.append(time.perf_counter() - begin)
    return array.nbytes / min(times)


def ours(options, folder, dtype):
    def run(tokens):
        line = json.dumps({"ids": PROMPT})
        (folder / "prompt.jsonl").write_text(line + "\n")
        begin = time.perf_counter()
        command = [f"{options.bin}/bt-generate", "--model", folder, "--input", folder / "prompt.jsonl", "--dtype", dtype,
                   "--max-new-tokens", tokens, "--batch-size", 1, "--threads", options.threads, "--log-level", "error"]
        out = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout
        return time.perf_counter() - begin, json.loads(out)["ids"]
    short, _ = run(SHORT)
    long, ids = run(LONG)
    return (LONG - SHORT) / (long - short), ids


@torch.no_grad()
def theirs(model):
    def run(tokens):
        begin = time.perf_counter()
        ids = model.generate(torch.tensor([PROMPT]), max_new_tokens=tokens, do_sample=False)[0, len(PROMPT):]
        return time.perf_counter() - begin, ids.tolist()
    short, _ = run(SHORT)
    long, ids = run(LONG)
    return (LONG - SHORT) / (long - short), ids


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--dtype", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        parameters = make_model(folder)
        print(f"{parameters / 1e6:.1f} M parameters, {options.threads} threads, torch {torch.__version__}")
        for dtype in options.dtype:
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
            rates, read = {"bt": [], "transformers": []}, []
            for _ in range(options.repeats):
                read.append(bandwidth())
                rate, ids = ours(options, folder, dtype)
                rates["bt"].append(rate)
                rate, expected = theirs(model)
                rates["transformers"].append(rate)
            same = next((i for i, (a, b) in enumerate(zip(ids, expected)) if a != b), len(expected))
            a_token = parameters * getattr(torch, dtype).itemsize
            bytes_per_s = statistics.median(read)
            print(f"{dtype}: memory {bytes_per_s / 1e9:.1f} GB/s, first {same} of {LONG} tokens equal")
            for program, values in rates.items():
                rate = statistics.median(values)
                print(f"  {program:12} {rate:7.2f} tokens/s ({min(values):.2f} to {max(values):.2f}), "
                      f"{rate * a_token / bytes_per_s:.2f} of the bandwidth")
            print(f"  ratio {statistics.median(rates['bt']) / statistics.median(rates['transformers']):.2f}")


if __name__ == "__main__":
    main()
