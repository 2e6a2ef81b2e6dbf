"""The data of a seed: made by bt-data, or given files in which {seed} stands for the seed."""
import os

from step_runner import Step
from study_keys import program_flags

TEST_FILE = "gsm8k/test.jsonl"  # where bt-eval's task gsm8k_sft looks below --data


class SeedData:
    """train, validation: files; tests: folder for bt-eval by split; tokenizer: a folder or None.
    training_steps, test_steps[split]: what makes them."""

    def __init__(self, protocol, seed, folder):
        self.seed, self.folder, self.test_steps = seed, folder, {}
        self.make_all(protocol) if "make" in protocol.data else self.take_files(protocol)
        self.tokenizer = None
        if "tokenizer" in protocol.data:
            self.tokenizer = os.path.join(folder, "tokenizer")
            self.training_steps.append(self.tokenizer_step(protocol.data["tokenizer"]))

    def make_all(self, protocol):
        made = {split: self.make(split, options, protocol) for split, options in protocol.data["make"].items()}
        self.given, self.own_problems = [], True
        self.train, self.validation = ([made[s].proof] if s in made else [] for s in ("train", "validation"))
        self.training_steps = [made[split] for split in ("train", "validation") if split in made]
        self.test_steps = {split: [made[split]] for split in protocol.splits()}
        self.tests = {split: made[split].path for split in protocol.splits()}

    def make(self, split, options, protocol):
        learned = split in ("train", "validation")
        path = os.path.join(self.folder, split + ".jsonl" if learned else split)
        file = path if learned else os.path.join(path, TEST_FILE)
        seed = self.seed + protocol.data.get("seed_offset", 0)
        share = split if learned else "test"
        command = ["bt-data", "make", "--seed", str(seed), *program_flags({"split": share, **options}), "--out", file]
        return Step(path, command, files=[], after=[], proof=file)

    def take_files(self, protocol):
        files = protocol.data["files"]
        tuning = self.seed not in protocol.seeds and "tuning_validation" in files
        self.train = self.filled(files["train"])
        self.validation = self.filled(files["tuning_validation" if tuning else "validation"] if protocol.has_validation() else [])
        self.tests = dict(zip(files["test"], self.filled(files["test"].values())))
        self.given, self.training_steps = self.train + self.validation, []
        self.own_problems = any("{seed}" in folder for folder in files["test"].values())

    def filled(self, texts):
        return [text.replace("{seed}", str(self.seed)) for text in texts]

    def tokenizer_step(self, options):
        command = ["bt-data", "train-tokenizer", "--input", *self.train, *program_flags(options), "--out", self.tokenizer]
        return Step(self.tokenizer, command, files=self.given, after=list(self.training_steps[:1]),
                    proof=os.path.join(self.tokenizer, "*"))

    def steps(self):
        return self.training_steps + [step for steps in self.test_steps.values() for step in steps]
