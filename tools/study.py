#!/usr/bin/env python3
"""A study in one command: what its protocol file says, for every arm and seed, and a table of what came of it.

    .venv/bin/python3 tools/study.py PROTOCOL.yaml --out FOLDER [key=value ...] [--dry-run | --table] [--jobs N]

A protocol names seeds, data, arms, how they are tuned and matched, and what is compared: configs/studies holds commented
ones, docs/experiments.md describes every key. key=value replaces one of its values: seeds=[0,1] evaluation.limit=20
settings.train.steps=4. FOLDER gets study.json, table.md and every run: seed_N/train/ARM, seed_N/eval/ARM.

Call it again with the same arguments to go on: what is finished is skipped, an interrupted training resumes. A changed
protocol, config or data file is refused. Environment: BT_BIN, the folder of the programs, if they are not on PATH.
"""
import argparse
import json
import os

from step_runner import print_commands, run_all
from study_plan import Plan
from study_protocol import Protocol, identify, record
from study_results import Results, study_json
from study_table import markdown


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocol", metavar="PROTOCOL.yaml")
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="replaces a value of the protocol")
    parser.add_argument("--out", required=True, metavar="FOLDER")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="commands run at once (1)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="print the commands and what is finished, run nothing")
    what.add_argument("--table", action="store_true", help="print the table of the finished seeds, run nothing")
    options = parser.parse_intermixed_args()
    if options.jobs < 1:
        parser.error("--jobs: expected at least 1")
    return options


def write(path, text):
    with open(path + ".partial", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".partial", path)


def main():
    options = arguments()
    protocol = Protocol(options.protocol, options.overrides)
    identity = identify(protocol, options.out)
    runs = not options.dry_run and not options.table
    plan = Plan(protocol, options.out, records=runs)
    if options.dry_run:
        print_commands(plan.steps)
        return
    if runs:
        record(protocol, identity, options.out)
        run_all(plan.steps, options.jobs)
    results = Results(plan)
    text = markdown(results, identity)
    if runs:
        write(os.path.join(options.out, "study.json"), json.dumps(study_json(results, identity), indent=1) + "\n")
        write(os.path.join(options.out, "table.md"), text)
    print(text, end="")


if __name__ == "__main__":
    main()
