"""tools/study.py: what is not run again, what goes on after a stop or a failure."""
import os
import signal
import subprocess
import sys
import time

from study_support import BT, SFT, StudyTest, protocol
from tool_support import TOOLS, main


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


if __name__ == "__main__":
    main()
