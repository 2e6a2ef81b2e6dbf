"""Compares bt with transformers on random small models of every family, beyond the fixtures: log-probabilities of a text
within 1e-4 and 20 greedy tokens, equal. By hand, not a part of the suite:

    hf/bin/python tests/model/compare_random_models.py build/cpu/bin 0 100    # seeds 0 to 99

Sizes, windows, rotary scaling, biases, caps, tied heads, shards and both spellings of config.json are drawn from the seed.
The environment is that of make_hf_fixtures.py.
"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import torch
import transformers

NEW_TOKENS, TOLERANCE = 20, 1e-4


def rotary(r, scaled):
    theta = r.choice([1e4, 5e5, 1e6])
    kinds = [{"rope_type": "default"}]
    if scaled:
        kinds += [{"rope_type": "linear", "factor": r.choice([2.0, 4.0])},
                  {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                   "original_max_position_embeddings": r.choice([16, 32])}]
    return r.choice(kinds) | {"rope_theta": theta}


def of_family(r, family, layers):
    """What a family has beyond the common sizes."""
    upper_windows = {"use_sliding_window": r.random() < .5, "sliding_window": r.choice([5, 11]),
                     "max_window_layers": r.choice([0, 1, 2])}
    return {
        "Llama": {"attention_bias": r.random() < .4, "mlp_bias": r.random() < .4,
                  "hidden_act": r.choice(["silu", "gelu", "gelu_pytorch_tanh"])},
        "Mistral": {"sliding_window": r.choice([None, 7, 20])},
        "Qwen2": upper_windows,
        "Qwen3": upper_windows | {"attention_bias": r.random() < .3},
        "Gemma": {},
        "Gemma2": {"sliding_window": r.choice([6, 13]), "query_pre_attn_scalar": r.choice([8, 20, 144]),
                   "attn_logit_softcapping": r.choice([50.0, 3.0, None]),
                   "final_logit_softcapping": r.choice([30.0, 5.0, None])},
        "SmolLM3": {"no_rope_layers": [r.choice([0, 1]) for _ in range(layers)], "use_sliding_window": r.random() < .5,
                    "sliding_window": 8},
        "Olmo2": {},
    }[family]


def random_model(r):
    family = r.choice(["Llama", "Mistral", "Qwen2", "Qwen3", "Gemma", "Gemma2", "SmolLM3", "Olmo2"])
    groups, width, layers = r.choice([1, 2, 3]), r.choice([6, 8, 16]), r.choice([1, 2, 3, 5])
    heads = groups * r.choice([1, 2, 3])
    own_width = family in ("Llama", "Mistral", "Qwen3", "Gemma", "Gemma2")
    sizes = dict(vocab_size=r.choice([61, 97, 300]), hidden_size=heads * (r.choice([5, 12, 20]) if own_width else width),
                 intermediate_size=r.choice([33, 40]), num_hidden_layers=layers, num_attention_heads=heads,
                 num_key_value_heads=groups, max_position_embeddings=128, rms_norm_eps=r.choice([1e-5, 1e-6]),
                 tie_word_embeddings=r.random() < .5, initializer_range=0.3, bos_token_id=1,
                 eos_token_id=r.choice([2, [2, 5]]), pad_token_id=0)
    if own_width:
        sizes["head_dim"] = width
    scaled = family in ("Llama", "Mistral", "Qwen2", "Qwen3", "Olmo2") and r.random() < .5
    config = getattr(transformers, family + "Config")(**sizes, rope_parameters=rotary(r, scaled),
                                                      **of_family(r, family, layers))
    model = getattr(transformers, family + "ForCausalLM")(config).eval()
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.data.add_(torch.randn_like(parameter) * 0.2)  # norms and biases are not all ones and zeros
    return family, model


def save(r, model, folder):
    model.save_pretrained(folder, max_shard_size=r.choice(["20KB", "5GB"]))
    (folder / "bytes.tokenizer.json").write_text(
        json.dumps({"type": "bytes", "vocab_size": 259, "bos_id": 256, "eos_id": 257, "pad_id": 258}))
    config = json.loads((folder / "config.json").read_text())
    rope = config.get("rope_parameters") or {}
    if r.random() < .4 and "rope_theta" in rope:  # as transformers 4 writes it
        del config["rope_parameters"]
        config["rope_theta"] = rope.pop("rope_theta")
        config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
        config["torch_dtype"] = config.pop("dtype")
        (folder / "config.json").write_text(json.dumps(config))


@torch.no_grad()
def expected(model, text, prompt):
    log_p = model(torch.tensor([text])).logits[0].log_softmax(-1)
    greedy = model.generate(torch.tensor([prompt]), max_new_tokens=NEW_TOKENS, do_sample=False)[0, len(prompt):].tolist()
    ends = model.config.eos_token_id if isinstance(model.config.eos_token_id, list) else [model.config.eos_token_id]
    return [log_p[i, text[i + 1]].item() for i in range(len(text) - 1)], [id for id in greedy if id not in ends]


def ours(programs, folder, text, prompt):
    def lines(ids, *command):
        (folder / "in.jsonl").write_text(json.dumps({"ids": ids}) + "\n")
        subprocess.run([programs / command[0], *command[1:], "--model", folder, "--input", folder / "in.jsonl", "--output",
                        folder / "out.jsonl", "--threads", "1", "--log-level", "error"], check=True)
        return json.loads((folder / "out.jsonl").read_text())
    return (lines(text, "bt-eval", "score")["logprobs"],
            lines(prompt, "bt-generate", "--max-new-tokens", str(NEW_TOKENS))["ids"])


def compare(programs, seed):
    r = random.Random(seed)
    torch.manual_seed(seed)
    family, model = random_model(r)
    text = [r.randrange(3, model.config.vocab_size) for _ in range(r.choice([2, 15, 50]))]
    prompt = text[:max(1, len(text) - 10)]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        save(r, model, folder)
        (log_p, greedy), (our_log_p, our_greedy) = expected(model, text, prompt), ours(programs, folder, text, prompt)
    difference = max(abs(a - b) for a, b in zip(log_p, our_log_p, strict=True))
    if difference > TOLERANCE or greedy != our_greedy:
        sys.exit(f"seed {seed}, {family}: log-probabilities differ by {difference:.1e}, greedy {greedy} and {our_greedy}\n"
                 f"{model.config}")
    return difference


def main():
    programs, begin, end = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3])
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    worst = max(compare(programs, seed) for seed in range(begin, end))
    print(f"{end - begin} models: log-probabilities differ by at most {worst:.1e}, greedy tokens equal")


if __name__ == "__main__":
    main()
