"""tools/study.py with stand-ins for the programs: what is run, what is not run again, and what study.json says."""
import contextlib
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from tool_support import TOOLS, ToolTest, main, need

need("yaml")
sys.path.insert(0, str(TOOLS))
import study_protocol  # noqa: E402

FAKE = pathlib.Path(__file__).with_name("fake_programs.py")
DATA = "data: {files: {train: [train.jsonl], validation: [held_out.jsonl], test: {test: DATA}}}\n"
PRIMARY = "primary: {outcome: {task: gsm8k_sft, filter: final-answer, learned_above: 0.54}, contrasts: [[bt, sft]]}\n"
FILES = "data.train=[train.jsonl] data.validation=[held_out.jsonl]"


def protocol(arms, more=PRIMARY, seeds="[0]", data=DATA):
    return f"seeds: {seeds}\n{data}evaluation: {{tasks: [gsm8k_sft]}}\n{more}arms:\n" + "".join(f"  {a}\n" for a in arms)


SFT, BT = "sft: {config: sft.yaml}", "bt: {config: bt.yaml, on: sft, settings: {latent.recall: 8}}"


class StudyTest(ToolTest):
    tool = "study.py"

    def setUp(self):
        super().setUp()
        inputs = {"train.jsonl": "{}\n", "held_out.jsonl": "{}\n", "sft.yaml": "run: {}\n", "bt.yaml": "latent: {method: bt}\n",
                  "joint.yaml": "latent: {method: bt, train_backbone: true}\n"}
        for name, text in inputs.items():
            (self.folder / name).write_text(text)
        (self.folder / "bin").mkdir()
        for name in ("bt-data", "bt-train", "bt-eval"):
            program = self.folder / "bin" / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{FAKE}" {name} "$@"\n')
            program.chmod(0o755)
        self.write(protocol([SFT, BT]))

    def write(self, text):
        (self.folder / "study.yaml").write_text(text)

    def study(self, *arguments, code=0, **environment):
        """The output, and the calls of the programs."""
        calls = self.folder / "calls.txt"
        calls.write_text("")
        output = self.run_tool("study.yaml", "--out", "study", *arguments, code=code,
                               environment={"BT_BIN": str(self.folder / "bin"), **environment})
        return output, calls.read_text().splitlines()

    def result(self):
        return json.loads((self.folder / "study/study.json").read_text())

    def refused(self, text, *parts):
        """In this process, since there are many."""
        self.write(text)
        before, output = os.getcwd(), io.StringIO()
        os.chdir(self.folder)
        try:
            with contextlib.redirect_stderr(output), self.assertRaises(SystemExit) as stop:
                read = study_protocol.Protocol("study.yaml", [])
                study_protocol.identify(read, "study")
        finally:
            os.chdir(before)
        self.assertEqual(stop.exception.code, 2)
        for part in parts:
            self.assertIn(part, output.getvalue())


class Commands(StudyTest):
    def test_every_arm_is_trained_and_evaluated(self):
        _, calls = self.study()
        self.assertEqual(calls, [
            f"bt-train sft.yaml run.name=sft-0 run.out=study/seed_0/train/sft run.seed=0 {FILES}",
            "bt-eval run --model study/seed_0/train/sft/best --data DATA --out study/seed_0/eval/sft --seed 0 "
            "--tasks gsm8k_sft",
            f"bt-train bt.yaml run.name=bt-0 run.out=study/seed_0/train/bt run.seed=0 {FILES} "
            "model.path=study/seed_0/train/sft/best latent.recall=8",
            "bt-eval run --model study/seed_0/train/sft/best --latent study/seed_0/train/bt/best --data DATA "
            "--out study/seed_0/eval/bt --seed 0 --tasks gsm8k_sft"])

    def test_made_data_come_first_and_every_seed_has_its_own(self):
        data = "data: {seed_offset: 5, make: {train: {problems: 9}, validation: {problems: 3}, test: {problems: 4}, " \
               "longer: {problems: 2, shift: longer, near: true}}, tokenizer: {vocab_size: 9, no_byte_fallback: true}}\n"
        self.write(protocol([SFT], more="", seeds="[0, 2]", data=data))
        _, calls = self.study()
        self.assertEqual(calls[:5], [
            "bt-data make --seed 5 --split train --problems 9 --out study/seed_0/data/train.jsonl",
            "bt-data make --seed 5 --split validation --problems 3 --out study/seed_0/data/validation.jsonl",
            "bt-data train-tokenizer --input study/seed_0/data/train.jsonl --vocab-size 9 --no-byte-fallback "
            "--out study/seed_0/data/tokenizer",
            "bt-data make --seed 5 --split test --problems 4 --out study/seed_0/data/test/gsm8k/test.jsonl",
            "bt-data make --seed 5 --split test --problems 2 --shift longer --near "
            "--out study/seed_0/data/longer/gsm8k/test.jsonl"])
        self.assertIn("model.tokenizer=study/seed_0/data/tokenizer", calls[5])
        self.assertIn("--data study/seed_0/data/longer --out study/seed_0/eval/sft.longer", calls[7])
        self.assertEqual([call.split("seed_")[1][0] for call in calls], ["0"] * 8 + ["2"] * 8)

    def test_both_weights_are_rows(self):
        self.write(protocol([SFT], more="weights: [best, final]\n"))
        _, calls = self.study()
        self.assertIn("--model study/seed_0/train/sft/final --data DATA --out study/seed_0/eval/sft.final", calls[2])
        self.assertEqual([(row["weights"], row["validation_loss"]) for row in self.result()["rows"]],
                         [("best", [3.0]), ("final", [3.125])])

    def test_an_arm_can_start_from_the_last_weights(self):
        self.write(protocol([SFT, BT.replace("on: sft", "on: sft/final")]))
        self.assertIn("--model study/seed_0/train/sft/final --latent study/seed_0/train/bt/best", self.study()[1][3])

    def test_a_method_trained_with_its_model_is_evaluated_on_that_model(self):
        (self.folder / "rollout.yaml").write_text("latent:\n  method: rollout\n")
        frozen = "lora: {config: joint.yaml, on: sft, settings: {latent.train_backbone: false}}"
        self.write(protocol([SFT, "bt: {config: joint.yaml, on: sft}", frozen]))
        _, calls = self.study()
        self.assertIn("--model study/seed_0/train/bt/best --latent study/seed_0/train/bt/best", calls[3])
        self.assertIn("--model study/seed_0/train/sft/best --latent study/seed_0/train/lora/best", calls[5])
        self.write(protocol([SFT, "bt: {config: rollout.yaml, on: sft}"]))
        output, _ = self.study("--dry-run", "seeds=[2]", code=2)
        self.assertIn("another protocol", output)
        output = self.run_tool("study.yaml", "--out", "other", "--dry-run")
        self.assertIn("--model other/seed_0/train/bt/best --latent other/seed_0/train/bt/best", output)

    def test_the_model_as_it_is_is_evaluated_once_where_no_seed_changes_the_questions(self):
        self.write(protocol(["base: {}", "bt: {config: bt.yaml}"], more="model: MODEL\n", seeds="[0, 1]"))
        _, calls = self.study()
        self.assertEqual([call for call in calls if "eval/base" in call], calls[:1])
        self.assertEqual(sum("model.path=MODEL" in call for call in calls), 2)
        self.assertIn("--model MODEL --latent study/seed_1/train/bt/best", calls[-1])
        base, bt = self.result()["rows"]
        self.assertEqual((base["accuracy"], base["trained_parameters"], base["flops"]), ([0.4, 0.4], 0, [None, None]))
        self.assertEqual((bt["trained_parameters"], bt["inference_parameters"]), (29, 1029))

    def test_a_trained_arm_can_be_evaluated_in_another_way(self):
        control = "bt_random: {evaluates: bt, evaluation: {rewrite_control: random}}"
        self.write(protocol([SFT, BT, control]))
        _, calls = self.study()
        own = [call for call in calls if "bt_random" in call]
        self.assertEqual(len(own), 1, "it is not trained")
        self.assertIn("--latent study/seed_0/train/bt/best", own[0])
        self.assertIn("--rewrite-control random", own[0])
        self.assertEqual(sum("--rewrite-control" in call for call in calls), 1)
        rows = {row["arm"]: row for row in self.result()["rows"]}
        self.assertEqual(rows["bt_random"]["flops"], rows["bt"]["flops"])
        self.assertEqual(rows["bt_random"]["trained_parameters"], 29)
        self.refused(protocol([SFT, BT, "x: {evaluates: sft, on: bt}"]), "arms.x", "evaluates sft")
        self.refused(protocol([SFT, BT, "x: {evaluates: sfd}"]), "arms.x.evaluates", "sft")
        self.refused(protocol([SFT, BT, "x: {evaluates: bt, evaluation: {rewrite_control: rando}}"]), "random")

    def test_the_seed_in_paths_and_settings(self):
        (self.folder / "train2.jsonl").write_text("{}\n")
        data = DATA.replace("train.jsonl", "'train{seed}.jsonl'").replace("DATA", "'DATA{seed}'")
        self.write(protocol(["sft: {config: sft.yaml, settings: {data.x: '{seed}'}}"], more="", seeds="[2]", data=data))
        _, calls = self.study()
        self.assertIn("data.train=[train2.jsonl]", calls[0])
        self.assertIn("data.x=2", calls[0])
        self.assertIn("--data DATA2", calls[1])

    def test_a_sweep_is_an_arm_for_each_value(self):
        sweep = "sweep: {latent.recall: [0, 16], train.lr: [1e-3]}"
        self.write(protocol([f"bt: {{config: bt.yaml, {sweep}}}", f"'bt_k{{}}_{{}}': {{config: bt.yaml, {sweep}}}"], more=""))
        self.study()
        self.assertEqual([row["arm"] for row in self.result()["rows"]],
                         ["bt_recall_0_lr_0.001", "bt_recall_16_lr_0.001", "bt_k0_0.001", "bt_k16_0.001"])

    def test_overrides(self):
        _, calls = self.study("seeds=[1]", "arms.bt.settings.train.lr=4e-3", "evaluation.limit=5", "settings.train.steps=3")
        self.assertIn("run.seed=1", calls[0])
        self.assertTrue(calls[2].endswith("train.steps=3 latent.recall=8 train.lr=0.004"), calls[2])
        self.assertTrue(calls[1].endswith("--limit 5"), calls[1])

    def test_dry_run_changes_nothing(self):
        self.study()
        before = sorted(self.folder.rglob("*"))
        output, calls = self.study("--dry-run")
        self.assertEqual((sorted(self.folder.rglob("*")), calls), (before, []))
        self.assertEqual([line.startswith("# finished: ") for line in output.splitlines()], [True] * 4)


class Matching(StudyTest):
    def matched(self, by, config="sft.yaml", other="bt.yaml", settings=""):
        self.write(protocol([f"bt: {{config: {other}, settings: {{train.steps: 90{settings}}}}}",
                             f"sft: {{config: {config}, match: {{arm: bt, by: {by}}}}}"]))
        _, calls = self.study()
        return [call for call in calls if "train/sft " in call][0].split("train.steps=")[1].split()[0]

    def test_samples(self):
        self.assertEqual(self.matched("samples", settings=", train.batch_size: 8, train.accumulate: 3"), "135")

    def test_flops(self):
        self.assertEqual(self.matched("flops"), "630")
        rows = {row["arm"]: row for row in self.result()["rows"]}
        self.assertEqual(rows["sft"]["flops"], rows["bt"]["flops"])

    def test_wall_without_the_slow_first_steps(self):
        self.assertEqual(self.matched("wall"), "540")

    def test_without_a_count_of_flops_it_is_refused_before_the_long_run(self):
        self.write(protocol(["bt: {config: joint.yaml}", "sft: {config: sft.yaml, match: {arm: bt, by: flops}}"]))
        output, calls = self.study(code=2)
        self.assertIn("bt cannot be matched by flops", output)
        self.assertEqual(len(calls), 1)
        self.assertIn("bt cannot be matched by flops", self.study(code=2)[0])

    def test_what_is_not_known_yet_is_named(self):
        self.write(protocol([SFT, "bt: {config: bt.yaml, match: {arm: sft, by: flops}}"]))
        output, _ = self.study("--dry-run")
        self.assertIn("train.steps=<flops of sft>", output)


class Tuning(StudyTest):
    GRID = "tune: {train.lr: [1, 3, 4]}"
    DATA = DATA.replace("held_out.jsonl", "held_out.jsonl], tuning_validation: [tuning.jsonl")

    def tuned(self, *grids, more="tuning: {seeds: [7, 8]}\n", **named):
        (self.folder / "tuning.jsonl").write_text("{}\n")
        arms = [f"sft: {{config: sft.yaml, {grids[0]}}}", f"bt: {{config: bt.yaml, on: sft, {grids[1]}}}"]
        return protocol(arms, more=more + PRIMARY, data=self.DATA, **named)

    def test_the_winner_on_seeds_of_its_own_is_used(self):
        self.write(self.tuned(self.GRID, self.GRID))
        _, calls = self.study()
        trials = [call for call in calls if ".trial_" in call]
        self.assertEqual(len(trials), 12)
        self.assertTrue(all("study/tuning/seed_" in call and "data.validation=[tuning.jsonl]" in call for call in trials))
        self.assertIn("model.path=study/tuning/seed_8/train/sft/best", trials[-1])
        self.assertTrue(all(call.endswith("train.lr=3") for call in calls if "study/seed_0/train" in call.split("run.out=")[-1]
                            and call.startswith("bt-train")))
        tuning = json.loads((self.folder / "study/tuning.json").read_text())
        self.assertEqual(tuning["arms"]["bt"]["chosen"], {"train.lr": 3})
        self.assertEqual(tuning["arms"]["bt"]["trials"][0], {"settings": {"train.lr": 1}, "validation_loss": 3.0})
        self.assertEqual(self.study()[1], [])

    def test_a_failed_trial_does_not_win(self):
        self.write(self.tuned(self.GRID, self.GRID))
        _, calls = self.study(FAKE_NAN="seed_7/train/bt.trial_1")
        self.assertTrue([call for call in calls if "study/seed_0/train/bt " in call][0].endswith("train.lr=4"))

    def test_by_accuracy_of_tokens(self):
        self.write(self.tuned(self.GRID, self.GRID, more="tuning: {seeds: [7], by: validation_accuracy}\n"))
        self.study()
        tuning = json.loads((self.folder / "study/tuning.json").read_text())
        self.assertEqual(tuning["arms"]["sft"]["chosen"], {"train.lr": 3})

    def test_unequal_trials_are_refused_unless_written_down(self):
        two = "tune: {train.lr: [1, 3]}"
        self.refused(self.tuned(self.GRID, two), "'sft': 3, 'bt': 2", "unequal_trials: true")
        self.write(self.tuned(self.GRID, two, more="tuning: {seeds: [7], unequal_trials: true}\n"))
        self.study()

    def test_seeds_and_validation_must_be_its_own(self):
        self.refused(self.tuned(self.GRID, self.GRID, seeds="[0, 8]"), "tuning.seeds", "none of the study's")
        self.refused(self.tuned(self.GRID, self.GRID, more=""), "tuning.seeds")
        self.refused(self.tuned(self.GRID, self.GRID).replace(", tuning_validation: [tuning.jsonl]", ""), "tuning_validation")


class Resuming(StudyTest):
    TWO = "seeds=[0, 1]"

    def test_what_is_finished_is_not_run_again(self):
        first, calls = self.study()
        self.assertEqual(len(calls), 4)
        again, calls = self.study()
        self.assertEqual(calls, [])
        self.assertTrue(first.endswith(again))
        self.assertEqual((self.folder / "study/table.md").read_text(), again)

    def test_an_interrupted_study_goes_on(self):
        output, calls = self.study(self.TWO, code=1, FAKE_STOP="seed_1/train/bt run.seed")
        self.assertIn("goes on", output)
        self.assertEqual(len(calls), 7)
        output, calls = self.study(self.TWO, code=3, FAKE_FAIL="seed_1/eval/bt")
        self.assertIn("seed_1/train/bt", calls[0])
        self.assertIn("eval/bt.log", output)
        _, calls = self.study(self.TWO)
        self.assertEqual(len(calls), 1)

    def test_a_table_of_the_finished_seeds(self):
        self.study(self.TWO, code=3, FAKE_FAIL="seed_1/eval/bt")
        output, calls = self.study(self.TWO, "--table")
        self.assertEqual(calls, [])
        self.assertIn("Seeds finished: 0, of 0, 1.", output)
        self.assertIn("| bt | best | test | gsm8k_sft, final-answer | 53.0 | 53.0 |", output)
        self.assertFalse((self.folder / "study/table.md").exists())

    def test_another_protocol_is_refused(self):
        self.study()
        output, calls = self.study("seeds=[0, 1]", code=2)
        self.assertIn("another protocol", output)
        self.refused(protocol([SFT, BT]) + "# a remark\n", "another protocol", "study/protocol.yaml")
        self.assertEqual((self.folder / "study/protocol.yaml").read_text(), protocol([SFT, BT]))

    def test_a_result_of_other_inputs_is_not_taken(self):
        self.study()
        for name in ("train.jsonl", "held_out.jsonl", "sft.yaml", "bt.yaml"):
            text = (self.folder / name).read_text()
            (self.folder / name).write_text(text + "\n")
            output, calls = self.study(code=2)
            self.assertEqual(calls, [], name)
            self.assertIn("was begun by another command", output)
            (self.folder / name).write_text(text)

    def test_sigterm_reaches_the_training_and_is_waited_for(self):
        environment = {**os.environ, "BT_BIN": str(self.folder / "bin"), "FAKE_WAIT": "run.out"}
        study = subprocess.Popen([sys.executable, "-B", TOOLS / self.tool, "study.yaml", "--out", "study"], cwd=self.folder,
                                 env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        while not (self.folder / "waiting").exists() and study.poll() is None:
            time.sleep(0.01)
        study.send_signal(signal.SIGTERM)
        output = study.communicate()[0].decode()
        self.assertEqual(study.returncode, 128 + signal.SIGTERM, output)
        self.assertTrue((self.folder / "got_sigterm").exists())

    def test_jobs_run_beside_each_other_what_does_not_depend_on_the_other(self):
        self.write(protocol([SFT, "lora: {config: sft.yaml}", BT]))
        _, calls = self.study("--jobs", 2, FAKE_SLOW="train/sft run.seed")  # lasts until another has begun
        self.assertEqual({call.split("run.out=study/seed_0/train/")[-1][:4] for call in calls[:2]}, {"sft ", "lora"})
        self.assertEqual(len(calls), 6)


class Failures(StudyTest):
    def test_a_numerical_stop_is_a_result_and_the_study_goes_on(self):
        nan = {"FAKE_NAN": "seed_1/train/bt run.seed"}
        output, calls = self.study("seeds=[0, 1, 2]", **nan)
        self.assertEqual(len(calls), 11)
        sft, bt = self.result()["rows"]
        self.assertEqual((bt["accuracy"], bt["failed"], sft["failed"]), ([0.53, None, 0.55], [1], []))
        contrast = self.result()["contrasts"][0]
        self.assertEqual([contrast["per_seed"][1], round(contrast["difference"], 9)], [None, 0.015])
        self.assertIn("| 53.0, -, 55.0, failed: 1 |", output)
        self.assertEqual(self.study("seeds=[0, 1, 2]")[1], [])

    def test_what_starts_from_a_failed_arm_or_is_matched_to_it_failed_too(self):
        self.write(protocol([SFT, BT, "lora: {config: sft.yaml, match: {arm: bt, by: samples}}"]))
        _, calls = self.study(FAKE_NAN="train/sft run.seed")
        self.assertEqual(len(calls), 1)
        self.assertEqual([(row["arm"], row["failed"]) for row in self.result()["rows"]],
                         [("sft", [0]), ("bt", [0]), ("lora", [0])])
        self.assertEqual(self.result()["contrasts"][0]["difference"], None)


class Table(StudyTest):
    def test_rows_and_contrasts(self):
        more = "primary: {outcome: {task: gsm8k_sft, filter: final-answer, learned_above: 0.54}, contrasts: " \
               "[[bt, sft], [lora, sft]]}\nsecondary: {contrasts: [[worse, sft]]}\n"
        self.write(protocol([SFT, BT, "lora: {config: bt.yaml, on: sft}", "worse: {config: sft.yaml}"], more, "[0, 1, 2]"))
        output, _ = self.study()
        for line in ["| sft | best | test | gsm8k_sft, final-answer | 55.0 | 50.0, 60.0, 55.0 | 3.0000 | +2.5000 | 7.00e+02 | 7 | "
                     "7 | 1000 | 1000 |",
                     "| +1.00 [", "| +3.0, +0.0, +0.0 |", "null: 0 lies in the interval |", "| lower |", "- bt: 2 of 3",
                     "Secondary, not corrected for their number:\n"]:
            self.assertIn(line, output)
        result = self.result()
        self.assertEqual([(c["a"], c["b"], c["primary"]) for c in result["contrasts"]],
                         [("bt/best", "sft/best", True), ("lora/best", "sft/best", True), ("worse/best", "sft/best", False)])
        bt, lora, worse = result["contrasts"]
        self.assertEqual(worse["p_holm"], None)
        self.assertGreaterEqual(lora["p_holm"], lora["p"])
        self.assertEqual(worse["per_seed"], [-0.4, -0.5, -0.45])
        self.assertEqual(result["rows"][1]["training_s"], [15.5, 15.5, 15.5])

    def test_rows_of_other_questions_are_not_compared(self):
        self.study()
        samples = self.folder / "study/seed_0/eval/bt/samples_gsm8k_sft_1.jsonl"
        samples.write_text(samples.read_text().replace("DATA 7", "DATA other"))
        self.assertIn("do not hold the same questions", self.study(code=3)[0])


class Protocols(StudyTest):
    def test_misspelt_keys_are_named_with_their_place(self):
        good = protocol([SFT, BT])
        for old, new, *parts in [
                ("arms:", "amrs:", "study.yaml:5", "amrs: unknown key", "did you mean arms?"),
                ("on: sft", "onn: sft", "study.yaml:7: arms.bt.onn", "did you mean on?"),
                ("contrasts: [[bt", "contrasts: [[bta", "primary.contrasts.0", "no arm bta (did you mean bt?)"),
                ("on: sft", "on: stf", "arms.bt.on", "did you mean sft?"),
                ("tasks:", "task:", "study.yaml:3: evaluation.task", "did you mean tasks?"),
                ("final-answer", "final-answer, slit: x", "did you mean split?"),
                ("on: sft", "match: {arm: sft, by: flop}", "arms.bt.match.by", "did you mean flops?")]:
            self.refused(good.replace(old, new), *parts)

    def test_what_makes_no_sense_is_refused(self):
        good = protocol([SFT, BT])
        for old, new, *parts in [
                ("[0]", "[0, 0]", "seeds"), ("[0]", "[x]", "seeds.0", "expected an integer"), ("seeds: [0]", "", "seeds: is missing"),
                ("validation: [held_out.jsonl], ", "", "best weights need validation"),
                ("{config: sft.yaml}", "{config: sft.yaml, on: bt}", "depends on itself: sft -> bt -> sft"),
                ("{config: sft.yaml}", "{}", "has no config"),
                ("on: sft", "on: sft/last", "ARM/final"), ("[[bt, sft]]", "[[bt]]", "expected two arms"),
                ("[[bt, sft]]", "[[bt, sft/final]]", "not final"), ("bt: {", "SFT: {", "two are named sft"),
                ("bt: {", "../bt: {", "expected a name"), ("bt: {", "sft.final: {", "another arm's name"),
                ("on: sft", "match: {arm: sft}", "both arm and by"), ("test: DATA", "", "no split to test on"),
                ("on: sft", "sweep: {latent.recall: 3}", "a list of values"), ("on: sft", "on: sft, on: sft", "stands here twice"),
                ("latent.recall: 8", "latent: {recall: 8}", "latent.recall"), (good, "[", "study.yaml"), (good, "", "a mapping"),
                ("latent.recall: 8}", "train.steps: 8}, match: {arm: sft, by: samples}", "match chooses train.steps")]:
            self.refused(good.replace(old, new), *parts)
        self.write(good)
        self.assertIn("unknown key", self.study("seed=[1]", code=2)[0])
        self.assertIn("expected key=value", self.study("seeds", code=2)[0])
        self.assertIn("holds no keys", self.study("arms.bt.config.x=1", code=2)[0])

    def test_missing_files(self):
        self.write(protocol([SFT, BT]).replace("bt.yaml", "missing.yaml"))
        self.assertIn("missing.yaml", self.study(code=2)[0])
        self.write(protocol([SFT, BT]).replace("train.jsonl", "missing.jsonl"))
        self.assertIn("missing.jsonl", self.study(code=3)[0])

    def test_without_pyyaml_it_says_what_to_do(self):
        done = subprocess.run([sys.executable, "-B", "-S", "-I", "-c", f"import sys; sys.path.insert(0, {str(TOOLS)!r}); "
                               "sys.argv = ['study.py']; sys.modules['yaml'] = None; import study"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn(".venv/bin/python3 tools/study.py", done.stdout)


main()
