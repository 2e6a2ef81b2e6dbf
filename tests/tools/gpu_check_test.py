"""tools/gpu-check on a machine that only looks as if it had a GPU."""
import os
import pathlib
import subprocess

from tool_support import TOOLS, ToolTest, main

PROGRAMS = {
    "path/nvidia-smi": 'echo "A GPU, 1 MiB, 1"',
    "path/python3": "exit 1",  # without PyTorch
    "build/bin/ops_tests": 'case "$*" in *list_tests*) printf "GpuA.\\n  One\\nShapes/GpuB.\\n  One/0\\n" ;; '
                           '*) echo "ran $*"; exit "$TESTS_CODE" ;; esac',
    "build/bin/core_tests": "",
    "build/bin/bt-bench": 'echo "timed $*"',
}
FILES = ["build/lib/libbt_ops_cuda.so", "torch/lib/libtorch_cuda.so", "nvidia/cudnn/x"]


class GpuCheck(ToolTest):
    def setUp(self):
        super().setUp()
        for name, body in PROGRAMS.items():
            self.file(name).write_text(f"#!/bin/sh\n{body}\n")
            (self.folder / name).chmod(0o755)
        for name in FILES:
            self.file(name).write_text("")

    def file(self, name):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def check(self, *arguments, code, tests_code=0, build="build"):
        folder = self.folder
        environment = {**os.environ, "PATH": f"{folder}/path:{os.environ['PATH']}", "OUT": f"{folder}/out",
                       "BT_LIBTORCH": f"{folder}/torch", "TESTS_CODE": str(tests_code)}
        environment.pop("BT_PEER_PYTHON", None)
        done = subprocess.run([TOOLS / "gpu-check", *arguments, folder / build], env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, code, done.stdout)
        return done.stdout

    def test_runs_suite_by_suite_and_leaves_a_report(self):
        output = self.check("--only", "tests,bench", code=0)
        self.assertIn("ran --gtest_filter=GpuA.* ", output)
        self.assertIn("ran --gtest_filter=Shapes/GpuB.* ", output)
        self.assertIn("timed --device cuda --dtype bfloat16 --filter train/", output)
        self.assertEqual(pathlib.Path(self.folder, "out/report.txt").read_text(), output)

    def test_a_suite_that_fails_fails_the_check_and_the_rest_goes_on(self):
        output = self.check("--only", "tests,bench", code=1, tests_code=3)
        self.assertIn("FAILED: GpuA Shapes/GpuB", output)
        self.assertIn("timed ", output)

    def test_a_suite_that_skips_itself_fails_the_check(self):
        (self.folder / "build/bin/ops_tests").write_text(
            '#!/bin/sh\ncase "$*" in *list_tests*) printf "GpuA.\\n  One\\n" ;; *) echo "[  SKIPPED ] One" ;; esac\n')
        self.assertIn("GpuA (skipped itself)", self.check("--only", "tests", code=1))

    def test_what_was_asked_for_by_name_must_be_there(self):
        self.assertIn("left out", self.check("--only", "peers", code=1))
        (self.folder / "build/lib/libbt_ops_cuda.so").unlink()
        self.assertIn("no kernels", self.check("--only", "tests", code=1))

    def test_unknown_arguments_are_refused(self):
        self.check("--only", "everything", code=2)
        self.check("--fast", code=2)
        self.check(code=2, build="nowhere")


if __name__ == "__main__":
    main()
