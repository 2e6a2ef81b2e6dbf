"""Makes tests/eval/fixtures/reference: tiny decoders, processors trained on them by bt-train, and what
tools/reference/bt_transformers.py, which shares no code with bt, computes from both.

    python -m venv hf && hf/bin/pip install torch transformers safetensors sentencepiece
    hf/bin/python tests/eval/make_reference_fixtures.py build/cpu/bin

Each folder holds model/, latent/ and expected.jsonl: {"ids", "prompt_length", "logprobs", "greedy", "boundaries"}, in
fp32; `greedy` continues the prompt.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
from sentencepiece import SentencePieceProcessor
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

TESTS = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(TESTS.parent / "tools/reference"))
from bt_transformers import BtModel  # noqa: E402

FIXTURES = pathlib.Path(__file__).parent / "fixtures/reference"
LINES, GREEDY_TOKENS = 6, 40
SHAPE = dict(vocab_size=50, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=256, bos_token_id=1, eos_token_id=2, initializer_range=0.3)
CASES = {
    "llama_tied_after": (LlamaForCausalLM(LlamaConfig(**SHAPE, tie_word_embeddings=True)), []),
    "mistral_window_before_paper": (MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=23)),
                                    ["latent.preset=paper", "latent.rewrite_at=before_newline"]),
}
CONFIG = """
run: {name: fixture, out: run, device: cpu}
model: {path: model}
latent: {method: bt, recall: 6, recent: 8, width: 16, heads: 2, feed_forward: 20, gate_init: 0, out_deviation: 0.3}
data: {train: [problems.jsonl], max_tokens: 256}
train: {steps: 8, batch_size: 8, lr: 1e-2}
"""


def expected_lines(work):
    single, double = (BtModel(work / "model", work / "run/final", dtype) for dtype in (torch.float32, torch.float64))
    pieces = SentencePieceProcessor(model_file=str(work / "model/tokenizer.model"))
    lines = []
    for line in open(work / "problems.jsonl"):
        problem = json.loads(line)
        prompt = pieces.encode(problem["question"] + "\n")
        greedy = single.generate(prompt, GREEDY_TOKENS)
        boundaries = single.cuts
        if double.generate(prompt, GREEDY_TOKENS) != greedy or len(boundaries) < 4:
            continue  # a choice too close to test, or too little to see
        ids = prompt + pieces.encode(problem["answer"]) + [2]
        lines.append({"ids": ids, "prompt_length": len(prompt), "logprobs": single.score(ids, len(prompt)),
                      "greedy": greedy, "boundaries": boundaries})
        if len(lines) == LINES:
            return lines
    sys.exit("too few lines")


def make_case(name, model, overrides, bt, work):
    def run(*command):
        subprocess.run([str(bt / command[0]), *command[1:]], cwd=work, check=True, stdout=subprocess.DEVNULL)
    run("bt-data", "make", "--problems", "60", "--seed", "1", "--out", "problems.jsonl")
    run("bt-data", "train-tokenizer", "--input", "problems.jsonl", "--vocab-size", "96", "--no-byte-fallback",
        "--problem-words", "--out", "tokenizer")
    model.save_pretrained(work / "model")
    (work / "model/generation_config.json").unlink()
    shutil.copy(work / "tokenizer/tokenizer.model", work / "model")
    (work / "config.yaml").write_text(CONFIG)
    run("bt-train", "config.yaml", *overrides)
    folder = FIXTURES / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(work / "model", folder / "model")
    (folder / "latent").mkdir()
    for file in ("processor_config.json", "processor.safetensors"):
        shutil.copy(work / "run/final" / file, folder / "latent")
    (folder / "expected.jsonl").write_text("".join(json.dumps(line) + "\n" for line in expected_lines(work)))
    for file in filter(pathlib.Path.is_file, folder.rglob("*")):
        file.chmod(0o644)
    print(name, sum(file.stat().st_size for file in folder.rglob("*")) // 1024, "KiB")


def main():
    for seed, (name, (model, overrides)) in enumerate(CASES.items()):
        torch.manual_seed(seed)
        model.apply(model._init_weights)
        with tempfile.TemporaryDirectory() as work:
            make_case(name, model, overrides, pathlib.Path(os.path.abspath(sys.argv[1])), pathlib.Path(work))


if __name__ == "__main__":
    main()
