"""Makes tests/model/fixtures: tiny random models with what transformers computes from them.

    python -m venv hf && hf/bin/pip install torch transformers safetensors
    hf/bin/python tests/model/make_hf_fixtures.py

Each folder holds a model as `save_pretrained` writes it and expected.safetensors, all in fp32. For each text, of 1 and
of 37 tokens: ids_N [N], logits_N [N, V], logprob_N [N - 1] of each next token, greedy_N [24] the continuation.
"""
import itertools
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
LENGTHS = (1, 37)
GREEDY_TOKENS = 24
SMALLEST_MARGIN = 2e-3  # between the two best logits of every greedy token: far above the tolerance of the test

SHAPE = dict(vocab_size=59, hidden_size=32, intermediate_size=44, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=128, bos_token_id=1, eos_token_id=2,
             attn_implementation="eager")
LLAMA3_ROPE = dict(rope_type="llama3", rope_theta=500.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=32)

CASES = {
    "llama_gqa": (LlamaForCausalLM, LlamaConfig(**SHAPE), None),
    "llama_tied_llama3_rope": (LlamaForCausalLM,
                               LlamaConfig(**SHAPE, head_dim=12, tie_word_embeddings=True, rope_parameters=LLAMA3_ROPE),
                               None),
    "mistral_window": (MistralForCausalLM, MistralConfig(**SHAPE, head_dim=8, sliding_window=11), None),
    "llama_biases_sharded": (LlamaForCausalLM,
                             LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True,
                                         rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=2.5)),
                             "40KB"),
}


def randomise(model, generator):
    """Weights large enough that every part of the model moves the logits, norms and biases included."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            deviation = 0.5 if "embed" in name or "norm" in name else 0.3
            parameter.normal_(0.0, deviation, generator=generator)
            if "norm" in name:
                parameter.add_(1.0)


@torch.no_grad()
def expected_of(model, generator):
    """The tensors of expected.safetensors, or None where a greedy token is too close a choice to be tested."""
    out = {}
    for length in LENGTHS:
        ids = torch.randint(3, SHAPE["vocab_size"], (length,), generator=generator)
        logits = model(ids[None]).logits[0]
        assert logits.dtype == torch.float32 and logits.abs().max() < 100
        text = ids.clone()
        for _ in range(GREEDY_TOKENS):
            best = model(text[None]).logits[0, -1].topk(2)
            if best.values[0] - best.values[1] < SMALLEST_MARGIN:
                return None
            text = torch.cat([text, best.indices[:1]])
        logprob = logits.log_softmax(-1)[:-1].gather(1, ids[1:, None])[:, 0]
        out |= {f"ids_{length}": ids, f"logits_{length}": logits, f"logprob_{length}": logprob,
                f"greedy_{length}": text[length:]}
    return {name: tensor.contiguous() for name, tensor in out.items()}


def main():
    for name, (model_class, config, shard_size) in CASES.items():
        model = model_class(config).eval()
        for seed in itertools.count(100):
            generator = torch.Generator().manual_seed(seed)
            randomise(model, generator)
            expected = expected_of(model, generator)
            if expected:
                break
        folder = FIXTURES / name
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder, **({"max_shard_size": shard_size} if shard_size else {}))
        (folder / "generation_config.json").unlink(missing_ok=True)
        save_file(expected, folder / "expected.safetensors")
        for file in folder.iterdir():
            file.chmod(0o644)
        print(name, f"seed {seed}", sum(file.stat().st_size for file in folder.iterdir()) // 1024, "KiB")


if __name__ == "__main__":
    main()
