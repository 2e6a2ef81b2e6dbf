#!/usr/bin/env python3
"""Problems with solutions in steps, as lines for `bt-eval probe`: what a probe is to read at the end of every step.

    tools/data/probe_labels.py test.jsonl --out labelled.jsonl

FILE has GSM8K's fields, question and answer. A line's text is the answer, without calculator annotations, after the
prompt. The method is called at the prompt's end, which gets no label, and at the newline of every step, labelled with
  subject    the first word of the step
  result     its last number
  previous   that of the step before
  next       that of the step after
  answer     the number after "####", only where two steps or more come in between: it is neither result nor next
"""
import argparse
import re

from failure import BAD_FILE, Failure, end
from records import json_lines, text_field, write_json_lines

NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
CALCULATOR = re.compile(r"<<[^>]*>>")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE.jsonl")
    parser.add_argument("--out", required=True, metavar="FILE.jsonl")
    parser.add_argument("--prompt-template", default="{question}\n", help="that of the model's training ({question}\\n)")
    return parser.parse_args()


def last_number(line):
    found = NUMBER.findall(line)
    return found[-1].replace(",", "") if found else None


def labels(answer):
    """A label for every call: the prompt's end, then every newline of the answer."""
    lines = answer.split("\n")
    results = [last_number(line) for line in lines[:-1]]  # the last line ends in no newline
    count = len(results)
    final = last_number(lines[-1])
    return {
        "subject": [None, *(line.split(" ")[0] or None for line in lines[:-1])],
        "result": [None, *results],
        "previous": [None, *([None] + results)[:count]],
        "next": [None, *(results[1:] + [None])[:count]],
        "answer": [None, *(final if step + 2 < count else None for step in range(count))],
    }


def probe_lines(path, template):
    for where, _, record in json_lines(path):
        question, answer = (text_field(record, name, where) for name in ("question", "answer"))
        answer = CALCULATOR.sub("", answer)
        if "\n#### " not in answer:
            raise Failure(BAD_FILE, "the answer does not end in a line with ####", where, found=answer[-40:])
        yield template.replace("{question}", question), answer, labels(answer)


def main():
    options = arguments()
    lines = list(probe_lines(options.file, options.prompt_template))
    write_json_lines(options.out, ["prompt", "text", "labels"], lines)
    print(f"{options.out}: {len(lines)} texts")


if __name__ == "__main__":
    end(main)
