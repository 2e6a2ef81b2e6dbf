"""The protocol of a study: its file, what stands in it, and whether that makes sense."""
import hashlib
import json
import os

from step_runner import fail
from study_arms import check_names, known_arm, read_arms, split_weights
from study_keys import SCHEMA, override_key
from study_yaml import Checker, lines, parse


class Protocol:
    """file: as it stands; overrides: key=value. Ends the program with code 2 where it does not make sense."""

    def __init__(self, file, overrides):
        try:
            with open(file, encoding="utf-8") as opened:
                self.text = opened.read()
        except OSError as error:
            fail(2, f"{file}: {error.strerror}")
        self.file, self.overrides = file, overrides
        self.values = values = self.checked_values()
        self.seeds, self.model, self.data = values["seeds"], values.get("model"), values["data"]
        self.settings, self.tuning, self.evaluation = values.get("settings", {}), values.get("tuning", {}), values["evaluation"]
        self.check_data()
        self.arms = read_arms(values, self.refuse)
        self.check_weights()
        self.check_tuning()
        self.read_outcomes()

    def checked_values(self):
        values = parse(self.text, self.file)
        checker = Checker(self.file, lines(self.text))
        checker.check(values, SCHEMA)
        for override in self.overrides:
            override_key(values, override)
        if self.overrides:
            Checker("overrides of " + self.file, {}).check(values, SCHEMA)
        self.refuse = checker.refuse
        for key in ("seeds", "data", "evaluation", "arms"):
            if key not in values:
                self.refuse((key,), "is missing")
        return values

    def check_data(self):
        data = self.data
        if ("make" in data) == ("files" in data):
            self.refuse(("data",), "expected either make or files")
        group = "make" if "make" in data else "files"
        if "train" not in data[group]:
            self.refuse(("data", group), "train is missing")
        for split, options in data.get("make", {}).items():
            if "problems" not in options:
                self.refuse(("data", "make", split), "problems is missing: how many?")
        if not self.splits():
            self.refuse(("data", group), "there is no split to test on")
        check_names(("data", group), self.splits(), self.refuse)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            self.refuse(("seeds",), f"expected different integers from 0 on, found {self.seeds}")
        if not self.evaluation.get("tasks"):
            self.refuse(("evaluation",), "tasks is missing")

    def splits(self):
        """Those that arms are evaluated on."""
        if "make" in self.data:
            return [split for split in self.data["make"] if split not in ("train", "validation")]
        return list(self.data["files"].get("test", {}))

    def has_validation(self):
        return "validation" in self.data.get("make", self.data.get("files"))

    def check_weights(self):
        for arm in self.arms.values():
            starts_from_best = any(other.on == (arm.name, "best") for other in self.arms.values())
            if arm.config and not self.has_validation() and ("best" in arm.weights or starts_from_best):
                self.refuse(("arms", arm.name), "best weights need validation data; or write weights: [final], on: ARM/final")

    def check_tuning(self):
        tuned = {arm.name: len(arm.trials()) for arm in self.arms.values() if arm.tune}
        if not tuned:
            return
        seeds, files = self.tuning.get("seeds", []), self.data.get("files", {})
        if not seeds or set(seeds) & set(self.seeds):
            self.refuse(("tuning", "seeds"), f"expected seeds that are none of the study's, found {seeds}")
        if len(set(tuned.values())) > 1 and not self.tuning.get("unequal_trials"):
            self.refuse(("tuning",), f"the arms have different numbers of trials, {tuned}; give them grids of one size, or "
                                     "write unequal_trials: true")
        own = "make" in self.data or "tuning_validation" in files or any("{seed}" in f for f in files.get("validation", []))
        if not self.has_validation() or not own:
            self.refuse(("tuning",), "needs a validation split of its own: data.files.tuning_validation, or {seed} in "
                                     "data.files.validation")

    def read_outcomes(self):
        primary, secondary = self.values.get("primary", {}), self.values.get("secondary", {})
        if primary and "outcome" not in primary:
            self.refuse(("primary",), "outcome is missing")
        self.primary = self.read_outcome(primary["outcome"], ("primary", "outcome")) if primary else None
        self.outcomes = [self.read_outcome(outcome, ("secondary", "outcomes", str(number)))
                         for number, outcome in enumerate(secondary.get("outcomes", []))]
        self.primary_contrasts = self.read_contrasts(primary, "primary")
        self.contrasts = self.read_contrasts(secondary, "secondary")

    def read_outcome(self, outcome, path):
        """With the first split and the first weights, where it names none."""
        outcome = {"split": self.splits()[0], "weights": self.values.get("weights", ["best"])[0], **outcome}
        if not {"task", "filter"} <= set(outcome):
            self.refuse(path, "expected task and filter")
        for key, names in (("split", self.splits()), ("task", self.evaluation["tasks"])):
            if outcome[key] not in names:
                self.refuse(path + (key,), f"expected {' or '.join(names)}, found {outcome[key]}")
        return outcome

    def read_contrasts(self, group, key):
        for number, pair in enumerate(group.get("contrasts", [])):
            path = (key, "contrasts", str(number))
            if len(pair) != 2 or pair[0] == pair[1]:
                self.refuse(path, f"expected two arms, found {pair}")
            for name, weights in (split_weights(side, None) for side in pair):
                known_arm(name, self.arms, path, self.refuse)
                if weights and weights not in self.arms[name].weights:
                    self.refuse(path, f"{name} is evaluated with {' and '.join(self.arms[name].weights)} weights, not {weights}")
        return [tuple(pair) for pair in group.get("contrasts", [])]


def identify(protocol, out):
    """The protocol's file, SHA-256 and overrides. Refuses a folder that another protocol was begun in."""
    identity = {"file": protocol.file, "sha256": hashlib.sha256(protocol.text.encode()).hexdigest(),
                "overrides": protocol.overrides}
    if os.path.exists(os.path.join(out, "protocol.json")):
        with open(os.path.join(out, "protocol.json"), encoding="utf-8") as file:
            begun = json.load(file)
        if any(begun[key] != identity[key] for key in ("sha256", "overrides")):
            fail(2, f"{out} was begun with another protocol\n"
                    f"  then: SHA-256 {begun['sha256']}, overrides {begun['overrides']}\n"
                    f"  now: SHA-256 {identity['sha256']}, overrides {identity['overrides']}\n"
                    f"  next step: compare with {os.path.join(out, 'protocol.yaml')}, or choose another --out")
    return identity


def record(protocol, identity, out):
    """Copies the protocol into the study's folder."""
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "protocol.yaml"), "w", encoding="utf-8") as file:
        file.write(protocol.text)
    with open(os.path.join(out, "protocol.json"), "w", encoding="utf-8") as file:
        json.dump(identity, file, indent=1)
