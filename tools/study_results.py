"""What a study found: rows and contrasts, the contents of study.json."""
import glob
import json
import os

from run_files import metrics, newest_results, trained
from step_runner import fail
from study_arms import split_weights
from study_statistics import bootstrap, bootstrap_shared, holm, interval, p_value
from study_tuning import effective_config, has_method, trains_backbone

RESAMPLES = 10000


class Results:
    """Of the seeds whose steps are all settled."""

    def __init__(self, plan):
        self.plan, self.protocol, self.right = plan, plan.protocol, {}
        self.seeds = [seed for seed in self.protocol.seeds if self.is_settled(seed)]
        self.scores = self.all_scores()
        self.rows = [row for arm in self.protocol.arms.values() for row in self.rows_of(arm)] if self.seeds else []
        self.contrasts = self.all_contrasts() if self.seeds else []

    def is_settled(self, seed):
        return all(step.is_settled() for key, step in self.plan.results.items() if key[3] == seed)

    def rows_of(self, arm):
        source = self.plan.source(arm)
        for weights in arm.weights if source.config else arm.weights[:1]:
            runs = [self.run_values(source, weights, seed) for seed in self.seeds]
            for split in self.protocol.splits():
                results = [self.result(arm.name, weights, split, seed) for seed in self.seeds]
                failed = [seed for seed, result in zip(self.seeds, results) if result is None]
                parameters = self.parameters(source, next(filter(None, results), None))
                for task, name in self.scores:
                    row = {"arm": arm.name, "weights": weights, "split": split, "task": task, "filter": name,
                           "accuracy": [result and accuracy(result, task, name) for result in results], "failed": failed}
                    yield {**row, **{key: [run.get(key) for run in runs] for key in RUN_KEYS}, **parameters}

    def result(self, arm, weights, split, seed):
        """None where it failed."""
        step = self.plan.results[arm, weights, split, seed]
        return None if step.failure() else newest_results(step.path)

    def all_scores(self):
        """Every (task, filter) that some arm has a result for, or, where all failed, that the protocol names."""
        results = [self.result(*key) for key in self.plan.results if key[3] in self.seeds]
        found = {(task, name): None for result in filter(None, results) for task, scores in result["results"].items()
                 for name in scores["bt"]["filters"]}
        named = filter(None, [self.protocol.primary, *self.protocol.outcomes])
        return list(found) or list(dict.fromkeys((outcome["task"], outcome["filter"]) for outcome in named))

    def run_values(self, arm, weights, seed):
        folder = self.plan.folder(seed, "train", arm.name)
        step = self.plan.runs.get(folder)
        return run_values(metrics(folder), weights) if step and not step.failure() else {}

    def parameters(self, arm, result):
        if result is None:
            return {"trained_parameters": None, "inference_parameters": None}
        model, method = result["config"]["model_num_parameters"], (result["bt"]["method"] or {}).get("parameters", 0)
        trains = 0
        if arm.config:
            config = effective_config(self.protocol, arm)
            trains = (method if has_method(config) else 0) + (model if trains_backbone(config) else 0)
        return {"trained_parameters": trains, "inference_parameters": model + method}

    def all_contrasts(self):
        """The primary outcome's primary contrasts; then, uncorrected, everything else that the protocol names."""
        protocol, first = self.protocol, []
        if protocol.primary:
            first = [self.contrast(pair, protocol.primary, True) for pair in protocol.primary_contrasts]
        known = [contrast for contrast in first if contrast["p"] is not None]
        for contrast, p in zip(known, holm([contrast["p"] for contrast in known])):
            contrast["p_holm"] = p
        rest = [(pair, protocol.primary) for pair in protocol.contrasts if protocol.primary]
        rest += [(pair, outcome) for outcome in protocol.outcomes for pair in protocol.primary_contrasts + protocol.contrasts]
        return first + [self.contrast(pair, outcome, False) for pair, outcome in rest if self.has(pair, outcome)]

    def has(self, pair, outcome):
        """Whether both arms are evaluated with the outcome's weights."""
        return all((*split_weights(name, outcome["weights"]), outcome["split"], self.seeds[0]) in self.plan.results for name in pair)

    def contrast(self, pair, outcome, primary):
        sides = [split_weights(name, outcome["weights"]) for name in pair]
        differences = [self.differences(sides, outcome, seed) for seed in self.seeds]
        per_seed = [None if d is None else sum(d.values()) / len(d) for d in differences]
        known = [value for value in per_seed if value is not None]
        found = {"a": "/".join(sides[0]), "b": "/".join(sides[1]), "outcome": f"{outcome['task']}, {outcome['filter']}",
                 "split": outcome["split"], "primary": primary, "per_seed": per_seed, "difference": None, "interval": None,
                 "p": None, "p_holm": None}
        if known:
            means = resampled([d for d in differences if d is not None])
            found.update(difference=sum(known) / len(known), interval=interval(means), p=p_value(means))
        return found

    def differences(self, sides, outcome, seed):
        """{question: a right less b right}; None where a side failed."""
        steps = [self.plan.results[arm, weights, outcome["split"], seed] for arm, weights in sides]
        if any(step.failure() for step in steps):
            return None
        a, b = (self.answers(step.path, outcome["task"], outcome["filter"]) for step in steps)
        if a.keys() != b.keys():
            fail(3, f"{steps[0].path} and {steps[1].path} do not hold the same questions")
        return {question: a[question] - b[question] for question in a}

    def answers(self, folder, task, name):
        """{question: 1 if right}"""
        if folder not in self.right:
            self.right[folder] = read_samples(folder)
        if (task, name) not in self.right[folder]:
            fail(2, f"{folder}: no {task} with filter {name}; there is {sorted(self.right[folder])}")
        return self.right[folder][task, name]


RUN_KEYS = ["validation_loss", "train_loss", "flops", "training_s", "steps"]


def resampled(differences):
    """Of each seed {question: difference}: questions are drawn for every seed apart, or once where all have the same."""
    if len(differences) > 1 and all(d.keys() == differences[0].keys() for d in differences):
        return bootstrap_shared([[d[question] for question in differences[0]] for d in differences], RESAMPLES)
    values = [list(d.values()) for d in differences]
    return bootstrap([(v.count(1), v.count(0), v.count(-1)) for v in values], RESAMPLES)


def run_values(rows, weights):
    """Of a run's metrics: losses at the weights, and what all of its training cost."""
    validations = [row for row in rows if "validation_loss" in row]
    at = None
    if validations:
        at = min(validations, key=lambda row: row["validation_loss"]) if weights == "best" else validations[-1]
    last = trained(rows)
    return {"validation_loss": at and at["validation_loss"], "train_loss": train_loss(rows, at), "flops": last.get("flops"),
            "training_s": last.get("training_s"), "steps": last.get("step")}


def train_loss(rows, at):
    """Mean of the losses logged since the validation before."""
    end = at["step"] if at else trained(rows).get("step", 0)
    begin = max((row["step"] for row in rows if "validation_loss" in row and row["step"] < end), default=0)
    losses = [row["loss"] for row in rows if "loss" in row and begin < row["step"] <= end]
    return sum(losses) / len(losses) if losses else None


def accuracy(result, task, name):
    score = result["results"][task]["bt"]["filters"][name]
    return score["right"] / score["answers"]


def read_samples(folder):
    """{(task, filter): {(number, hash of the question): 1 if right}} of the newest evaluation."""
    date = os.path.basename(sorted(glob.glob(os.path.join(folder, "results_*.json")))[-1])[len("results_"):-len(".json")]
    found = {}
    for path in glob.glob(os.path.join(folder, f"samples_*_{date}.jsonl")):
        task = os.path.basename(path)[len("samples_"):-len(f"_{date}.jsonl")]
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                right = int(record[record["metrics"][0]] > 0.5)
                found.setdefault((task, record["filter"]), {})[record["doc_id"], record["doc_hash"]] = right
    return found


def study_json(results, identity):
    protocol = results.protocol
    return {"protocol": {**identity, "values": protocol.values}, "seeds": results.seeds,
            "unfinished_seeds": [seed for seed in protocol.seeds if seed not in results.seeds],
            "rows": results.rows, "contrasts": results.contrasts}
