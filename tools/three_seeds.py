#!/usr/bin/env python3
"""From a model folder and data to a table over several seeds.

    tools/three_seeds.py --out runs/study --model MODEL --stage1 configs/paper/sft_llama3_2_1b.yaml \\
        --method bt configs/paper/bt_llama3_2_1b.yaml --method lora CONFIG.yaml latent.rank=16 \\
        --train train.jsonl --validation held_out.jsonl --tasks gsm8k_sft,math_sft --data DATA -- --batch-size 64

For each seed: fine-tunes MODEL by the stage-1 config (the row "sft"), trains every method on the result, evaluates all, and
compares each with the first row on the same problems. Without --stage1 the methods are trained on MODEL itself (the row
"base"). What follows -- goes to bt-eval run. {seed} in a path or setting stands for the seed.

Call it again with the same arguments to go on: what is finished is skipped, an interrupted training resumes. A result
made by other arguments, another config or other training data is never taken for the one asked for. Environment: BT_BIN,
the folder of the programs, if they are not on PATH. docs/experiments.md shows whole experiments.
"""
import argparse
import os
import sys

from step_runner import Step, fail, print_commands, run_all
from three_seeds_table import Row, markdown


def arguments():
    own, evaluation = sys.argv[1:], []
    if "--" in own:
        own, evaluation = own[:own.index("--")], own[own.index("--") + 1:]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, metavar="FOLDER", help="gets seed_N/train/NAME, seed_N/eval/NAME, table.md")
    parser.add_argument("--model", metavar="FOLDER", help="a Hugging Face folder; not for a stage 1 from random weights")
    parser.add_argument("--stage1", nargs="+", metavar=("CONFIG", "KEY=VALUE"), help="fine-tuning that makes the model")
    parser.add_argument("--method", nargs="+", action="append", default=[], metavar=("NAME CONFIG", "KEY=VALUE"),
                        help="may be repeated")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--train", nargs="+", required=True, metavar="FILE", help="data.train of every run")
    parser.add_argument("--validation", nargs="+", default=[], metavar="FILE", help="data.validation of every run")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="of every run, stage 1 included")
    parser.add_argument("--tasks", required=True, help="of bt-eval, separated by commas")
    parser.add_argument("--data", required=True, metavar="FOLDER", help="of the tasks")
    parser.add_argument("--weights", choices=["best", "final"], default="best",
                        help="those of lowest validation loss (best), or the last")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and what is finished, run nothing")
    options = parser.parse_args(own)
    options.evaluation = evaluation
    if not options.stage1 and not options.model:
        parser.error("what is the methods' model? give --model, --stage1 or both")
    if any(len(method) < 2 for method in options.method):
        parser.error("--method takes a name and a config")
    names = [base_name(options)] + [method[0] for method in options.method]
    if len(set(names)) < len(names):
        parser.error(f"two rows have one name: {', '.join(names)}")
    if options.weights == "best" and not options.validation:
        parser.error("--weights best needs --validation; or take --weights final")
    return options


def base_name(options):
    return "sft" if options.stage1 else "base"


def trained_folders(config, settings, model, weights):
    """What bt-eval runs: a model; a method beside its model; or a method trained together with its model."""
    try:
        with open(config, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError as error:
        fail(2, f"{config}: {error.strerror}")
    if not any(line.startswith("latent:") for line in lines) and not any(s.startswith("latent.") for s in settings):
        return ["--model", weights]
    words = [line.split("#")[0].split() for line in lines] + [s.replace("latent.", "", 1).replace("=", ": ", 1).split()
                                                              for s in settings if s.startswith("latent.")]
    together = ["method:", "rollout"] in words  # whose default it is
    for word in words:
        if word[:1] == ["train_backbone:"]:
            together = word[1:] == ["true"]
    return ["--model", weights if together else model, "--latent", weights]


class Plan:
    """Every step in its order, and the rows of the table."""

    def __init__(self, options):
        self.options, self.steps = options, []
        self.rows = [Row(base_name(options))] + [Row(method[0]) for method in options.method]
        for seed in options.seeds:
            self.add_seed(seed)

    def add_seed(self, seed):
        options, base = self.options, self.rows[0]
        if options.stage1:
            config, *settings = options.stage1
            model, made_by = self.train(base, seed, config, settings, options.model, None)
            self.evaluate(base, seed, ["--model", model], made_by)
        else:
            model, made_by = options.model, None
            self.evaluate_model_once(base, seed)
        for row, (_, config, *settings) in zip(self.rows[1:], options.method):
            weights, trained_by = self.train(row, seed, config, settings, model, made_by)
            self.evaluate(row, seed, trained_folders(config, settings, model, weights), trained_by)

    def train(self, row, seed, config, settings, model, made_by):
        options = self.options
        train, validation = filled(options.train, seed), filled(options.validation, seed)
        folder = os.path.join(options.out, f"seed_{seed}", "train", row.name)
        command = ["bt-train", config, f"run.name={row.name}-{seed}", f"run.out={folder}", f"run.seed={seed}",
                   f"data.train=[{', '.join(train)}]", f"data.validation=[{', '.join(validation)}]"]
        command += [f"model.path={model}"] if model else []
        command += filled(options.set + settings, seed)
        step = Step(folder, command, files=[config, *train, *validation], after=made_by, proof="final")
        self.steps.append(step)
        row.runs[seed] = folder
        return os.path.join(folder, options.weights), step

    def evaluate(self, row, seed, model, made_by):
        options = self.options
        folder = os.path.join(options.out, f"seed_{seed}", "eval", row.name)
        command = ["bt-eval", "run", *model, "--tasks", options.tasks, "--data", *filled([options.data], seed)]
        command += ["--out", folder, "--seed", str(seed), *options.evaluation]
        self.steps.append(Step(folder, command, files=[], after=made_by, proof="results_*.json"))
        row.results[seed] = folder

    def evaluate_model_once(self, row, seed):
        """A model that no seed changes gives one result, unless each seed has its own problems."""
        own_problems = "{seed}" in self.options.data
        if own_problems or not row.results:
            self.evaluate(row, seed, ["--model", self.options.model], None)
        row.results.setdefault(seed, row.results[self.options.seeds[0]])


def filled(texts, seed):
    return [text.replace("{seed}", str(seed)) for text in texts]


def main():
    options = arguments()
    plan = Plan(options)
    if options.dry_run:
        print_commands(plan.steps)
        return
    run_all(plan.steps)
    text = markdown(plan.rows, options)
    with open(os.path.join(options.out, "table.md"), "w", encoding="utf-8") as file:
        file.write(text)
    print(text, end="")


if __name__ == "__main__":
    main()
