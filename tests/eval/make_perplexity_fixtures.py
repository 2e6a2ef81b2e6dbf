"""Makes tests/eval/fixtures/perplexity.json: perplexities under a sliding window, as transformers computes them.

    python -m venv hf && hf/bin/pip install torch transformers sentencepiece
    hf/bin/python tests/eval/make_perplexity_fixtures.py

The protocol is that of Hugging Face's page "Perplexity of fixed-length models": labels of tokens that an earlier window
has scored are -100. The model is tests/eval/fixtures/reference/llama_tied_after/model, with BOS in front of the text.
"""
import json
import math
import pathlib

import torch
from sentencepiece import SentencePieceProcessor
from transformers import AutoModelForCausalLM

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
MODEL = FIXTURES / "reference/llama_tied_after/model"
WINDOWS = [(32, 16), (32, 31), (200, 100), (17, 1), (8, 5)]


@torch.no_grad()
def perplexity(model, ids, context, stride):
    nll, count, previous_end = 0.0, 0, 0
    for begin in range(0, len(ids), stride):
        end = min(begin + context, len(ids))
        labels = ids[begin:end].clone()
        labels[:-(end - previous_end)] = -100
        scored = int((labels[1:] != -100).sum())
        if scored:
            nll += model(ids[None, begin:end], labels=labels[None]).loss.item() * scored
            count += scored
        previous_end = end
        if end == len(ids):
            break
    return math.exp(nll / count), count


def main():
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float64, attn_implementation="eager")
    pieces = SentencePieceProcessor(model_file=str(MODEL / "tokenizer.model"))
    lines = [json.loads(line) for line in open(FIXTURES / "reference/llama_tied_after/expected.jsonl")]
    text = "".join(pieces.decode(line["ids"][:-1]) + "\n" for line in lines[:3])
    ids = torch.tensor([1] + pieces.encode(text))
    cases = [dict(zip(("context", "stride", "ppl", "tokens"), (context, stride, *perplexity(model, ids, context, stride))))
             for context, stride in WINDOWS]
    (FIXTURES / "perplexity.json").write_text(json.dumps({"text": text, "cases": cases}, indent=1) + "\n")
    print(len(ids), "tokens", cases)


if __name__ == "__main__":
    main()
