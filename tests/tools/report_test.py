"""bt-eval report as a user runs it: what it writes, whether an XML parser reads it, and its exit codes.

usage: report_test.py BT_EVAL [unittest arguments]
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

BT_EVAL = None


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def report(self, *arguments, code=0):
        """Standard error of a run that must end with `code`."""
        done = subprocess.run([BT_EVAL, "report", *arguments], cwd=self.folder, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def training(self, name, lines, title="toy"):
        run = self.folder / name
        run.mkdir()
        (run / "config.resolved.yaml").write_text(f"# bt 0.1.0 (0123456789ab)\nrun:\n  name: {json.dumps(title)}\n")
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return name

    def test_an_xml_parser_reads_the_page(self):
        steps = range(1, 1001)
        hostile = "<script>\"'&]]>\u0001\u00e9</style>"
        self.training("a", [{"step": s, "loss": 1 / s, "rewrite_size": [s / 1000, 0.5]} for s in steps], hostile)
        self.training("b", [{"step": 1, "loss": "NaN", hostile: 1}])
        (self.folder / "study").mkdir()
        row = {"arm": hostile, "task": hostile, "filter": "f", "accuracy": [0.25, None], "validation_loss": [2.5, 2.25]}
        contrast = {"a": hostile, "b": "b", "difference": 0.1, "interval": [-0.1, 0.3], "p": 0.5, "p_holm": 1}
        (self.folder / "study/study.json").write_text(json.dumps({"rows": [row], "contrasts": [contrast]}))
        self.report("a", "b", "study", "--out", "report.html")
        page = xml.etree.ElementTree.parse(self.folder / "report.html").getroot()
        self.assertEqual(page.tag, "html")
        self.assertEqual([part.tag for part in page.iter() if part.tag in ("script", "link", "img", "a", "iframe")], [])
        text = "".join(page.itertext())
        self.assertIn(hostile.replace("\u0001", "\ufffd"), text)
        self.assertIn("0 lies in the interval", text)
        for drawing in page.iter("svg"):
            self.assertEqual(len(drawing.get("viewBox").split()), 4)
        self.assertEqual([name for name in ("src", "href", "onload", "onclick") for part in page.iter() if part.get(name)], [])
        self.assertLess((self.folder / "report.html").stat().st_size, 100_000)

    def test_other_folders_are_refused(self):
        (self.folder / "best").mkdir()
        (self.folder / "best/config.json").write_text("{}")
        refusal = self.report("best", "--out", "report.html", code=3)
        for part in ("best", "metrics.jsonl", "results_", "study.json", "found: config.json", "next step"):
            self.assertIn(part, refusal)
        self.assertFalse((self.folder / "report.html").exists())

    def test_misuse_and_unwritable_places_have_codes_of_their_own(self):
        run = self.training("a", [])
        self.report(code=2)
        self.report(run, code=2)
        self.assertIn("twice", self.report(run, run, "--out", "report.html", code=2))
        self.report(run, "--out", "nowhere/report.html", code=6)


if __name__ == "__main__":
    BT_EVAL = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
