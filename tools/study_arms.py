"""The arms of a study, each a row: how they are read, and what only all of them together can be checked for."""
import dataclasses
import itertools
import re
from typing import List, Optional, Tuple

from study_keys import WEIGHTS
from study_yaml import as_text, nearest


@dataclasses.dataclass
class Arm:
    name: str
    config: Optional[str]            # None: the study's model as it is, or another arm's
    settings: dict
    on: Optional[Tuple[str, str]]    # (arm, weights) that it starts from; None: the study's model, or random weights
    match: Optional[dict]
    tune: dict
    weights: List[str]
    evaluates: Optional[str]         # the arm whose trained weights are evaluated in another way
    evaluation: dict                 # flags over the study's

    def trials(self):
        """Every combination of the grid's values; none where nothing is tuned."""
        return [dict(zip(self.tune, values)) for values in itertools.product(*self.tune.values())] if self.tune else []


def split_weights(text, default):
    """'bt/final' -> ('bt', 'final')"""
    name, _, weights = text.partition("/")
    return name, weights or default


def sweep_name(name, chosen):
    """The values in the places of {}; or behind the name, each after the last part of its key."""
    words = [re.sub(r"[^\w.+-]", "_", as_text(value)) for value in chosen.values()]
    if "{}" in name:
        parts = name.split("{}")
        return "".join(part + word for part, word in itertools.zip_longest(parts, words, fillvalue=""))
    return name + "".join(f"_{key.split('.')[-1]}_{word}" for key, word in zip(chosen, words))


def read_arms(values, refuse):
    """{name: Arm} of a protocol's values; refuse(path, message) ends the program."""
    arms = [arm for name, value in values["arms"].items() for arm in read_arm(name, value, values, refuse)]
    names = [arm.name.lower() for arm in arms]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice or not arms:
        refuse(("arms",), f"two are named {twice}" if twice else "there is none")
    arms = {arm.name: arm for arm in arms}
    for arm in arms.values():
        check_arm(arm, arms, values, refuse)
    return arms


def read_arm(name, values, protocol, refuse):
    """One, or one for each combination of its sweep's values."""
    for group in ("sweep", "tune"):
        for key, listed in values.get(group, {}).items():
            if not isinstance(listed, list) or not listed:
                refuse(("arms", name, group, key), f"expected a list of values, found {listed!r}")
    sweep, on = values.get("sweep", {}), values.get("on")
    if "{}" in name and name.count("{}") != len(sweep):
        refuse(("arms", name), f"expected a {{}} for each key of its sweep, {len(sweep)}")
    for combination in itertools.product(*sweep.values()):
        chosen = dict(zip(sweep, combination))
        yield Arm(sweep_name(name, chosen), values.get("config"), {**values.get("settings", {}), **chosen},
                  split_weights(on, "best") if on else None, values.get("match"), values.get("tune", {}),
                  values.get("weights") or protocol.get("weights", ["best"]), values.get("evaluates"),
                  values.get("evaluation", {}))


def check_names(path, names, refuse):
    """They become folders, and parts of names of folders that are joined by dots."""
    for name in names:
        if not re.fullmatch(r"\w[\w=+-]*(\.\w+)*", name):
            refuse(path + (name,), "expected a name of letters, digits and _ - = +")


def known_arm(name, arms, path, refuse):
    if name not in arms:
        refuse(path, f"there is no arm {name}{nearest(name, arms)}; there are {', '.join(arms)}")


def check_arm(arm, arms, values, refuse):
    path = ("arms", arm.name)
    check_names(("arms",), [arm.name], refuse)
    if any(arm.name.startswith(other + ".") for other in arms):
        refuse(path, "is another arm's name, a dot and more; its folders could not be told apart")
    if arm.match and set(arm.match) != {"arm", "by"}:
        refuse(path + ("match",), "expected both arm and by")
    for key, other in (("on", arm.on and arm.on[0]), ("match", arm.match and arm.match["arm"])):
        if other is not None:
            known_arm(other, arms, path + (key,), refuse)
            if arms[other].config is None:
                refuse(path + (key,), f"{other} is not trained")
    if arm.on and arm.on[1] not in WEIGHTS:
        refuse(path + ("on",), f"expected ARM, ARM/best or ARM/final, found {'/'.join(arm.on)}")
    if arm.evaluates is not None:
        return check_evaluates(arm, arms, path, refuse)
    if arm.config is None and (not values.get("model") or arm.settings or arm.on or arm.match or arm.tune):
        refuse(path, "has no config: only the study's model as it is can do without")
    if arm.match and "train.steps" in {**arm.settings, **arm.tune}:
        refuse(path, "match chooses train.steps, which is set here too")
    check_no_cycle(arm, arms, (), refuse)


def check_evaluates(arm, arms, path, refuse):
    known_arm(arm.evaluates, arms, path + ("evaluates",), refuse)
    if arms[arm.evaluates].config is None:
        refuse(path + ("evaluates",), f"{arm.evaluates} is not trained")
    if arm.config or arm.settings or arm.on or arm.match or arm.tune:
        refuse(path, f"evaluates {arm.evaluates} as it was trained: only evaluation and weights can be its own")


def check_no_cycle(arm, arms, seen, refuse):
    if arm.name in seen:
        refuse(("arms", arm.name), f"depends on itself: {' -> '.join(seen + (arm.name,))}")
    for other in (arm.on and arm.on[0], arm.match and arm.match.get("arm")):
        if other in arms:
            check_no_cycle(arms[other], arms, seen + (arm.name,), refuse)
