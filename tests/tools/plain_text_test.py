"""tools/data/plain_text.py: which documents are chosen, and what bad files end in."""
import gzip
import json
import random
import sys

from tool_support import TOOLS, ToolTest, main, need

need("pyarrow")
sys.path.insert(0, str(TOOLS / "data"))
from selection import Smallest  # noqa: E402

TEXTS = [f"Document {n}. " + "Ünïcode and\nlines. " * (n % 17) for n in range(200)]


class PlainText(ToolTest):
    tool = "data/plain_text.py"

    def choose(self, texts, shards, *arguments):
        names = [f"{shard}.jsonl" for shard in range(shards)]
        for shard, name in enumerate(names):
            self.write_lines(name, [{"text": text, "url": "x"} for text in texts[shard::shards]])
        self.run_tool(*names, "--out", "train.jsonl", "--min-chars", 30, *arguments)
        return [record["text"] for record in self.read_lines("train.jsonl")]

    def test_order_and_shards_do_not_matter(self):
        shuffled = random.Random(5).sample(TEXTS + TEXTS[:50], len(TEXTS) + 50)
        for limit in (["--documents", 40], ["--bytes", 900], ["--documents", 40, "--bytes", 5000]):
            once = self.choose(TEXTS, 1, *limit)
            self.assertEqual(once, self.choose(shuffled, 3, *limit))
            self.assertNotEqual(once, self.choose(TEXTS, 1, "--seed", 1, *limit))

    def test_a_document_that_fits_does_not_take_the_place_of_one_before_it(self):
        for order in ([5, 6, 7], [7, 6, 5], [5, 7, 6]):
            chosen = Smallest(size=50)
            for key in order:
                chosen.offer(key, f"document {key}", {5: 10, 6: 45, 7: 10}[key])
            self.assertEqual(chosen.items(), ["document 5"])

    def test_limits(self):
        self.assertEqual(len(self.choose(TEXTS, 1, "--documents", 40)), 40)
        chosen = self.choose(TEXTS, 1, "--bytes", 5000)
        sizes = [len(text.encode()) for text in chosen]
        self.assertLessEqual(sum(sizes), 5000)
        self.assertGreater(sum(sizes), 4000)
        self.assertEqual(chosen, self.choose(TEXTS, 1, "--bytes", 20000)[:len(chosen)])
        self.assertGreaterEqual(min(map(len, chosen)), 30)

    def test_no_document_is_held_out_and_trained_on(self):
        held_out = ["--held-out", "held_out.jsonl", "--held-out-documents", 10, "--held-out-share", 0.2]
        self.choose(TEXTS, 1, "--documents", 10, *held_out)
        kept = {record["text"] for record in self.read_lines("held_out.jsonl")}
        self.assertEqual(len(kept), 10)
        for seed in range(3):
            self.assertFalse(kept & set(self.choose(TEXTS, 1, "--bytes", 10**9, "--seed", seed, *held_out)))

    def test_every_format_gives_the_same(self):
        self.write_lines("a.jsonl", [{"body": text} for text in TEXTS[:20]])
        (self.folder / "a.jsonl.gz").write_bytes(gzip.compress((self.folder / "a.jsonl").read_bytes()))
        self.write_parquet("a.parquet", [{"body": text} for text in TEXTS[:20]])
        for number, text in enumerate(TEXTS[:20]):
            (self.folder / f"{number}.txt").write_bytes(text.encode())
        outputs = []
        for inputs in (["a.jsonl"], ["a.jsonl.gz"], ["a.parquet"], [f"{n}.txt" for n in range(20)]):
            self.run_tool(*inputs, "--column", "body", "--documents", 100, "--out", "out.jsonl")
            outputs.append(self.read_lines("out.jsonl"))
        self.assertEqual(len(outputs[0]), len([text for text in TEXTS[:20] if len(text) >= 200]))
        self.assertTrue(all(output == outputs[0] for output in outputs))

    def test_bad_files(self):
        (self.folder / "line.jsonl").write_text(json.dumps({"text": "a"}) + "\n{\n")
        (self.folder / "list.jsonl").write_text("[1]\n")
        (self.folder / "half.jsonl").write_text('{"text": "\\ud800"}\n')
        (self.folder / "latin.txt").write_bytes("Größe".encode("latin-1"))
        (self.folder / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a"}\n' * 1000)[:40])
        self.write_lines("field.jsonl", [{"body": "a", "url": "b"}])
        for name, parts in {"line.jsonl": [":2", "no JSON"], "list.jsonl": [":1", "no JSON object"],
                            "half.jsonl": ["surrogate"], "latin.txt": ["UTF-8"], "cut.jsonl.gz": ["decompressed"],
                            "field.jsonl": ["no field 'text'", "body, url"]}.items():
            self.assert_fails(3, [name, *parts], name, "--documents", 1, "--out", "out.jsonl")

    def test_usage_and_nothing_left(self):
        self.write_lines("a.jsonl", [{"text": "short"}])
        self.assert_fails(2, ["--documents or --bytes"], "a.jsonl", "--out", "out.jsonl")
        self.assert_fails(3, ["--min-chars"], "a.jsonl", "--out", "out.jsonl", "--documents", 1)
        self.assertEqual(self.files(), ["a.jsonl"])


main()
