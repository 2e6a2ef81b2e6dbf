"""What the tests of the Python tools share."""
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"


class ToolTest(unittest.TestCase):
    """Runs a tool in an empty folder, where the names of its files are relative."""
    tool = ""  # below tools/

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_tool(self, *arguments, code=0, environment=None):
        """Standard output and error of a run that must end with `code`."""
        done = subprocess.run([sys.executable, "-B", TOOLS / self.tool, *map(str, arguments)], cwd=self.folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})})
        self.assertEqual(done.returncode, code, done.stdout)
        self.assertNotIn("Traceback", done.stdout)
        return done.stdout

    def assert_fails(self, code, parts, *arguments):
        output = self.run_tool(*arguments, code=code)
        for part in parts:
            self.assertIn(part, output)

    def write_lines(self, name, records):
        (self.folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))

    def read_lines(self, name):
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    def write_parquet(self, name, records):
        import pyarrow
        import pyarrow.parquet
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), self.folder / name, row_group_size=16)

    def files(self):
        return sorted(path.name for path in self.folder.iterdir())


def need(module):
    """Skips the tests where the Python that runs them lacks a module of .venv."""
    if importlib.util.find_spec(module) is None:
        print(f"no {module} in", sys.executable, "(tools/setup puts it into .venv)")
        sys.exit(77)


def main():
    unittest.main()
