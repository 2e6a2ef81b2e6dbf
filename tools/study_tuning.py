"""Settings of an arm: its config, the study's and its own, and those that tuning chose."""
import json
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
    """steps[arm]: for each trial its step of every tuning seed. records: whether tuning.json is written."""

    def __init__(self, protocol, out, records):
        self.protocol, self.records, self.file = protocol, records, os.path.join(out, "tuning.json")
        self.steps, self.found = {}, {}
        self.by = protocol.tuning.get("by", "validation_loss")
        self.best = min if self.by == "validation_loss" else max

    def all_steps(self, arm):
        return [step for steps in self.steps[arm.name] for step in steps]

    def chosen(self, arm):
        """The settings of the best trial, of equal ones the first. All its trials must be settled."""
        if arm.name not in self.found:
            values = [self.value(steps) for steps in self.steps[arm.name]]
            known = [value for value in values if value is not None]
            if not known:
                fail(NUMERICAL_STOP, f"every trial of {arm.name} failed")
            trials = [{"settings": settings, self.by: value} for settings, value in zip(arm.trials(), values)]
            self.found[arm.name] = {"chosen": arm.trials()[values.index(self.best(known))], "trials": trials}
            if self.records:
                self.record()
        return self.found[arm.name]["chosen"]

    def value(self, steps):
        """Of a trial: the best validation at each seed, averaged; None where a seed failed."""
        if any(step.failure() for step in steps):
            return None
        return statistics.mean(self.best(row[self.by] for row in metrics(step.path) if self.by in row) for step in steps)

    def record(self):
        with open(self.file + ".partial", "w", encoding="utf-8") as file:
            json.dump({"by": self.by, "seeds": self.protocol.tuning["seeds"], "arms": self.found}, file, indent=1)
        os.replace(self.file + ".partial", self.file)
