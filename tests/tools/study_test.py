"""tools/three_seeds.py with stand-ins for the programs: what is run, what is not run again, and what the table says."""
import os
import pathlib
import signal
import subprocess
import sys
import time

from tool_support import TOOLS, ToolTest, main

FAKE = pathlib.Path(__file__).with_name("fake_programs.py")
ARGUMENTS = ["--out", "study", "--model", "MODEL", "--stage1", "sft.yaml", "--method", "bt", "bt.yaml", "latent.recall=8",
             "--train", "train.jsonl", "--validation", "held_out.jsonl", "--set", "train.steps=7", "--tasks", "gsm8k_sft",
             "--data", "DATA", "--seeds", "0"]
LORA = ["--method", "lora", "bt.yaml"]
TWO, THREE = ["--seeds", 0, 1], ["--seeds", 0, 1, 2]


class ThreeSeeds(ToolTest):
    tool = "three_seeds.py"

    def setUp(self):
        super().setUp()
        inputs = {"train.jsonl": "{}\n", "held_out.jsonl": "{}\n", "sft.yaml": "run:\n", "bt.yaml": "latent:\n"}
        for name, text in inputs.items():
            (self.folder / name).write_text(text)
        (self.folder / "bin").mkdir()
        for name in ("bt-train", "bt-eval"):
            program = self.folder / "bin" / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{FAKE}" {name} "$@"\n')
            program.chmod(0o755)

    def study(self, *arguments, code=0, **environment):
        """The output, and the calls of the programs."""
        calls = self.folder / "calls.txt"
        calls.write_text("")
        output = self.run_tool(*arguments, code=code, environment={"BT_BIN": str(self.folder / "bin"), **environment})
        return output, calls.read_text().splitlines()

    def test_every_seed_trains_and_evaluates_every_row(self):
        _, calls = self.study(*ARGUMENTS, "--seeds", 1, "--", "--limit", 5)
        self.assertEqual(calls, [
            "bt-train sft.yaml run.name=sft-1 run.out=study/seed_1/train/sft run.seed=1 data.train=[train.jsonl] "
            "data.validation=[held_out.jsonl] model.path=MODEL train.steps=7",
            "bt-eval run --model study/seed_1/train/sft/best --tasks gsm8k_sft --data DATA --out study/seed_1/eval/sft "
            "--seed 1 --limit 5",
            "bt-train bt.yaml run.name=bt-1 run.out=study/seed_1/train/bt run.seed=1 data.train=[train.jsonl] "
            "data.validation=[held_out.jsonl] model.path=study/seed_1/train/sft/best train.steps=7 latent.recall=8",
            "bt-eval run --model study/seed_1/train/sft/best --latent study/seed_1/train/bt/best --tasks gsm8k_sft "
            "--data DATA --out study/seed_1/eval/bt --seed 1 --limit 5"])

    def test_a_method_without_a_cache_part_is_evaluated_as_a_model(self):
        _, calls = self.study(*ARGUMENTS, "--method", "worse", "sft.yaml")
        self.assertIn("--model study/seed_0/train/worse/best --tasks", calls[-1])

    def test_a_method_trained_with_its_model_is_evaluated_on_that_model(self):
        _, calls = self.study(*ARGUMENTS, "--method", "lora", "bt.yaml", "latent.train_backbone=true")
        own = "study/seed_0/train/lora/best"
        self.assertIn(f"--model {own} --latent {own} --tasks", calls[-1])
        (self.folder / "joint.yaml").write_text("latent:\n  train_backbone: true  # both\n")
        _, calls = self.study(*ARGUMENTS, "--method", "worse", "joint.yaml")
        self.assertIn("--model study/seed_0/train/worse/best --latent", calls[-1])

    def test_a_rollout_trains_its_model_unless_told_not_to(self):
        (self.folder / "rollout.yaml").write_text("latent:\n  method: rollout\n")
        _, calls = self.study(*ARGUMENTS, "--method", "lora", "rollout.yaml", "--method", "worse", "rollout.yaml",
                              "latent.train_backbone=false")
        self.assertTrue(any("--model study/seed_0/train/lora/best --latent" in call for call in calls))
        self.assertIn("--model study/seed_0/train/sft/best --latent study/seed_0/train/worse/best", calls[-1])

    def test_without_stage_1_the_model_is_evaluated_once(self):
        arguments = [a for a in ARGUMENTS if a not in ("--stage1", "sft.yaml")]
        output, calls = self.study(*arguments, *TWO)
        self.assertEqual([call for call in calls if "eval/base" in call], calls[:1])
        self.assertEqual(sum("model.path=MODEL" in call for call in calls), 2)
        self.assertIn("| base | - | - | - | gsm8k_sft | final-answer | 40.0 | 40.0 |", output)

    def test_the_seed_in_paths(self):
        (self.folder / "train2.jsonl").write_text("{}\n")
        arguments = [{"train.jsonl": "train{seed}.jsonl", "DATA": "DATA{seed}"}.get(a, a) for a in ARGUMENTS]
        _, calls = self.study(*arguments, "--seeds", 2)
        self.assertIn("data.train=[train2.jsonl]", calls[0])
        self.assertIn("--data DATA2", calls[1])

    def test_what_is_finished_is_not_run_again(self):
        first, calls = self.study(*ARGUMENTS)
        self.assertEqual(len(calls), 4)
        again, calls = self.study(*ARGUMENTS)
        self.assertEqual(calls, [])
        self.assertTrue(first.endswith(again))
        _, calls = self.study(*ARGUMENTS, *LORA)
        self.assertEqual(len(calls), 2)
        self.assertTrue(all("/lora" in call for call in calls))

    def test_an_interrupted_study_goes_on(self):
        output, calls = self.study(*ARGUMENTS, *TWO, code=1, FAKE_STOP="seed_1/train/bt run.seed")
        self.assertIn("goes on", output)
        self.assertEqual(len(calls), 7)
        _, calls = self.study(*ARGUMENTS, *TWO, code=3, FAKE_FAIL="seed_1/eval/bt")
        self.assertIn("seed_1/train/bt", calls[0])
        _, calls = self.study(*ARGUMENTS, *TWO)
        self.assertEqual(len(calls), 1)

    def test_a_result_of_other_inputs_is_not_taken(self):
        self.study(*ARGUMENTS)
        output, calls = self.study(*ARGUMENTS, "--set", "train.steps=8", code=2)
        self.assertIn("then: bt-train", output)
        self.assertEqual(calls, [])
        for name in ("train.jsonl", "held_out.jsonl", "sft.yaml", "bt.yaml"):
            text = (self.folder / name).read_text()
            (self.folder / name).write_text(text + "\n")
            self.assertEqual(self.study(*ARGUMENTS, code=2)[1], [], name)
            (self.folder / name).write_text(text)
        output, _ = self.study(*ARGUMENTS, "--", "--limit", "5", code=2)
        self.assertIn("eval/sft was begun", output)

    def test_another_stage_1_makes_the_methods_other_ones(self):
        self.study(*ARGUMENTS)
        for name in ("train/sft", "eval/sft"):
            (self.folder / "study/seed_0" / (name + ".state.json")).unlink()
        changed = [a if a != "sft.yaml" else "sft2.yaml" for a in ARGUMENTS]
        (self.folder / "sft2.yaml").write_text("run: \n")
        output, calls = self.study(*changed, code=2)
        self.assertIn("train/bt was begun", output)
        self.assertEqual(calls, [])

    def test_sigterm_reaches_the_training_and_is_waited_for(self):
        environment = {**os.environ, "BT_BIN": str(self.folder / "bin"), "FAKE_WAIT": "run.out"}
        study = subprocess.Popen([sys.executable, "-B", TOOLS / self.tool, *ARGUMENTS], cwd=self.folder, env=environment,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        while not (self.folder / "waiting").exists() and study.poll() is None:
            time.sleep(0.01)
        study.send_signal(signal.SIGTERM)
        output = study.communicate()[0].decode()
        self.assertEqual(study.returncode, 128 + signal.SIGTERM, output)
        self.assertTrue((self.folder / "got_sigterm").exists())

    def test_dry_run_changes_nothing(self):
        self.study(*ARGUMENTS)
        before = sorted(self.folder.rglob("*"))
        output, calls = self.study(*ARGUMENTS, *LORA, *TWO, "--dry-run")
        self.assertEqual((sorted(self.folder.rglob("*")), calls), (before, []))
        lines = output.splitlines()
        self.assertEqual([line.startswith("# finished: ") for line in lines], [True] * 4 + [False] * 8)
        self.assertIn("bt-train bt.yaml run.name=lora-0", lines[4])

    def test_table(self):
        output, _ = self.study(*ARGUMENTS, *LORA, "--method", "worse", "sft.yaml", *THREE)
        for line in ["| sft | 1000 | 7 | 2.50e+09 | gsm8k_sft | final-answer | 55.0 (50.0 to 60.0) | 50.0, 60.0, 55.0 |",
                     "| bt | 29 | 7 | 2.50e+09 | gsm8k_sft | final-answer | 56.0 (53.0 to 60.0) | 53.0, 60.0, 55.0 |",
                     "| +1.00 (+0.00 to +3.00) | +3.00 [-1.00, +7.00]; +0.00 [-4.00, +4.00]; +0.00 [-4.00, +4.00] | "
                     "no difference found on 3 of 3 |",
                     "| higher on 2, no difference found on 1 of 3 |", "| lower on 3 of 3 |", "Problems: gsm8k_sft 100."]:
            self.assertIn(line, output)
        self.assertTrue(output.endswith((self.folder / "study/table.md").read_text()))

    def test_a_method_that_is_not_trained(self):
        (self.folder / "untrained.yaml").write_text("latent:\n")
        output, _ = self.study(*ARGUMENTS, "--method", "shift", "untrained.yaml")
        self.assertIn("| shift | 29 | - | - | gsm8k_sft | final-answer | 50.0 | 50.0 |", output)

    def test_usage(self):
        for arguments in (ARGUMENTS[:3], [*ARGUMENTS, "--method", "bt", "bt.yaml"], [*ARGUMENTS, "--method", "lonely"],
                          [a for a in ARGUMENTS if a not in ("--validation", "held_out.jsonl")],
                          [*ARGUMENTS, "--method", "x", "missing.yaml"]):
            self.assertEqual(self.study(*arguments, code=2)[1], [])
        missing = [a if a != "train.jsonl" else "missing.jsonl" for a in ARGUMENTS]
        self.assertIn("missing.jsonl", self.study(*missing, code=3)[0])


main()
