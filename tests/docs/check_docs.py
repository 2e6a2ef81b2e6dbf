#!/usr/bin/env python3
"""check_docs.py facts|commands|configs SOURCE [BIN WORK]: whether the documents say what is so.

facts     relative links and their headings exist, the tree of README.md and its table of methods are complete, config keys exist
commands  every block that begins with ```sh test runs, in the order of PAGES, in the empty folder WORK
configs   bt-train --dry-run accepts every file below configs/, tools/study.py --dry-run those in configs/studies

BIN is the folder of the built programs. Commands run as they stand, but bt-train makes four small steps unless they
set their number.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

PAGES = ["README.md", "CONTRIBUTING.md", "data/README.md", "docs/training.md", "docs/evaluation.md",
         "docs/experiments.md"]
SHORT_RUN = "train.steps=4 train.batch_size=8 train.validate_examples=16 train.validate_every=4 train.warmup_steps=1"

errors = []


def pages(source):
    return sorted(source.glob("*.md")) + sorted(source.glob("data/*.md")) + sorted(source.glob("docs/**/*.md"))


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))


def anchors(page):
    headings = re.findall(r"^#+ +(.*)$", page.read_text(), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_links(source):
    for page in pages(source):
        for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            linked = (page.parent / path).resolve() if path else page
            if not linked.exists():
                errors.append(f"{page}: link to {target}, which does not exist")
            elif anchor and anchor not in anchors(linked):
                errors.append(f"{page}: link to {target}, but {linked.name} has no such heading")


def check_tree(source):
    readme = (source / "README.md").read_text()
    listed = re.findall(r"^(\S+)  +\S", re.search(r"^## The tree\n+```text\n(.*?)```", readme, flags=re.S | re.M)[1], flags=re.M)
    errors.extend(f"README.md: the tree names {path}, which does not exist" for path in listed if not (source / path).exists())
    for folder in ("src", "configs"):
        for entry in sorted((source / folder).iterdir()):
            if entry.is_dir() and f"{folder}/{entry.name}/" not in listed:
                errors.append(f"README.md: the tree leaves out {folder}/{entry.name}/")


def check_methods(source):
    names = re.findall(r"^BT_METHOD\((\w+)", (source / "include/bt/options/methods.inc").read_text(), flags=re.M)
    rows = re.findall(r"^\| `(\w+)` \|", (source / "README.md").read_text(), flags=re.M)
    errors.extend(f"README.md: no row for the method {name}" for name in sorted(set(names) - set(rows)))
    errors.extend(f"README.md: a row for {name}, which is no method" for name in sorted(set(rows) - set(names)))


def check_keys(source):
    """Keys in backquotes in the fidelity tables' column of config keys are options."""
    declared = set()
    for file in (source / "src/options").glob("*.cpp"):
        declared.update(re.findall(r'f\.(?:field|group)\(\s*"(\w+)"', file.read_text()))
    for line in (source / "docs/fidelity.md").read_text().splitlines():
        cells = line.split("|")
        if len(cells) < 6:
            continue
        for key in re.findall(r"`(\w+(?:\.\w+)*)`", cells[2]):
            missing = [part for part in key.split(".") if part not in declared | {"latent", "method"}]
            errors.extend(f"docs/fidelity.md: `{key}` is no config key" for _ in missing[:1])


def folder_for_commands(source, bin_folder, work):
    """WORK with the tree's configs and tools, and programs whose training runs are short. Returns the environment."""
    shutil.rmtree(work, ignore_errors=True)
    (work / "bin").mkdir(parents=True)
    for name in ("configs", "tools"):
        (work / name).symlink_to(source / name)
    (work / ".venv/bin").mkdir(parents=True)
    own = source / ".venv/bin/python3"
    (work / ".venv/bin/python3").write_text(f'#!/bin/sh\nexec "{own if own.exists() else sys.executable}" "$@"\n')
    (work / ".venv/bin/python3").chmod(0o755)
    for program in sorted(bin_folder.glob("bt-*")):
        short = f'config=$1\nshift\nset -- "$config" {SHORT_RUN} "$@"\n' if program.name == "bt-train" else ""
        wrapper = work / "bin" / program.name
        wrapper.write_text(f'#!/bin/sh\n{short}exec "{program}" "$@"\n')
        wrapper.chmod(0o755)
    return dict(os.environ, PATH=f"{work / 'bin'}{os.pathsep}{os.environ['PATH']}", OMP_NUM_THREADS="1",
                PYTHONDONTWRITEBYTECODE="1")


def run(command, work, environment, name):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=work, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        errors.append(f"{name}: exit code {done.returncode} of\n{command}\n{done.stdout[-3000:]}")
    return done.returncode == 0


def test_blocks(page):
    return re.findall(r"^```sh test\n(.*?)^```$", page.read_text(), flags=re.M | re.S)


def run_commands(source, bin_folder, work):
    untested = [page.relative_to(source) for page in pages(source)
                if test_blocks(page) and str(page.relative_to(source)) not in PAGES]
    errors.extend(f"{page}: has commands to test but is not in PAGES" for page in untested)
    environment = folder_for_commands(source, bin_folder, work)
    count = 0
    for name in PAGES:
        for block in test_blocks(source / name):
            count += 1
            if not run(block, work, environment, name):
                return  # later commands use what it would have made
    print(f"{count} blocks of commands")


def stand_ins(work, environment):
    """Overrides that put small files in place of a user's model, tokenizer and data."""
    run("bt-data make --problems 40 --seed 1 --out problems.jsonl\n"
        "bt-data train-tokenizer --input problems.jsonl --vocab-size 96 --no-byte-fallback --problem-words --out tokenizer\n"
        "bt-train configs/toy/sft.yaml run.out=backbone model.tokenizer=tokenizer 'data.train=[problems.jsonl]' "
        "'data.validation=[problems.jsonl]'", work, environment, "stand-ins")
    with open(work / "data.jsonl", "w") as out:
        for line in open(work / "problems.jsonl"):
            record = json.loads(line)
            record.update(problem=record["question"], generated_solution=record["answer"], text=record["answer"])
            out.write(json.dumps(record) + "\n")
    return ["run.out=runs/unused", "data.train=[data.jsonl]", "data.validation=[data.jsonl]"]


def check_configs(source, bin_folder, work):
    environment = folder_for_commands(source, bin_folder, work)
    overrides = stand_ins(work, environment)
    configs = sorted((source / "configs").rglob("*.yaml"))
    for config in configs:
        text, name = config.read_text(), config.relative_to(source)
        if not text.startswith("# "):
            errors.append(f"{name}: does not begin with a comment that says what it is")
        if config.parent.name == "studies":
            run(f".venv/bin/python3 tools/study.py {name} --out unused --dry-run", work, environment, str(name))
            continue
        from_folder = re.search(r"^  path:", text, flags=re.M)
        model = "model.path=backbone/final" if from_folder else "model.tokenizer=tokenizer"
        texts = [f"latent.{key}=data.jsonl" for key in ("positive", "negative") if f"\n  {key}: " in text]
        arguments = " ".join(f"'{override}'" for override in [*overrides, model, *texts])
        run(f"'{bin_folder}/bt-train' {name} --dry-run {arguments}", work, environment, str(name))
    print(f"{len(configs)} configs")


def main():
    what, source, *rest = sys.argv[1:]
    source, rest = pathlib.Path(source), [pathlib.Path(path) for path in rest]
    if what == "facts":
        for check in (check_links, check_tree, check_methods, check_keys):
            check(source)
    else:
        {"commands": run_commands, "configs": check_configs}[what](source, *rest)
    print("\n".join(errors) or "as documented")
    sys.exit(bool(errors))


main()
