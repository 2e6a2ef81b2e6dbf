"""tools/study.py: which commands a protocol becomes, how arms are matched and tuned."""
import json

from study_support import BT, DATA, FILES, PRIMARY, SFT, StudyTest, protocol
from tool_support import main


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


if __name__ == "__main__":
    main()
