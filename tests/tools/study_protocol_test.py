"""tools/study.py: the table, and protocols that are refused."""
import subprocess
import sys

from study_support import BT, DATA, SFT, StudyTest, protocol
from tool_support import TOOLS, main


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


if __name__ == "__main__":
    main()
