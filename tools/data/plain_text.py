#!/usr/bin/env python3
"""Documents of plain text as JSON Lines, {"text": ...} a line, for methods that train on text without a task.

    .venv/bin/python3 tools/data/plain_text.py FOLDER/*.parquet --bytes 500000000 --out train.jsonl --held-out held_out.jsonl

FILE is parquet or JSON Lines (.jsonl, .jsonl.gz, .json.gz) with a column of text, or .txt, which is one document. A
document is chosen by a hash of seed and text: the same ones whatever the order and number of the files. Equal documents
count once. No document is in both files, whatever their seeds and sizes. Memory: the documents chosen.
"""
import argparse
import math

from failure import BAD_FILE, Failure, end
from records import read, write_json_lines
from selection import Smallest, is_held_out, key


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--out", required=True, metavar="FILE.jsonl", help="documents to train on")
    parser.add_argument("--documents", type=int, default=math.inf, help="at most so many; this or --bytes is needed")
    parser.add_argument("--bytes", type=int, default=math.inf, help="at most so many bytes of text (UTF-8) in all")
    parser.add_argument("--column", default="text", help="the column that holds the text (text)")
    parser.add_argument("--min-chars", type=int, default=200, help="shorter documents are left out (200)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another choice (0)")
    parser.add_argument("--held-out", metavar="FILE.jsonl", help="documents to validate on")
    parser.add_argument("--held-out-documents", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--held-out-share", type=float, default=0.02,
                        help="share of all documents that they are drawn from (0.02)")
    options = parser.parse_args()
    if min(options.documents, options.bytes) == math.inf:
        parser.error("how much? give --documents or --bytes")
    if min(options.documents, options.bytes, options.held_out_documents) < 1 or not 0 < options.held_out_share < 1:
        parser.error("--documents, --bytes and --held-out-documents are at least 1, --held-out-share lies between 0 and 1")
    return options


def choose(options):
    """Smallest for training, Smallest for validation, number of documents read."""
    share = options.held_out_share if options.held_out else 0
    train, held_out = Smallest(options.documents, options.bytes), Smallest(options.held_out_documents)
    count = 0
    for path in options.files:
        for (text,) in read(path, [options.column]):
            count += 1
            if text is None or len(text) < options.min_chars or not text.strip():
                continue
            if is_held_out(text, share):
                held_out.offer(key(options.seed, text), text)
            else:
                train.offer(key(options.seed, text), text, len(text.encode()))
    return train, held_out, count


def write(path, texts):
    digest = write_json_lines(path, ["text"], ((text,) for text in texts))
    print(f"{path}: {len(texts)} documents, {sum(len(text.encode()) for text in texts)} bytes of text, SHA-256 {digest}")


def main():
    options = arguments()
    train, held_out, count = choose(options)
    print(f"{count} documents read")
    if not train.kept:
        raise Failure(BAD_FILE, "no document is left to train on", ", ".join(options.files),
                      next_step="lower --min-chars, or raise --bytes above the size of a document")
    if options.held_out and len(held_out.kept) < options.held_out_documents:
        raise Failure(BAD_FILE, f"only {len(held_out.kept)} documents to hold out", "--held-out-documents",
                      next_step="ask for fewer, or raise --held-out-share")
    if options.held_out:
        write(options.held_out, held_out.items())
    write(options.out, train.items())


if __name__ == "__main__":
    end(main)
