#!/usr/bin/env python3
"""Which items of test sets share 13 words in a row with training data.

    tools/data/overlap.py train.jsonl --test DATA/gsm8k/test.jsonl:question --test DATA/math/test.jsonl:problem \\
        --report overlap.json --remove clean.jsonl

Text is lower-cased and cut into words, runs of letters or digits; fields are compared one by one. An item overlaps where
one of its fields and a field of a training line share 13 consecutive words. A field of fewer words overlaps where a whole
training field has the same words. --report lists the items that overlap, each with the first training line that does, and
--remove writes the training lines that overlap with no item, unchanged. Word runs are compared as they are, not by hashes,
and only those of the test sets are kept in memory: the training data may be of any size.
"""
import argparse
import contextlib
import json
import re

from failure import USAGE, Failure, end
from records import json_lines, text_field, written

WORD = re.compile(r"[^\W_]+")


def runs(text, n):
    """Every run of n words; all words where there are fewer. So a short text can only equal another whole text."""
    words = WORD.findall(text.lower())
    if len(words) < n:
        return [tuple(words)] if words else []
    return zip(*(words[i:] for i in range(n)))


class TestSet:
    """A file, its fields, and the items found to overlap: {index: (first training line, shared words)}."""

    def __init__(self, argument):
        self.path, _, fields = argument.rpartition(":")
        self.fields = fields.split(",")
        if not self.path or not all(self.fields):
            raise Failure(USAGE, "which field?", "--test", expected="FILE.jsonl:FIELD[,FIELD...]", found=argument)
        self.items, self.overlapping = 0, {}

    def read(self, n, index):
        """Adds its runs to index: {run: [(test set, item)]}."""
        for where, _, record in json_lines(self.path):
            for field in self.fields:
                for run in set(runs(text_field(record, field, where), n)):
                    index.setdefault(run, []).append((self, self.items))
            self.items += 1

    def share(self):
        return len(self.overlapping) / max(1, self.items)

    def as_json(self):
        return {"file": self.path, "fields": self.fields, "items": self.items, "overlapping": len(self.overlapping),
                "share": self.share(),
                "list": [{"item": item, "first_training_line": where, "words": " ".join(run)}
                         for item, (where, run) in sorted(self.overlapping.items())]}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", nargs="+", metavar="TRAIN.jsonl")
    parser.add_argument("--test", action="append", required=True, metavar="FILE.jsonl:FIELD,...", help="may be repeated")
    parser.add_argument("--fields", default="problem,generated_solution", metavar="FIELD,...",
                        help="of the training lines (problem,generated_solution)")
    parser.add_argument("--words", type=int, default=13, help="in a row (13)")
    parser.add_argument("--report", metavar="FILE.json", help="the items that overlap")
    parser.add_argument("--remove", metavar="FILE.jsonl", help="the training lines without overlap")
    options = parser.parse_args()
    if options.words < 1:
        parser.error("--words is at least 1")
    return options


def shared_runs(record, fields, where, n, index):
    texts = [text_field(record, field, where) for field in fields]
    if all(index.keys().isdisjoint(runs(text, n)) for text in texts):  # nearly always, and three times as fast
        return []
    return [run for text in texts for run in runs(text, n) if run in index]


def scan(options, index, kept):
    """Notes the overlap in the test sets of the index and writes lines without any to `kept`. Returns lines, lines with."""
    lines, with_overlap, fields = 0, 0, options.fields.split(",")
    for path in options.train:
        for where, line, record in json_lines(path):
            shared = shared_runs(record, fields, where, options.words, index)
            for run in shared:
                for test, item in index[run]:
                    test.overlapping.setdefault(item, (where, run))
            lines += 1
            with_overlap += bool(shared)
            if kept and not shared:
                kept.write(line if line.endswith(b"\n") else line + b"\n")
    return lines, with_overlap


def main():
    options = arguments()
    tests, index = [TestSet(argument) for argument in options.test], {}
    for test in tests:
        test.read(options.words, index)
    with written(options.remove) if options.remove else contextlib.nullcontext() as kept:
        lines, with_overlap = scan(options, index, kept)
    print(f"{with_overlap} of {lines} training lines share {options.words} words in a row with a test item")
    for test in tests:
        print(f"{test.path}: {len(test.overlapping)} of {test.items} items overlap ({test.share():.2%})")
    if options.report:
        report = {"words": options.words, "training": {"files": options.train, "fields": options.fields.split(","),
                  "lines": lines, "overlapping_lines": with_overlap}, "tests": [test.as_json() for test in tests]}
        with written(options.report) as file:
            file.write(json.dumps(report, indent=2).encode() + b"\n")


if __name__ == "__main__":
    end(main)
