"""The protocol of a study: its keys, and what of it only the whole can be checked for."""
import dataclasses
import hashlib
import itertools
import json
import os
import re
from typing import List, Optional, Tuple

from step_runner import fail
from study_yaml import FREE, TEXT, Checker, as_text, lines, parse

MAKE = {"problems": int, "split": {"all", "train", "validation", "test"}, "shift": {"id", "longer", "larger", "distractors"},
        "min_steps": int, "max_steps": int, "max_value": int, "max_operand": int, "two_operand_rate": (int, float),
        "near": bool, "multiply": bool, "verbose_steps": bool, "distractors": int, "names": int}
TOKENIZER = {"vocab_size": int, "text": str, "model_type": {"bpe", "unigram"}, "no_byte_fallback": bool, "word": [TEXT],
             "problem_words": bool, "seed": int}
EVALUATION = {"tasks": [str], "limit": int, "batch_size": int, "max_new_tokens": int, "prompt_template": str, "chat": str,
              "system": str, "load": str, "device": str, "dtype": str, "threads": int, "plugins": [str],
              "allow_other_backbone": bool}
WEIGHTS = {"best", "final"}
ARM = {"config": str, "settings": FREE, "on": str, "weights": [WEIGHTS], "tune": FREE, "sweep": FREE,
       "match": {"arm": str, "by": {"samples", "flops", "wall"}}}
OUTCOME = {"task": str, "filter": str, "split": str, "weights": WEIGHTS, "learned_above": (int, float)}
SCHEMA = {
    "name": str, "seeds": [int], "model": str, "settings": FREE, "weights": [WEIGHTS],
    "data": {"make": {"*": MAKE}, "seed_offset": int, "tokenizer": TOKENIZER,
             "files": {"train": [str], "validation": [str], "tuning_validation": [str], "test": {"*": str}}},
    "evaluation": EVALUATION, "arms": {"*": ARM},
    "tuning": {"seeds": [int], "by": {"validation_loss", "validation_accuracy"}, "unequal_trials": bool},
    "primary": {"outcome": OUTCOME, "contrasts": [[str]]},
    "secondary": {"outcomes": [OUTCOME], "contrasts": [[str]]}}


@dataclasses.dataclass
class Arm:
    name: str
    config: Optional[str]            # None: the study's model as it is
    settings: dict
    on: Optional[Tuple[str, str]]    # (arm, weights) that it starts from; None: the study's model, or random weights
    match: Optional[dict]
    tune: dict
    weights: List[str]

    def trials(self):
        """Every combination of the grid's values; empty where nothing is tuned."""
        return [dict(zip(self.tune, values)) for values in itertools.product(*self.tune.values())] if self.tune else []


class Protocol:
    """file: as it stands; overrides: key=value. Ends the program with code 2 where it does not make sense."""

    def __init__(self, file, overrides):
        try:
            with open(file, encoding="utf-8") as opened:
                self.text = opened.read()
        except OSError as error:
            fail(2, f"{file}: {error.strerror}")
        self.file, self.overrides = file, overrides
        values = parse(self.text, file)
        checker = Checker(file, lines(self.text) if values is not None else {})
        checker.check(values, SCHEMA)
        for override in overrides:
            override_key(values, override)
        self.values, self.refuse = values, checker.refuse
        Checker("with the overrides, " + file, {}).check(values, SCHEMA)
        for key in ("seeds", "data", "evaluation", "arms"):
            if key not in values:
                self.refuse((key,), "is missing")
        self.seeds, self.model = values["seeds"], values.get("model")
        self.data, self.evaluation = values["data"], values["evaluation"]
        self.settings, self.tuning = values.get("settings", {}), values.get("tuning", {})
        self.arms = {arm.name: arm for name, arm in values["arms"].items() for arm in self.read_arm(name, arm)}
        self.check_data()
        self.check_arms()
        self.check_tuning()
        self.read_outcomes()

    def read_arm(self, name, values):
        """One, or one for each value of its sweep."""
        sweep = values.get("sweep", {})
        for key in (k for group in ("sweep", "tune") for k in values.get(group, {})):
            listed = values["sweep" if key in sweep else "tune"][key]
            if not isinstance(listed, list) or not listed:
                self.refuse(("arms", name, "sweep" if key in sweep else "tune", key), "expected a list of values")
        on = values.get("on")
        for chosen in itertools.product(*sweep.values()):
            settings = {**values.get("settings", {}), **dict(zip(sweep, chosen))}
            yield Arm(sweep_name(name, dict(zip(sweep, chosen))), values.get("config"), settings, split_weights(on, "best"),
                      values.get("match"), values.get("tune", {}), values.get("weights") or self.values.get("weights", ["best"]))

    def check_data(self):
        data = self.data
        if ("make" in data) == ("files" in data):
            self.refuse(("data",), "give either make or files")
        group = "make" if "make" in data else "files"
        if "train" not in data[group]:
            self.refuse(("data", group), "train is missing")
        if group == "make":
            for split, options in data["make"].items():
                if "problems" not in options:
                    self.refuse(("data", "make", split), "problems is missing: how many?")
        if not self.splits():
            self.refuse(("data", group), "no split to test on")
        self.check_names(("data", group), self.splits())
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            self.refuse(("seeds",), f"expected different integers from 0, found {self.seeds}")
        if not self.evaluation.get("tasks"):
            self.refuse(("evaluation",), "tasks is missing")

    def splits(self):
        if "make" in self.data:
            return [split for split in self.data["make"] if split not in ("train", "validation")]
        return list(self.data["files"].get("test", {}))

    def has_validation(self):
        return "validation" in self.data.get("make", self.data.get("files"))

    def check_names(self, path, names):
        for name in names:
            if not re.fullmatch(r"[\w=+-][\w=+.-]*", name):
                self.refuse(path + (name,), "names are of letters, digits and _ - = + .")

    def check_arms(self):
        self.check_names(("arms",), self.arms)
        if len({name.lower() for name in self.arms}) < len(self.arms) or not self.arms:
            self.refuse(("arms",), "arms need different names, and there must be one")
        for arm in self.arms.values():
            for key, other in (("on", arm.on and arm.on[0]), ("match", arm.match and arm.match.get("arm"))):
                if other is not None:
                    self.known_arm(other, ("arms", arm.name, key))
            if arm.on and arm.on[1] not in WEIGHTS:
                self.refuse(("arms", arm.name, "on"), f"expected ARM, ARM/best or ARM/final, found {'/'.join(arm.on)}")
            if arm.match and set(arm.match) != {"arm", "by"}:
                self.refuse(("arms", arm.name, "match"), "give both arm and by")
            if arm.config is None and (not self.model or arm.settings or arm.on or arm.match or arm.tune):
                self.refuse(("arms", arm.name), "no config: only the study's model as it is can do without")
            if "best" in arm.weights and arm.config and not self.has_validation():
                self.refuse(("arms", arm.name, "weights"), "best needs validation data; or say weights: [final]")
            if arm.match and "train.steps" in {**arm.settings, **arm.tune}:
                self.refuse(("arms", arm.name), "match chooses train.steps, which is set here too")
            self.check_no_cycle(arm.name, ())
        for name in self.arms:
            if any(other != name and name.startswith(other + ".") for other in self.arms):
                self.refuse(("arms", name), "begins with another arm's name and a dot")

    def known_arm(self, name, path):
        if name not in self.arms:
            from study_yaml import nearest
            self.refuse(path, f"no arm {name}{nearest(name, self.arms)}; there are {', '.join(self.arms)}")

    def check_no_cycle(self, name, seen):
        if name in seen:
            self.refuse(("arms", name), f"depends on itself: {' -> '.join(seen + (name,))}")
        arm = self.arms[name]
        for other in (arm.on and arm.on[0], arm.match and arm.match["arm"]):
            if other in self.arms:
                self.check_no_cycle(other, seen + (name,))

    def check_tuning(self):
        tuned = {arm.name: len(arm.trials()) for arm in self.arms.values() if arm.tune}
        if not tuned:
            return
        seeds = self.tuning.get("seeds", [])
        if not seeds or set(seeds) & set(self.seeds):
            self.refuse(("tuning", "seeds"), f"expected seeds that are none of the study's, found {seeds}")
        if len(set(tuned.values())) > 1 and not self.tuning.get("unequal_trials"):
            self.refuse(("tuning",), f"arms have different numbers of trials, {tuned}; give them grids of one size, or write "
                                     "unequal_trials: true")
        files = self.data.get("files", {})
        if not self.has_validation() or not ("make" in self.data or "tuning_validation" in files
                                             or any("{seed}" in file for file in files["validation"])):
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
        first = next(iter(self.arms.values())).weights[0]
        outcome = {"split": self.splits()[0], "weights": first, **outcome}
        if not {"task", "filter"} <= set(outcome):
            self.refuse(path, "task and filter are needed")
        for key, names in (("split", self.splits()), ("task", self.evaluation["tasks"])):
            if outcome[key] not in names:
                self.refuse(path + (key,), f"expected {' or '.join(names)}, found {outcome[key]}")
        return outcome

    def read_contrasts(self, group, key):
        pairs = []
        for number, pair in enumerate(group.get("contrasts", [])):
            path = (key, "contrasts", str(number))
            if len(pair) != 2 or pair[0] == pair[1]:
                self.refuse(path, f"expected two arms, found {pair}")
            for name in pair:
                arm, weights = split_weights(name, None)
                self.known_arm(arm, path)
                if weights and weights not in self.arms[arm].weights:
                    self.refuse(path, f"{arm} is evaluated with {' and '.join(self.arms[arm].weights)} weights only")
            pairs.append(tuple(pair))
        return pairs


def split_weights(text, default):
    """'bt/final' -> ('bt', 'final')"""
    if text is None:
        return None
    name, _, weights = text.partition("/")
    return name, weights or default


def sweep_name(name, chosen):
    """The values in the places of {}; or behind the name, each behind the last part of its key."""
    words = [re.sub(r"[^\w.+-]", "_", as_text(value)) for value in chosen.values()]
    if "{}" in name:
        return name.format(*words)
    return name + "".join(f"_{key.split('.')[-1]}_{word}" for key, word in zip(chosen, words))


def override_key(values, override):
    """arms.bt.settings.train.lr=1e-3: the keys of settings hold dots themselves."""
    path, equals, text = override.partition("=")
    if not equals:
        fail(2, f"{override}: expected key=value")
    place, schema, keys = values, SCHEMA, path.split(".")
    while len(keys) > 1 and schema != FREE:
        key = keys.pop(0)
        schema = schema.get(key, schema.get("*")) if isinstance(schema, dict) else None
        if schema is None:
            keys.insert(0, key)
            break
        place = place.setdefault(key, {})
    place[".".join(keys)] = parse(text, override)


def program_flags(options):
    """Options of a program: max_new_tokens: 40 -> --max-new-tokens 40."""
    words = []
    for key, value in options.items():
        flag = "--" + key.replace("_", "-")
        if isinstance(value, bool):
            words += [flag] if value else []
        elif key == "word":
            words += [word for item in value for word in (flag, as_text(item))]
        else:
            words += [flag, ",".join(map(str, value)) if isinstance(value, list) else as_text(value)]
    return words


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
