"""Settings of an arm: its config, the study's and its own, and those that tuning chose."""
import json
import math
import os
import statistics

from run_files import metrics
from step_runner import NUMERICAL_STOP, fail
from study_yaml import as_text, parse


def setting_words(settings, seed):
    return [f"{key}={as_text(value)}".replace("{seed}", str(seed)) for key, value in settings.items()]


def effective_config(protocol, arm, chosen=None):
    """Its keys with dots: the config's, over them the study's settings, the arm's, those chosen."""
    try:
        with open(arm.config, encoding="utf-8") as file:
            config = parse(file.read(), arm.config)
    except OSError as error:
        fail(2, f"{arm.config}: {error.strerror}")
    return {**flat(config), **protocol.settings, **arm.settings, **(chosen or {})}


def flat(mapping, prefix=""):
    found = {}
    for key, value in (mapping or {}).items():
        if isinstance(value, dict):
            found.update(flat(value, f"{prefix}{key}."))
        else:
            found[prefix + key] = value
    return found


def has_method(config):
    return any(key == "latent" or key.startswith("latent.") for key in config)


def trains_backbone(config):
    """Whether bt-train writes a model: plain fine-tuning does, and methods that are trained together with theirs."""
    together = config.get("latent.method") == "rollout"  # whose default it is
    return not has_method(config) or config.get("latent.train_backbone", together) is True


class Tuning:
    """steps[arm]: for each trial its step of every tuning seed."""

    def __init__(self, protocol, out, writes):
        self.protocol, self.writes, self.steps, self.file = protocol, writes, {}, os.path.join(out, "tuning.json")
        self.by = protocol.tuning.get("by", "validation_loss")

    def all_steps(self, arm):
        return [step for steps in self.steps[arm.name] for step in steps]

    def value(self, steps):
        """Of a trial: the best validation of each seed, averaged; NaN where a seed failed."""
        values = []
        for step in steps:
            rows = [] if step.failure() else [row[self.by] for row in metrics(step.path) if self.by in row]
            values.append((min if self.by == "validation_loss" else max)(rows) if rows else math.nan)
        return statistics.mean(values)

    def values(self, arm):
        return [self.value(steps) for steps in self.steps[arm.name]]

    def chosen(self, arm):
        """Of equal trials the first. All trials must be settled."""
        values = self.values(arm)
        numbers = [number for number, value in enumerate(values) if not math.isnan(value)]
        if not numbers:
            fail(NUMERICAL_STOP, f"every trial of {arm.name} failed")
        sign = 1 if self.by == "validation_loss" else -1
        if self.writes:
            self.write()
        return arm.trials()[min(numbers, key=lambda number: sign * values[number])]

    def write(self):
        """Of the arms whose trials are all settled."""
        arms = {}
        for name in self.steps:
            arm = self.protocol.arms[name]
            if all(step.is_settled() for step in self.all_steps(arm)):
                values = [None if math.isnan(value) else value for value in self.values(arm)]
                trials = [{"settings": settings, self.by: value} for settings, value in zip(arm.trials(), values)]
                known = [value for value in values if value is not None]
                best = (min if self.by == "validation_loss" else max)(known) if known else None
                arms[name] = {"trials": trials, "chosen": arm.trials()[values.index(best)] if known else None}
        with open(self.file + ".partial", "w", encoding="utf-8") as file:
            json.dump({"by": self.by, "seeds": self.protocol.tuning["seeds"], "arms": arms}, file, indent=1)
        os.replace(self.file + ".partial", self.file)
