"""tools/data/overlap.py: what counts as overlap, its report, and the lines it removes."""
import json

from tool_support import ToolTest, main

QUESTION = "Ann has two red apples and three green pears, so how many fruits has Ann in all?"  # 16 words
WORDS = QUESTION.lower().replace(",", "").replace("?", "").split()


class Overlap(ToolTest):
    tool = "data/overlap.py"

    def overlap(self, train, tests, *arguments):
        """Items found, for training lines (problem, solution) and test questions."""
        self.write_lines("train.jsonl", [{"problem": problem, "generated_solution": text} for problem, text in train])
        self.write_lines("test.jsonl", [{"question": question} for question in tests])
        self.run_tool("train.jsonl", "--test", "test.jsonl:question", "--report", "report.json", *arguments)
        self.report = json.loads((self.folder / "report.json").read_text())
        return [found["item"] for found in self.report["tests"][0]["list"]]

    def test_13_words_overlap_and_12_do_not(self):
        for begin in (0, 3):
            shared = "Well then: " + " ".join(WORDS[begin:begin + 13]) + " and more."
            self.assertEqual(self.overlap([("x", "y"), (shared, "y")], ["other", QUESTION]), [1])
            shorter = "Well then: " + " ".join(WORDS[begin:begin + 12]) + " and more of this sort."
            self.assertEqual(self.overlap([(shorter, "y")], [QUESTION]), [])
            self.assertEqual(self.overlap([(shorter, "y")], [QUESTION], "--words", 12), [0])

    def test_case_and_punctuation_do_not_count_and_words_in_between_do(self):
        self.assertEqual(self.overlap([("x", "\n".join(WORDS).upper() + "!")], [QUESTION]), [0])
        self.assertEqual(self.overlap([(" ".join(WORDS[:8] + ["very"] + WORDS[8:]), "x")], [QUESTION]), [])
        self.assertEqual(self.overlap([("É_" + " é_".join(WORDS), "x")], [" ".join(f"é {word}" for word in WORDS)]), [0])

    def test_fields_are_not_joined(self):
        self.assertEqual(self.overlap([(" ".join(WORDS[:8]), " ".join(WORDS[8:]))], [QUESTION]), [])

    def test_short_items_are_compared_whole(self):
        self.assertEqual(self.overlap([("What is 2+2?", "4")], ["what is 2 2"]), [0])
        self.assertEqual(self.overlap([("What is 2+2? Or not?", "4")], ["What is 2+2?"]), [])
        self.assertEqual(self.overlap([("???", "4")], ["!"]), [])

    def test_report(self):
        self.overlap([("x", "y"), ("y", QUESTION), (QUESTION, "y")], [QUESTION, "other", QUESTION, "one more"])
        self.assertEqual(self.report["training"]["lines"], 3)
        self.assertEqual(self.report["training"]["overlapping_lines"], 2)
        test = self.report["tests"][0]
        self.assertEqual((test["items"], test["overlapping"], test["share"]), (4, 2, 0.5))
        self.assertEqual(test["list"][0],
                         {"item": 0, "first_training_line": "train.jsonl:2", "words": " ".join(WORDS[:13])})

    def test_removed_lines_are_those_that_overlap(self):
        self.overlap([("a", "b"), (QUESTION, "b"), ("c", "ü")], [QUESTION], "--remove", "clean.jsonl")
        lines = (self.folder / "train.jsonl").read_bytes().splitlines(keepends=True)
        self.assertEqual((self.folder / "clean.jsonl").read_bytes(), lines[0] + lines[2])

    def test_several_test_sets(self):
        self.write_lines("train.jsonl", [{"text": QUESTION}])
        self.write_lines("a.jsonl", [{"problem": "none", "solution": QUESTION}])
        self.write_lines("b.jsonl", [{"problem": "none", "solution": QUESTION}])
        output = self.run_tool("train.jsonl", "--fields", "text", "--test", "a.jsonl:problem",
                               "--test", "b.jsonl:problem,solution")
        self.assertIn("a.jsonl: 0 of 1", output)
        self.assertIn("b.jsonl: 1 of 1", output)

    def test_bad_files_and_usage(self):
        self.write_lines("train.jsonl", [{"problem": "x", "generated_solution": "y"}])
        self.write_lines("test.jsonl", [{"question": "x"}])
        test = ["--test", "test.jsonl:question"]
        self.assert_fails(3, ["train.jsonl:1", "'text'", "problem, generated_solution"],
                          "train.jsonl", "--fields", "text", *test)
        self.assert_fails(3, ["test.jsonl:1", "'answer'"], "train.jsonl", "--test", "test.jsonl:answer")
        self.assert_fails(2, ["--test", "FIELD"], "train.jsonl", "--test", "test.jsonl")
        (self.folder / "bad.jsonl").write_text("{}\nnot json\n")
        self.assert_fails(3, ["bad.jsonl:1"], "bad.jsonl", "--remove", "clean.jsonl", *test)
        self.assertFalse((self.folder / "clean.jsonl").exists())
        self.assertFalse((self.folder / "clean.jsonl.partial").exists())


main()
