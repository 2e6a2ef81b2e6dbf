"""tools/data/probe_labels.py: which label every call of a solution gets."""
from tool_support import ToolTest, main


class ProbeLabels(ToolTest):
    tool = "data/probe_labels.py"

    def lines(self, *problems, arguments=()):
        self.write_lines("problems.jsonl", [{"question": q, "answer": a} for q, a in problems])
        self.run_tool("problems.jsonl", "--out", "labelled.jsonl", *arguments)
        return self.read_lines("labelled.jsonl")

    def test_every_step_has_its_number_those_beside_it_and_the_answer_that_is_neither(self):
        line, = self.lines(("How many?", "Ann has 5 - 2 = 3\nEve has <<3+8=11>>11\nBob has 1,200\nno number\n#### 7"))
        self.assertEqual(line["prompt"], "How many?\n")
        self.assertEqual(line["text"], "Ann has 5 - 2 = 3\nEve has 11\nBob has 1,200\nno number\n#### 7")
        self.assertEqual(line["labels"], {"subject": [None, "Ann", "Eve", "Bob", "no"],
                                          "result": [None, "3", "11", "1200", None],
                                          "previous": [None, None, "3", "11", "1200"],
                                          "next": [None, "11", "1200", None, None],
                                          "answer": [None, "7", "7", None, None]})

    def test_one_step_and_another_template(self):
        line, = self.lines(("Q", "Ann has -3\n#### -3"), arguments=["--prompt-template", "Q: {question}\nA:\n"])
        self.assertEqual(line["prompt"], "Q: Q\nA:\n")
        self.assertEqual(line["labels"], {"subject": [None, "Ann"], "result": [None, "-3"],
                                          "previous": [None, None], "next": [None, None], "answer": [None, None]})

    def test_bad_input(self):
        self.write_lines("bad.jsonl", [{"question": "q", "answer": "x\n#### 1"}, {"question": "q", "answer": "x 1"}])
        self.assert_fails(3, ["bad.jsonl:2", "####"], "bad.jsonl", "--out", "out.jsonl")
        self.assertEqual(self.files(), ["bad.jsonl"])
        self.assert_fails(6, ["nowhere.jsonl"], "nowhere.jsonl", "--out", "out.jsonl")


if __name__ == "__main__":
    main()
