"""The Markdown table of three_seeds.py: accuracies, and paired differences to the first row."""
import dataclasses
import json
import statistics
import subprocess
from typing import Dict

from run_files import metrics, newest_results, trained, trained_parameters
from step_runner import fail, program

NOTES = """
Accuracy: mean over seeds (least to greatest). Differences are paired over the problems of a seed (`bt-eval compare`); their
intervals speak about problems, not about seeds. An interval that contains 0 shows no difference. Trained parameters, steps
and FLOPs are those of a row's own training at the first seed; what its model was trained with before is not in them.
"""


@dataclasses.dataclass
class Row:
    name: str
    runs: Dict[int, str] = dataclasses.field(default_factory=dict)     # folder of bt-train by seed; none for "base"
    results: Dict[int, str] = dataclasses.field(default_factory=dict)  # folder of bt-eval by seed


def accuracies(results):
    """{(task, filter): share right}"""
    return {(task, name): score["right"] / score["answers"]
            for task, scores in results["results"].items() for name, score in scores["bt"]["filters"].items()}


def compare(a, b):
    """{(task, filter): comparison} of bt-eval compare."""
    command = [program("bt-eval"), "compare", a, b, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, universal_newlines=True)
    if done.returncode != 0:
        fail(done.returncode, f"{a} and {b} could not be compared")
    return {(c["task"], c["filter"]): c for c in json.loads(done.stdout)["comparisons"]}


def mean_and_range(values, form):
    """One value stands for all seeds where no seed changes it."""
    if len(values) == 1:
        return form.format(values[0])
    return f"{form.format(statistics.mean(values))} ({form.format(min(values))} to {form.format(max(values))})"


def verdict(comparisons):
    """What the intervals carry: on how many seeds 0 lies outside, and on which side."""
    higher = sum(c["interval"][0] > 0 for c in comparisons)
    lower = sum(c["interval"][1] < 0 for c in comparisons)
    counts = {"higher": higher, "lower": lower, "no difference found": len(comparisons) - higher - lower}
    return ", ".join(f"{label} on {count}" for label, count in counts.items() if count) + f" of {len(comparisons)}"


def accuracy_lines(rows, results):
    lines = ["| method | trained | steps | FLOPs | task | filter | accuracy % | by seed |", "|---" * 8 + "|"]
    for row in rows:
        folders = list(dict.fromkeys(row.results.values()))
        last = trained(metrics(next(iter(row.runs.values())))) if row.runs else {}
        flops = f"{last['flops']:.2e}" if "flops" in last else "-"
        parameters = trained_parameters(results[folders[0]]) if row.runs else "-"
        for task, name in accuracies(results[folders[0]]):
            values = [100 * accuracies(results[folder])[task, name] for folder in folders]
            lines.append(f"| {row.name} | {parameters} | {last.get('step', '-')} | {flops} | {task} | {name} | "
                         f"{mean_and_range(values, '{:.1f}')} | {', '.join(f'{value:.1f}' for value in values)} |")
    return lines


def difference_lines(rows):
    base, *others = rows
    lines = [f"| method − {base.name} | task | filter | points | by seed [95 %] | 0 outside the interval |",
             "|---" * 6 + "|"]
    for row in others:
        by_seed = [compare(base.results[seed], folder) for seed, folder in row.results.items()]
        for task, name in by_seed[0]:
            comparisons = [found[task, name] for found in by_seed]
            values = [100 * c["difference"] for c in comparisons]
            each = "; ".join(f"{v:+.2f} [{100 * c['interval'][0]:+.2f}, {100 * c['interval'][1]:+.2f}]"
                             for v, c in zip(values, comparisons))
            lines.append(f"| {row.name} | {task} | {name} | {mean_and_range(values, '{:+.2f}')} | {each} | "
                         f"{verdict(comparisons)} |")
    return lines


def items(results):
    counts = {}
    for task, scores in results["results"].items():
        counts[task] = max(score["answers"] for score in scores["bt"]["filters"].values())
    return ", ".join(f"{task} {count}" for task, count in counts.items())


def markdown(rows, options):
    results = {folder: newest_results(folder) for row in rows for folder in row.results.values()}
    first = results[rows[0].results[options.seeds[0]]]
    lines = [f"Seeds {', '.join(map(str, options.seeds))}. Weights: {options.weights}. Problems: {items(first)}. "
             f"bt {first['bt']['version']}, commit {first.get('git_hash', 'unknown')}, {first['config']['device']}, "
             f"{first['config']['model_dtype']}.", ""]
    lines += accuracy_lines(rows, results)
    if len(rows) > 1:
        lines += ["", *difference_lines(rows)]
    return "\n".join(lines) + "\n" + NOTES
