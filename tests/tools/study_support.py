"""For tests of tools/study.py: stand-ins for the programs, and a folder with a protocol."""
import contextlib
import io
import json
import os
import pathlib
import sys

from tool_support import TOOLS, ToolTest, need

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
