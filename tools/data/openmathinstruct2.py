#!/usr/bin/env python3
"""A reproducible subset of OpenMathInstruct-2 as JSON Lines, from its parquet files.

    .venv/bin/python3 tools/data/openmathinstruct2.py FOLDER/train_1M-*.parquet --out train.jsonl --held-out held_out.jsonl

A row is chosen by a hash of seed, problem and solution, uniformly over rows: the same rows whatever the order and number
of the files. Rows equal in problem and solution count once. No problem is in both files, whatever their seeds and sizes:
--held-out takes its problems, one row each, from a fixed share of all problems, and the rest of that share is left unused.
data/README.md says what is known of the paper's own subset.
"""
import argparse
import collections

from failure import BAD_FILE, USAGE, Failure, end
from records import read, write_json_lines
from selection import Smallest, is_held_out, key

FIELDS = ["problem", "generated_solution", "expected_answer", "problem_source"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE.parquet", help="or .jsonl with the same fields")
    parser.add_argument("--out", required=True, metavar="FILE.jsonl", help="rows to train on")
    parser.add_argument("--rows", type=int, default=128_000, help="how many (128000)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another subset (0)")
    parser.add_argument("--sources", metavar="NAME,...", help="rows of these problem_source alone (all)")
    parser.add_argument("--held-out", metavar="FILE.jsonl", help="rows to validate on")
    parser.add_argument("--held-out-problems", type=int, default=1000, help="how many, one row each (1000)")
    parser.add_argument("--held-out-share", type=float, default=0.02,
                        help="share of all problems that they are drawn from (0.02)")
    options = parser.parse_args()
    if options.rows < 1 or options.held_out_problems < 1 or not 0 < options.held_out_share < 1:
        parser.error("--rows and --held-out-problems are at least 1, --held-out-share lies between 0 and 1")
    return options


def choose(options):
    """Smallest for training, Smallest for validation, number of rows by source."""
    sources = set(options.sources.split(",")) if options.sources else None
    share = options.held_out_share if options.held_out else 0
    train, held_out = Smallest(options.rows), Smallest(options.held_out_problems)
    found = collections.Counter()
    for path in options.files:
        for row in read(path, FIELDS):
            problem, solution, _, source = row = tuple(text or "" for text in row)
            found[source] += 1
            if not problem or not solution or (sources and source not in sources):
                continue
            row_key = key(options.seed, problem, solution)
            if is_held_out(problem, share):
                held_out.offer(key(options.seed, " ".join(problem.split())), (row_key, row))
            else:
                train.offer(row_key, row)
    unknown = sorted((sources or set()) - set(found))
    if unknown:
        raise Failure(USAGE, f"no row has the problem_source '{unknown[0]}'", "--sources", found=", ".join(sorted(found)))
    return train, held_out, found


def check(chosen, wanted, flag, next_step):
    if len(chosen.kept) < wanted:
        raise Failure(BAD_FILE, f"the files hold only {len(chosen.kept)} of {wanted} rows asked for", flag,
                      next_step=next_step)


def write(path, rows):
    digest = write_json_lines(path, FIELDS, rows)
    print(f"{path}: {len(rows)} rows, {len({row[0] for row in rows})} problems, SHA-256 {digest}")


def main():
    options = arguments()
    train, held_out, found = choose(options)
    print(f"{sum(found.values())} rows read: " + ", ".join(f"{found[name]} {name}" for name in sorted(found)))
    check(train, options.rows, "--rows", "ask for fewer, or give more files")
    if options.held_out:
        check(held_out, options.held_out_problems, "--held-out-problems", "ask for fewer, or raise --held-out-share")
        write(options.held_out, [row for _, row in held_out.items()])
    write(options.out, train.items())


if __name__ == "__main__":
    end(main)
