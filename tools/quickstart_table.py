#!/usr/bin/env python3
"""The quickstart's table, from what its runs wrote: metrics.jsonl of bt-train, results_*.json of bt-eval.

usage: quickstart_table.py table FOLDER
       quickstart_table.py matched-steps FOLDER   steps of SFT that take as long as the processor's run
"""
import glob
import json
import os
import sys

# Row label, folder of the run, suffix of its evaluation and where its weights come from.
ROWS = [
    ("SFT, the base of all others", "sft", "", "best"),
    ("Cache Processor", "bt", "", "best"),
    ("constant rewrite", "constant_rewrite", "", "best"),
    ("LoRA, as many parameters", "lora", "", "best"),
    ("SFT on, same samples", "sft_samples", "", "best"),
    ("SFT on, same samples", "sft_samples", ".end", "end"),
    ("SFT on, same time", "sft_time", "", "best"),
    ("SFT on, same time", "sft_time", ".end", "end"),
]


def metrics(folder, run):
    with open(os.path.join(folder, run, "metrics.jsonl"), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def trained(rows):
    """The last line of training: steps and seconds, validation included."""
    return [row for row in rows if "loss" in row][-1]


def validation_loss(rows, where):
    losses = [row["validation_loss"] for row in rows if "validation_loss" in row]
    return min(losses) if where == "best" else losses[-1]


def result(folder, name):
    newest = sorted(glob.glob(os.path.join(folder, "eval", name, "results_*.json")))[-1]
    with open(newest, encoding="utf-8") as file:
        return json.load(file)


def trained_parameters(results):
    method = results["bt"]["method"]
    return method["parameters"] if method else results["config"]["model_num_parameters"]


def percent(score):
    low, high = score["interval_95"]
    return f"{100 * score['right'] / score['answers']:5.1f} [{100 * low:4.1f}, {100 * high:4.1f}]"


def matched_steps(folder):
    base, processor = trained(metrics(folder, "sft")), trained(metrics(folder, "bt"))
    print(max(1, round(processor["elapsed_s"] / (base["elapsed_s"] / base["step"]))))


def table(folder):
    base = trained(metrics(folder, "sft"))
    print(f"{'method':30} {'at':4} {'trained':>8} {'final answer %':>20} {'whole solution %':>20} {'loss':>6} {'steps':>6} {'s':>5} {'time/SFT':>8}")
    for label, run, suffix, where in ROWS:
        rows, results = metrics(folder, run), result(folder, run + suffix)
        last, scores = trained(rows), results["results"]["gsm8k_sft"]["bt"]["filters"]
        ratio = last["elapsed_s"] / last["step"] / (base["elapsed_s"] / base["step"])
        print(f"{label:30} {where:4} {trained_parameters(results):8d} {percent(scores['final-answer']):>20} "
              f"{percent(scores['whole-solution']):>20} {validation_loss(rows, where):6.4f} {last['step']:6d} {last['elapsed_s']:5.0f} {ratio:8.2f}")
    print("\nloss: validation, natural log per token. s, time/SFT: training with its validations; per step relative to the first row.")
    print("One seed. Intervals are of the test problems alone; differences within them show nothing.")


if __name__ == "__main__":
    commands = {"table": table, "matched-steps": matched_steps}
    if len(sys.argv) != 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](sys.argv[2])
