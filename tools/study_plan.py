"""Every step of a study in its order."""
import os

from step_runner import Later, Step
from study_data import SeedData
from study_matching import PROBE_SETTINGS, matched_steps, require_flops
from study_keys import program_flags
from study_tuning import Tuning, effective_config, has_method, setting_words, trains_backbone


class Plan:
    """steps, each after those it depends on; runs[folder], results[arm, weights, split, seed]: those of bt-train, bt-eval.
    records: whether what tuning chooses is written."""

    def __init__(self, protocol, out, records):
        self.protocol, self.out, self.tuning = protocol, out, Tuning(protocol, out, records)
        self.steps, self.data, self.runs, self.results = [], {}, {}, {}
        for arm in protocol.arms.values():
            if arm.tune:
                self.tune(arm)
        for seed in protocol.seeds:
            for arm in protocol.arms.values():
                if arm.match and arm.match["by"] == "flops":  # first, so that what cannot be matched is refused soon
                    self.probes(arm, seed)
            for arm in protocol.arms.values():
                self.evaluate_all(arm, seed)

    def add(self, step):
        self.steps.append(step)
        return step

    def folder(self, seed, *names):
        top = [] if seed in self.protocol.seeds else ["tuning"]
        return os.path.join(self.out, *top, f"seed_{seed}", *names)

    def data_of(self, seed):
        if seed not in self.data:
            self.data[seed] = SeedData(self.protocol, seed, self.folder(seed, "data"))
            made = self.data[seed].steps() if seed in self.protocol.seeds else self.data[seed].training_steps
            self.steps += made
        return self.data[seed]

    def tune(self, arm):
        seeds = self.protocol.tuning["seeds"]
        self.tuning.steps[arm.name] = [[self.train(arm, seed, trial) for seed in seeds] for trial in range(len(arm.trials()))]

    def train(self, arm, seed, trial=None):
        """trial: number of the tuning's; None: with the settings it chose."""
        words, after = self.settings(arm, seed, trial)
        if arm.match:
            more, steps = self.match(arm, seed, trial)
            words, after = words + more, after + steps
        return self.training("train", arm, seed, trial, words, after)

    def probe(self, arm, seed, trial=None, check=None):
        """A few steps, to see what one costs."""
        words, after = self.settings(arm, seed, trial)
        words += ["data.validation=[]", *setting_words(PROBE_SETTINGS, seed)]
        return self.training("probe", arm, seed, trial, words, after, check)

    def training(self, kind, arm, seed, trial, settings, after, check=None):
        name = arm.name if trial is None else f"{arm.name}.trial_{trial}"
        folder = self.folder(seed, kind, name)
        if folder not in self.runs:
            data = self.data_of(seed)
            start, made_by = self.start(arm, seed)
            command = ["bt-train", arm.config, f"run.name={name}-{seed}", f"run.out={folder}", f"run.seed={seed}",
                       f"data.train=[{', '.join(data.train)}]", f"data.validation=[{', '.join(data.validation)}]"]
            self.runs[folder] = self.add(Step(folder, command + start + settings, files=[arm.config, *data.given],
                                              after=data.training_steps + made_by + after,
                                              proof=os.path.join(folder, "final"), check=check,
                                              may_fail=self.tuning.all_steps(arm) if arm.tune and trial is None else []))
        return self.runs[folder]

    def start(self, arm, seed):
        """Words for the weights it starts from, and the steps that make them."""
        if arm.on:
            base = self.train(self.protocol.arms[arm.on[0]], seed)
            return [f"model.path={os.path.join(base.path, arm.on[1])}"], [base]
        tokenizer = self.data_of(seed).tokenizer
        if self.protocol.model:
            return [f"model.path={self.protocol.model}"], []
        return [f"model.tokenizer={tokenizer}"] if tokenizer else [], []

    def settings(self, arm, seed, trial):
        """Words for the settings, and the steps that some of them come from."""
        words = setting_words({**self.protocol.settings, **arm.settings}, seed)
        if trial is not None:
            return words + setting_words(arm.trials()[trial], seed), []
        if not arm.tune:
            return words, []
        later = Later(f"<{', '.join(arm.tune)} by tuning>", lambda: setting_words(self.tuning.chosen(arm), seed))
        return words + [later], self.tuning.all_steps(arm)

    def probes(self, arm, seed, trial=None):
        """Of the other arm and of its own, one after the other."""
        other, by = self.protocol.arms[arm.match["arm"]], arm.match["by"]
        if by == "samples":
            return []

        def check(each):
            return (lambda: require_flops(self.folder(seed, "probe", each.name), each.name)) if by == "flops" else None
        return [self.probe(other, seed, None, check(other)), self.probe(arm, seed, trial, None if trial is not None else check(arm))]

    def match(self, arm, seed, trial):
        other, by = self.protocol.arms[arm.match["arm"]], arm.match["by"]
        probes, target = self.probes(arm, seed, trial), self.train(other, seed)

        def words():
            batches = [self.batch(other, None), self.batch(arm, trial)]
            return [f"train.steps={matched_steps(by, target.path, batches, [probe.path for probe in probes])}"]
        return [Later(f"train.steps=<{by} of {other.name}>", words)], probes + [target]

    def batch(self, arm, trial):
        """Sequences of a step."""
        chosen = {} if not arm.tune else self.tuning.chosen(arm) if trial is None else arm.trials()[trial]
        config = effective_config(self.protocol, arm, chosen)
        return config.get("train.batch_size", 16) * config.get("train.accumulate", 1)  # bt-train's defaults

    def source(self, arm):
        """The arm whose weights are evaluated."""
        return self.protocol.arms[arm.evaluates] if arm.evaluates else arm

    def evaluate_all(self, arm, seed):
        """A model that no seed changes gives one result, unless each seed has its own problems."""
        is_trained = bool(self.source(arm).config)
        same = not is_trained and not self.data_of(seed).own_problems
        for weights in arm.weights if is_trained else arm.weights[:1]:
            for split in self.protocol.splits():
                first = self.results.get((arm.name, weights, split, self.protocol.seeds[0])) if same else None
                self.results[arm.name, weights, split, seed] = first or self.evaluate(arm, weights, split, seed)

    def evaluate(self, arm, weights, split, seed):
        data, words, after = self.data_of(seed), ["--model", self.protocol.model], []
        source = self.source(arm)
        if source.config:
            after = [self.train(source, seed)]
            words = self.trained_folders(source, seed, os.path.join(after[0].path, weights))
        name = ".".join([arm.name, *([weights] if weights != arm.weights[0] else []),
                         *([split] if split != self.protocol.splits()[0] else [])])
        folder = self.folder(seed, "eval", name)
        command = ["bt-eval", "run", *words, "--data", data.tests[split], "--out", folder, "--seed", str(seed)]
        return self.add(Step(folder, command + program_flags({**self.protocol.evaluation, **arm.evaluation}), files=[],
                             after=after + data.test_steps.get(split, []), proof=os.path.join(folder, "results_*.json")))

    def trained_folders(self, arm, seed, trained):
        """What bt-eval runs: a model; a method beside its model; or a method trained together with its model."""
        config = effective_config(self.protocol, arm)
        if not has_method(config):
            return ["--model", trained]
        if trains_backbone(config):
            return ["--model", trained, "--latent", trained]
        start, _ = self.start(arm, seed)
        model = start[0].partition("=")[2] if start else config.get("model.path", "")
        return ["--model", model, "--latent", trained]
