"""What the shell scripts of tools/ have in common, and what they must not do."""
import subprocess

from tool_support import TOOLS, ToolTest, main

SCRIPTS = ["check", "format", "fuzz", "gpu-check", "quickstart", "quickstart-run", "setup"]


class Scripts(ToolTest):
    def run_script(self, name, *arguments):
        return subprocess.run([TOOLS / name, *arguments], cwd=self.folder, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)

    def test_every_script_explains_itself(self):
        for name in SCRIPTS:
            second_line = (TOOLS / name).read_text().splitlines()[1]
            for option in ["-h", "--help"]:
                done = self.run_script(name, option)
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertEqual("# " + done.stdout.splitlines()[0], second_line)
                self.assertNotIn("#!", done.stdout)

    def test_the_quickstart_deletes_nothing_of_the_users(self):
        kept = self.folder / "results" / "mine.txt"
        kept.parent.mkdir()
        kept.write_text("years of work")
        done = self.run_script("quickstart-run", kept.parent)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("holds something else", done.stdout)
        self.assertEqual(kept.read_text(), "years of work")


if __name__ == "__main__":
    main()
