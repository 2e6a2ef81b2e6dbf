"""Makes tests/model/fixtures: tiny random models with what transformers computes from them.

    python -m venv hf && hf/bin/pip install torch transformers safetensors
    hf/bin/python tests/model/make_hf_fixtures.py

Each folder holds a model as `save_pretrained` writes it and expected.safetensors, computed in fp32. For each text, of 1
and of 37 tokens: ids_N [N], logits_N [N, V], logprob_N [N - 1] of each next token, greedy_N [24] the continuation. And
bf16_logits_37, of the weights rounded to bf16, computed in bf16.
"""
import itertools
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, Gemma2Config, GemmaConfig, LlamaConfig, MistralConfig, Olmo2Config
from transformers import Qwen2Config, Qwen3Config, SmolLM3Config

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
LENGTHS = (1, 37)
GREEDY_TOKENS = 24
SMALLEST_MARGIN = 2e-3  # between the two best logits of every greedy token: far above the tolerance of the test

SHAPE = dict(vocab_size=59, hidden_size=32, intermediate_size=44, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=128, bos_token_id=1, eos_token_id=2,
             attn_implementation="eager")
SMALL = SHAPE | dict(hidden_size=24, intermediate_size=28, num_hidden_layers=3, pad_token_id=0)
LLAMA3_ROPE = dict(rope_type="llama3", rope_theta=500.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=32)

CASES = {  # name: (config, options of save_pretrained)
    "llama_gqa": (LlamaConfig(**SHAPE), {}),
    "llama_tied_llama3_rope": (LlamaConfig(**SHAPE, head_dim=12, tie_word_embeddings=True, rope_parameters=LLAMA3_ROPE),
                               {}),
    "mistral_window": (MistralConfig(**SHAPE, head_dim=8, sliding_window=11), {}),
    "llama_biases_sharded": (LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True,
                                         rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=2.5)),
                             dict(max_shard_size="40KB")),
    "llama_dynamic_rope": (LlamaConfig(**SMALL, rope_parameters=dict(rope_type="dynamic", rope_theta=300.0, factor=4.0)),
                           {}),
    "qwen2_upper_window": (Qwen2Config(**SMALL, use_sliding_window=True, sliding_window=9, max_window_layers=1), {}),
    "qwen3": (Qwen3Config(**SMALL, head_dim=10, rope_parameters=dict(rope_type="default", rope_theta=1e6)), {}),
    "qwen3_tied_bias_transformers4": (Qwen3Config(**SMALL, head_dim=12, attention_bias=True, tie_word_embeddings=True,
                                                  rope_parameters=dict(rope_type="linear", rope_theta=5e5, factor=2.0)),
                                      dict(transformers_4=True)),
    "gemma": (GemmaConfig(**SMALL, head_dim=10), {}),
    "gemma2": (Gemma2Config(**SMALL, head_dim=10, sliding_window=9, query_pre_attn_scalar=7,
                            attn_logit_softcapping=4.0, final_logit_softcapping=6.0), {}),
    "gemma2_untied_sharded_bf16": (Gemma2Config(**SMALL, head_dim=8, sliding_window=5, tie_word_embeddings=False,
                                                attn_logit_softcapping=None, final_logit_softcapping=None),
                                   dict(max_shard_size="20KB", dtype=torch.bfloat16)),
    "smollm3": (SmolLM3Config(**SMALL, no_rope_layer_interval=2), {}),
    "smollm3_window_untied": (SmolLM3Config(**SMALL, no_rope_layers=[0, 1, 0], use_sliding_window=True, sliding_window=9,
                                            tie_word_embeddings=False), {}),
    "olmo2": (Olmo2Config(**SMALL), {}),
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


def rewrite_for_transformers_4(path):
    """The spellings that transformers 4 writes, in which most published checkpoints still are."""
    config = json.loads(path.read_text())
    parameters = config.pop("rope_parameters")
    config["rope_theta"] = parameters.pop("rope_theta")
    parameters["type"] = parameters.pop("rope_type")
    config["rope_scaling"] = parameters
    config["torch_dtype"] = config.pop("dtype")
    config.pop("layer_types", None)
    path.write_text(json.dumps(config, indent=2) + "\n")


def load(folder, dtype):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()


def make(name, config, max_shard_size=None, dtype=torch.float32, transformers_4=False):
    folder = FIXTURES / name
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    for seed in itertools.count(100):
        generator = torch.Generator().manual_seed(seed)
        randomise(model, generator)
        shutil.rmtree(folder, ignore_errors=True)
        model.to(dtype).save_pretrained(folder, **({"max_shard_size": max_shard_size} if max_shard_size else {}))
        if transformers_4:
            rewrite_for_transformers_4(folder / "config.json")
        expected = expected_of(load(folder, torch.float32), generator)
        if expected:
            break
    with torch.no_grad():
        expected["bf16_logits_37"] = load(folder, torch.bfloat16)(expected["ids_37"][None]).logits[0].float()
    (folder / "generation_config.json").unlink(missing_ok=True)
    save_file(expected, folder / "expected.safetensors")
    for file in folder.iterdir():
        file.chmod(0o644)
    print(name, f"seed {seed}", sum(file.stat().st_size for file in folder.iterdir()) // 1024, "KiB")


if __name__ == "__main__":
    for case, (case_config, options) in CASES.items():
        make(case, case_config, **options)
