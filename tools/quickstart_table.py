#!/usr/bin/env python3
"""The quickstart's table, from what its runs wrote: metrics.jsonl of bt-train, results_*.json of bt-eval.

usage: quickstart_table.py table FOLDER
       quickstart_table.py matched-steps FOLDER   steps of SFT with as many FLOPs as the processor's run
"""
import os
import sys

from run_files import metrics, newest_results, trained, trained_parameters

# Row label, folder of the run, suffix of its evaluation and where its weights come from.
ROWS = [
    ("SFT, the base of all others", "sft", "", "best"),
    ("Cache Processor", "bt", "", "best"),
    ("the same without recall", "recent_only", "", "best"),
    ("constant rewrite", "constant_rewrite", "", "best"),
    ("LoRA, as many parameters", "lora", "", "best"),
    ("SFT on, same samples", "sft_samples", "", "best"),
    ("SFT on, same samples", "sft_samples", ".end", "end"),
    ("SFT on, same FLOPs", "sft_compute", "", "best"),
    ("SFT on, same FLOPs", "sft_compute", ".end", "end"),
]


def validation_loss(rows, where):
    losses = [row["validation_loss"] for row in rows if "validation_loss" in row]
    return min(losses) if where == "best" else losses[-1]


def percent(score):
    low, high = score["interval_95"]
    return f"{100 * score['right'] / score['answers']:5.1f} [{100 * low:4.1f}, {100 * high:4.1f}]"


def matched_steps(folder):
    base, processor = (trained(metrics(os.path.join(folder, run))) for run in ("sft", "bt"))
    print(max(1, round(processor["flops"] / (base["flops"] / base["step"]))))


def table(folder):
    base = trained(metrics(os.path.join(folder, "sft")))
    print(f"{'method':28} {'at':4} {'trained':>7} {'final answer %':>19} {'whole solution %':>19} {'loss':>6} {'steps':>5} "
          f"{'GFLOPs':>7} {'s':>4} {'s/SFT':>5}")
    for label, run, suffix, where in ROWS:
        rows, results = metrics(os.path.join(folder, run)), newest_results(os.path.join(folder, "eval", run + suffix))
        last, scores = trained(rows), results["results"]["gsm8k_sft"]["bt"]["filters"]
        ratio = last["training_s"] / last["step"] / (base["training_s"] / base["step"])
        print(f"{label:28} {where:4} {trained_parameters(results):7d} {percent(scores['final-answer']):>19} "
              f"{percent(scores['whole-solution']):>19} {validation_loss(rows, where):6.4f} {last['step']:5d} "
              f"{last['flops'] / 1e9:7.0f} {last['training_s']:4.0f} {ratio:5.2f}")
    print("\nat: weights of the lowest validation loss, or the last. loss: validation, natural log per token. GFLOPs, s: of training.")
    print("s/SFT: seconds of a step relative to the first row's. One seed; intervals are of the test problems alone, differences")
    print("within them show nothing.")


if __name__ == "__main__":
    commands = {"table": table, "matched-steps": matched_steps}
    if len(sys.argv) != 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](sys.argv[2])
