"""Writes tests/text/fixtures/prompt_hashes.jsonl: SHA-256 of the prompts that lm-evaluation-harness itself builds.

  pip install lm_eval==0.4.13 sympy==1.14.0 antlr4-python3-runtime==4.11.0 math-verify==0.9.0 datasets
  python make_prompt_fixtures.py DATA_DIR      # gsm8k/{train,test}.jsonl and math/test.jsonl as published
With lm_eval==0.4.11, `python make_prompt_fixtures.py DATA_DIR older` appends minerva_math's version 3.0.

The folder fixtures/prompt_data holds a few problems of our own, so that most of it is checked without public data.
A hash covers, for each document in order, prompt + NUL + target + NUL.
"""

import hashlib
import json
import pathlib
import sys
import tempfile

import lm_eval
from lm_eval import utils
from lm_eval.api.task import ConfigurableTask

try:
    from lm_eval.tasks._yaml_loader import load_yaml
except ImportError:  # 0.4.11
    from lm_eval.utils import load_yaml_config

    def load_yaml(path):
        return load_yaml_config(str(path), mode="full")

TASKS = pathlib.Path(lm_eval.__file__).parent / "tasks"
HERE = pathlib.Path(__file__).parent / "fixtures"
SUBJECTS = {"algebra": "Algebra", "counting_and_prob": "Counting & Probability"}


def harness_task(file, train, test):
    config = load_yaml(TASKS / file)
    files = {"train": str(train), "test": str(test)}
    config.update(dataset_path="json", dataset_name=None, dataset_kwargs={"data_files": files})
    task = ConfigurableTask(config=config)
    task.set_fewshot_seed(seed=1234)
    return task


def prompt_hash(task):
    digest = hashlib.sha256()
    documents = list(task.test_docs())
    for document in documents:
        prompt = task.fewshot_context(document, num_fewshot=task.config.num_fewshot or 0)
        for text in (prompt, utils.apply_template(task.config.doc_to_target, document)):
            digest.update(text.encode() + b"\0")
    return len(documents), digest.hexdigest()


def rows(data, label):
    for name, file in (("gsm8k_cot", "gsm8k/gsm8k-cot.yaml"), ("gsm8k", "gsm8k/gsm8k.yaml")):
        yield name, label, *prompt_hash(harness_task(file, data / "gsm8k/train.jsonl", data / "gsm8k/test.jsonl"))
    yield from math_rows(data, label, ("hendrycks_math", "minerva_math"))


def math_rows(data, label, families, suffix=""):
    for subject, kind in SUBJECTS.items():
        lines = [x for x in (data / "math/test.jsonl").read_text().splitlines() if json.loads(x)["type"] == kind]
        with tempfile.TemporaryDirectory() as folder:
            part = pathlib.Path(folder) / "test.jsonl"
            part.write_text("\n".join(lines) + "\n")
            for family in families:
                yield f"{family}{suffix}_{subject}", label, *prompt_hash(harness_task(f"{family}/{family}_{subject}.yaml", part, part))


older = sys.argv[2:] == ["older"]
with open(HERE / "prompt_hashes.jsonl", "a" if older else "w") as out:
    for folder, label in ((HERE / "prompt_data", "own"), (pathlib.Path(sys.argv[1]), "public")):
        found = math_rows(folder, label, ("minerva_math",), "_v3_0") if older else rows(folder, label)
        for task_name, data_label, documents, sha256 in found:
            row = {"task": task_name, "data": data_label, "documents": documents, "sha256": sha256}
            out.write(json.dumps(row) + "\n")
