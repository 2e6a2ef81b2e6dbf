"""Reads what runs wrote: metrics.jsonl of bt-train, results_*.json of bt-eval."""
import glob
import json
import os


def metrics(run):
    """The lines of a run's metrics.jsonl."""
    with open(os.path.join(run, "metrics.jsonl"), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def trained(rows):
    """The last line of training: steps, FLOPs and seconds so far; empty for a method that is not trained."""
    return next((row for row in reversed(rows) if "loss" in row), {})


def newest_results(folder):
    with open(sorted(glob.glob(os.path.join(folder, "results_*.json")))[-1], encoding="utf-8") as file:
        return json.load(file)


def trained_parameters(results):
    """Of the method where there is one, of the model otherwise."""
    method = results["bt"]["method"]
    return method["parameters"] if method else results["config"]["model_num_parameters"]
