"""tools/peers: the tables of compare.py, and that the scripts that need PyTorch are valid Python."""
import ast
import json
import pathlib

from tool_support import TOOLS, ToolTest, main

OURS = {"machine": {"copy_bytes_per_second": 4e12}, "benches": [
    {"name": "step/llama_1b_1x300", "variants": [
        {"name": "the decoder alone", "median_seconds": 0.025, "tokens": 25, "bytes": 5e10},
        {"name": "all boundaries together", "median_seconds": 0.0255, "tokens": 25}]},
    {"name": "train/llama_1b_16", "variants": [
        {"name": "fine-tuning the decoder", "median_seconds": 0.09, "memory_bytes": 2**32},
        {"name": "LoRA of rank 16", "median_seconds": 0.048, "memory_bytes": 2**31},
        {"name": "processor, 32 + 25 rows", "failure": "out of memory"}]}]}
THEIRS = {"machine": {}, "benches": [{"name": "train/llama_1b_16", "variants": [
    {"name": "PyTorch: fine-tuning", "median_seconds": 0.1, "memory_bytes": 2**33},
    {"name": "PyTorch: LoRA", "median_seconds": 0.05, "memory_bytes": 2**33},
    {"name": "PyTorch: other", "failure": "did not compile"}]}]}


class Compare(ToolTest):
    tool = "peers/compare.py"

    def tables(self):
        """Cells behind a variant's name; verdict by bar."""
        for name, results in (("ours.json", OURS), ("theirs.json", THEIRS)):
            (self.folder / name).write_text(json.dumps(results))
        table, bars = self.run_tool("ours.json", "theirs.json").split("\n\n")
        return ({line[2:38].strip(): line[38:].split() for line in table.splitlines()},
                {line[:72].strip() + ", " + line[72:88].strip(): line[118:].strip() for line in bars.splitlines()})

    def test_a_boundary_costs_the_difference_of_the_steps(self):
        rows, bars = self.tables()
        self.assertEqual(rows["all boundaries together"][:4], ["25.5000", "1.020", "-", "0.500"])
        self.assertEqual(rows["the decoder alone"][3:6], ["-", "0.500", "1000"])
        self.assertEqual(bars["step/llama_1b_1x300: all boundaries together, of first"], "MISSED")
        self.assertEqual(bars["step/llama_1b_1x300: the decoder alone, tokens/s"], "goal")

    def test_training_is_compared_with_the_like(self):
        rows, bars = self.tables()
        self.assertEqual(rows["fine-tuning the decoder"][2], "0.900")
        self.assertEqual(rows["LoRA of rank 16"][2], "0.960")
        self.assertEqual(rows["LoRA of rank 16"][-2:], ["2.00", "0.250"])
        self.assertEqual(rows["fine-tuning the decoder"][-1], "0.500")
        self.assertEqual(bars["train/llama_1b_16: fine-tuning the decoder, of PyTorch"], "goal")

    def test_failures_stay_in_the_table(self):
        rows, bars = self.tables()
        self.assertEqual(rows["processor, 32 + 25 rows"], ["FAILED:", "out", "of", "memory"])
        self.assertEqual(rows["PyTorch: other"][0], "FAILED:")
        self.assertEqual(bars["train/llama_1b_16: processor, 32 + 25 rows, of PyTorch"], "not measured")

    def test_without_files_it_says_how(self):
        self.run_tool(code=1)


class Peers(ToolTest):
    def test_are_valid_python(self):
        scripts = sorted(pathlib.Path(TOOLS, "peers").glob("*.py"))
        self.assertGreaterEqual(len(scripts), 5)
        for script in scripts:
            ast.parse(script.read_text(), script.name)


if __name__ == "__main__":
    main()
