"""tools/data/openmathinstruct2.py: which rows are chosen, and what bad files end in."""
import random

from tool_support import ToolTest, main, need

need("pyarrow")


def row(problem, solution=0, answer="7", source="augmented_math"):
    return {"problem": f"Problem {problem}: what is it?", "generated_solution": f"Step {solution}.\nIt is \\boxed{{7}}.",
            "expected_answer": answer, "problem_source": source}


ROWS = [row(problem, solution, source="math" if problem < 40 else "augmented_gsm8k")
        for problem in range(120) for solution in range(3)]
HELD_OUT = ["--held-out", "held_out.jsonl", "--held-out-problems", 10, "--held-out-share", 0.2]


class OpenMathInstruct2(ToolTest):
    tool = "data/openmathinstruct2.py"

    def choose(self, records, shards, *arguments):
        """The bytes of both files, from the rows in this order on this number of shards."""
        names = [f"{shard}.parquet" for shard in range(shards)]
        for shard, name in enumerate(names):
            self.write_parquet(name, records[shard::shards])
        self.run_tool(*names, "--out", "train.jsonl", "--rows", 100, *HELD_OUT, *arguments)
        return [(self.folder / name).read_bytes() for name in ("train.jsonl", "held_out.jsonl")]

    def test_order_and_shards_do_not_matter(self):
        shuffled = random.Random(5).sample(ROWS, len(ROWS))
        once = self.choose(ROWS, 1)
        self.assertEqual(once, self.choose(ROWS, 1))
        self.assertEqual(once, self.choose(shuffled, 4))
        self.assertNotEqual(once, self.choose(ROWS, 1, "--seed", 1))

    def test_rows_come_unchanged_and_once(self):
        self.choose(ROWS + ROWS, 2)
        chosen = self.read_lines("train.jsonl")
        self.assertEqual(len(chosen), 100)
        self.assertTrue(all(record in ROWS for record in chosen))
        self.assertEqual(len({(r["problem"], r["generated_solution"]) for r in chosen}), 100)

    def test_equal_solutions_with_other_answers_count_once_whatever_the_order(self):
        records = [row(n, answer=answer) for n in range(40) for answer in ("1", "2")]
        self.write_parquet("a.parquet", records)
        self.write_parquet("b.parquet", records[::-1])
        for name in ("a", "b"):
            self.run_tool(f"{name}.parquet", "--rows", 40, "--out", f"{name}.jsonl")
        self.assertEqual(self.read_lines("a.jsonl"), self.read_lines("b.jsonl"))

    def test_no_held_out_problem_is_trained_on_whatever_the_seeds(self):
        spaced = [dict(record, problem="  " + record["problem"].replace(" ", "  ")) for record in ROWS[::3]]
        self.choose(ROWS + spaced, 1)
        held_out = {" ".join(record["problem"].split()) for record in self.read_lines("held_out.jsonl")}
        self.assertEqual(len(held_out), 10)
        for seed in range(3):
            self.choose(ROWS + spaced, 1, "--seed", seed, "--rows", 250)
            trained = {" ".join(record["problem"].split()) for record in self.read_lines("train.jsonl")}
            self.assertFalse(trained & held_out)

    def test_rows_are_drawn_from_the_whole_range(self):
        self.choose(ROWS, 1)
        numbers = [int(record["problem"].split()[1][:-1]) for record in self.read_lines("train.jsonl")]
        self.assertLess(min(numbers), 20)
        self.assertGreater(max(numbers), 100)
        self.assertNotEqual(numbers, sorted(numbers))

    def test_sources(self):
        self.choose(ROWS, 1, "--sources", "math", "--rows", 60, "--held-out-problems", 2)
        self.assertEqual({record["problem_source"] for record in self.read_lines("train.jsonl")}, {"math"})
        self.assert_fails(2, ["'maths'", "augmented_gsm8k, math"], "0.parquet", "--out", "x.jsonl", "--sources", "maths")

    def test_rows_without_a_solution_are_left_out(self):
        self.write_parquet("a.parquet", [row(1), dict(row(2), generated_solution=None), dict(row(3), problem="")])
        self.run_tool("a.parquet", "--rows", 1, "--out", "a.jsonl")
        self.assertEqual(self.read_lines("a.jsonl"), [row(1)])

    def test_too_few_rows_write_nothing(self):
        self.write_parquet("a.parquet", ROWS[:5])
        self.assert_fails(3, ["only 5 of 6"], "a.parquet", "--rows", 6, "--out", "train.jsonl")
        self.assert_fails(3, ["--held-out-share"], "a.parquet", "--rows", 1, "--out", "train.jsonl", *HELD_OUT)
        self.assertEqual(self.files(), ["a.parquet"])

    def test_bad_files(self):
        self.write_parquet("column.parquet", [{"problem": "a", "solution": "b"}])
        self.write_parquet("type.parquet", [dict(row(1), problem=3)])
        self.write_parquet("good.parquet", ROWS)
        good = (self.folder / "good.parquet").read_bytes()
        (self.folder / "cut.parquet").write_bytes(good[:-9])
        (self.folder / "bytes.parquet").write_bytes(good[:100] + bytes(len(good) // 2) + good[100 + len(good) // 2:])
        (self.folder / "notes.csv").write_text("problem")
        for name, parts in {"column.parquet": ["no column 'generated_solution'", "problem, solution"],
                            "type.parquet": ["'problem' does not hold text", "int64"], "cut.parquet": ["cannot be read"],
                            "bytes.parquet": ["cannot be read"], "missing.parquet": ["no such file"],
                            "notes.csv": ["expected: .parquet"]}.items():
            self.assert_fails(3, [name, *parts], name, "--rows", 1, "--out", "train.jsonl")
        self.assertFalse((self.folder / "train.jsonl").exists())

    def test_usage(self):
        self.write_parquet("a.parquet", ROWS)
        self.assert_fails(2, ["--out"], "a.parquet")
        self.assert_fails(2, ["at least 1"], "a.parquet", "--out", "train.jsonl", "--rows", 0)
        self.assert_fails(6, ["nowhere"], "a.parquet", "--out", "nowhere/train.jsonl", "--rows", 1)


main()
