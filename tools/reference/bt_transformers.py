"""The Cache Processor on Hugging Face's own model and cache: an independent reader of what bt-train saves.

    python bt_transformers.py --model DIR --latent DIR --input in.jsonl --output out.jsonl [--generate N]
    python bt_transformers.py --model DIR --latent DIR --input out_of_bt.jsonl --check 1e-4 [--generate N]

Lines {"ids": [...], "prompt_length": N} come back with "logprobs", as from `bt-eval score`; with --generate N, lines
{"ids": [...]} with the greedy "ids" that follow and the "boundaries" acted at, as from `bt-generate`. --check compares
with what the lines already hold. In other code: BtModel(model, latent).score(ids, prompt_length), .generate(ids, N).

Needs torch, transformers, safetensors and, for a tokenizer.model, sentencepiece. No code of bt: written from
docs/architecture.md, one sequence and one step at a time; what the method means comes from processor_config.json alone.
"""
import argparse
import copy
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu
from transformers import AutoModelForCausalLM, DynamicCache

from step_boundaries import Trigger, token_texts


def rotate(x_ENX, cos_EX, sin_EX):
    """Rotary positions, half-split layout; a negative sine undoes them."""
    first, second = x_ENX.chunk(2, -1)
    return x_ENX * cos_EX[:, None] + torch.cat([-second, first], -1) * sin_EX[:, None]


class Processor:
    """Block l of the Cache Processor: the chosen entries of layer l in, their changes out."""

    def __init__(self, folder, model):
        saved = json.loads((pathlib.Path(folder) / "processor_config.json").read_text())
        self.options = saved["options"]
        if saved["method"] not in ("bt", "recent_only") or self.options.get("recall_by", "mass") == "random":
            sys.exit(f"{folder}: {saved['method']} is not read here, only bt and recent_only without random recall")
        self.before_newline = self.options["rewrite_at"] == "before_newline"
        self.weights = {name: tensor.to(model.device, model.dtype)
                        for name, tensor in load_file(pathlib.Path(folder) / "processor.safetensors").items()}
        config = model.config
        window, layers = getattr(config, "sliding_window", None), config.num_hidden_layers
        kinds = getattr(config, "layer_types", None) or ["sliding_attention"] * layers
        self.windows = [(window or 0) if kind == "sliding_attention" else 0 for kind in kinds]
        self.rotary_layers = getattr(config, "no_rope_layers", None) or [1] * layers
        self.key_angles = model.get_decoder().rotary_emb
        own = copy.deepcopy(config)
        own.head_dim = self.options["width"] // self.options["heads"]
        self.own_angles = type(self.key_angles)(own).to(model.device)

    def choose(self, layer, mass_T, step_begin):
        """Rows to rewrite: recent ones, then recalled ones; and how many are recent."""
        rows, window = len(mass_T), self.windows[layer]
        first_seen = max(0, rows - window + 1) if window else 0  # by the next token, whose position is `rows`
        newest = max(rows - self.options["recent"], step_begin if self.options["window"] == "step" else 0)
        begin = max(first_seen, self.options.get("recall_exclude_first", 0))
        earlier = torch.arange(min(begin, max(newest, 0)), max(newest, 0))
        score_T = mass_T.cpu() if self.options.get("recall_by", "mass") == "mass" else torch.arange(rows)  # or newest
        best = earlier[score_T[earlier].argsort(descending=True, stable=True)]
        recalled = best[:self.options.get("recall", 0)].sort().values
        recent = torch.arange(max(newest, first_seen), rows)
        return torch.cat([recent, recalled]), len(recent)

    def change(self, layer, k_EGD, v_EGD, rows_E, recent):
        """What is added to the keys and values of the chosen rows."""
        w = {name: tensor[layer] for name, tensor in self.weights.items()}
        entries, groups = k_EGD.shape[:2]
        position = rows_E[None].to(k_EGD.device)
        unrotate = self.options["key_frame"] == "unrotated" and self.rotary_layers[layer]
        if unrotate:
            cos, sin = (x[0] for x in self.key_angles(k_EGD, position))
            k_EGD = rotate(k_EGD, cos, -sin)
        u = torch.cat([k_EGD.reshape(entries, -1) / w["kv_scale"][0], v_EGD.reshape(entries, -1) / w["kv_scale"][1]], 1)
        h = linear(u, w["w_in"])
        if self.options["kind_embedding"]:
            h = h + w["kind"][(torch.arange(entries, device=h.device) >= recent).long()]
        h = h + self.attention(w, self.norm(h, w["attention_norm"]), position)
        gate, up = linear(self.norm(h, w["mlp_norm"]), w["w_gate_up"]).chunk(2, -1)
        h = h + linear(silu(gate) * up, w["w_down"])
        delta_k, delta_v = linear(self.norm(h, w["out_norm"]), w["w_out"]).view(entries, 2, groups, -1).unbind(1)
        if unrotate:
            delta_k = rotate(delta_k, cos, sin)
        gate = w["gate"].sigmoid()
        return gate * delta_k * w["kv_scale"][0], gate * delta_v * w["kv_scale"][1]

    @staticmethod
    def norm(x, weight):
        return rms_norm(x, weight.shape, weight, eps=1e-6)

    def attention(self, w, n_EP, position):
        entries, heads = len(n_EP), self.options["heads"]
        q, k, v = linear(n_EP, w["w_qkv"]).view(entries, 3, heads, -1).unbind(1)
        if self.options["processor_rope"]:
            angles = [x[0] for x in self.own_angles(q, position)]
            q, k = rotate(q, *angles), rotate(k, *angles)
        visible = position[0] <= position[0][:, None] if self.options["causal"] else None
        out = scaled_dot_product_attention(*(x.transpose(0, 1)[None] for x in (q, k, v)), attn_mask=visible)
        return linear(out[0].transpose(0, 1).reshape(entries, -1), w["w_o"])


class BtModel:
    def __init__(self, model, latent, dtype=torch.float32, device="cpu"):
        self.model = AutoModelForCausalLM.from_pretrained(model, dtype=dtype, attn_implementation="eager").to(device).eval()
        self.processor = Processor(latent, self.model)
        self.texts = token_texts(model)
        self.texts += [""] * (self.model.config.vocab_size - len(self.texts))  # of a padded head
        self.eos_ids = set()
        for config in (self.model.config, self.model.generation_config):
            ids = config.eos_token_id
            self.eos_ids.update(ids if isinstance(ids, list) else [] if ids is None else [ids])

    def begin(self, prompt_length):
        processor = self.processor
        self.trigger = Trigger(processor.options["trigger"], processor.before_newline, self.texts, self.eos_ids)
        self.cache = DynamicCache()  # without a config: whole layers, windows are masks
        self.prompt_length, self.previous_cut, self.cuts = prompt_length, 0, []
        self.votes = []  # of the open step: per forward pass and layer, the queries' probabilities [S, T], summed over heads

    def feed(self, ids):
        """Runs tokens through the decoder; logits [S, V] of what follows each."""
        ids = torch.tensor([ids], device=self.model.device)
        out = self.model(ids, past_key_values=self.cache, use_cache=True, output_attentions=True)
        self.votes.append([probabilities[0].to(torch.float64).sum(0) for probabilities in out.attentions])
        return out.logits[0]

    def act(self):
        """The rewrite at a boundary, on the cache as it stands."""
        rows, held_back = self.cache.get_seq_length(), int(self.processor.before_newline)
        since_prompt = self.previous_cut + held_back < self.prompt_length < rows + held_back
        step_begin = self.prompt_length if since_prompt else self.previous_cut
        voters = min(self.processor.options["recent"], rows - step_begin)
        for layer, cached in enumerate(self.cache.layers if voters > 0 else []):
            queries = [torch.nn.functional.pad(query, (0, rows - len(query)))
                       for chunk in self.votes for query in chunk[layer]]
            mass_T = torch.stack(queries[-voters:]).sum(0)
            chosen, recent = self.processor.choose(layer, mass_T, step_begin)
            if len(chosen) == 0:
                continue
            k_EGD, v_EGD = (x[0, :, chosen].transpose(0, 1) for x in (cached.keys, cached.values))
            delta_k, delta_v = self.processor.change(layer, k_EGD, v_EGD, chosen, recent)
            cached.keys[0, :, chosen] = (k_EGD + delta_k).transpose(0, 1)
            cached.values[0, :, chosen] = (v_EGD + delta_v).transpose(0, 1)
        self.votes, self.previous_cut = [], rows
        self.cuts.append(rows)

    def read(self, ids):
        """Feeds tokens of which the first prompt_length are the prompt, acting between them; logits of each."""
        cuts = []
        for i in range(len(ids) + 1):
            if i == self.prompt_length and self.trigger.begin_response():
                cuts.append(i - self.trigger.held_back)
            if i < len(ids) and self.trigger.push(ids[i]):
                cuts.append(i + 1 - self.trigger.held_back)
        logits, begin = [], 0
        for cut in cuts:
            if cut > begin:
                logits.append(self.feed(ids[begin:cut]))
            self.act()
            begin = cut
        if begin < len(ids):
            logits.append(self.feed(ids[begin:]))
        return torch.cat(logits)

    @torch.no_grad()
    def score(self, ids, prompt_length=1):
        """The natural logarithm of the probability of every token after the first."""
        self.begin(prompt_length)
        logprob = self.read(ids)[:-1].log_softmax(-1)
        return logprob.gather(1, torch.tensor(ids[1:], device=logprob.device)[:, None])[:, 0].tolist()

    @torch.no_grad()
    def generate(self, ids, tokens):
        """At most `tokens` greedy tokens, without the end token."""
        self.begin(len(ids))
        logits, out = self.read(ids)[-1], []
        while True:
            token = int(logits.argmax())
            if token in self.eos_ids:
                return out
            out.append(token)
            if len(out) == tokens:
                return out
            fires = self.trigger.push(token)
            if fires and self.trigger.held_back:
                self.act()
            logits = self.feed([token])[-1]
            if fires and not self.trigger.held_back:
                self.act()


def answer(model, line, generate):
    if not generate:
        return {"logprobs": model.score(line["ids"], line.get("prompt_length", 1))}
    return {"prompt_ids": line.get("prompt_ids", line["ids"]),
            "ids": model.generate(line.get("prompt_ids", line["ids"]), generate), "boundaries": model.cuts}


def difference(line, answered):
    """Between what a line of bt's holds and what was found here; infinite where tokens or boundaries differ."""
    if "prompt_ids" in answered:
        same = all(line[key] == answered[key] for key in ("ids", "boundaries"))
        return 0.0 if same else float("inf")
    return max((abs(a - b) for a, b in zip(line["logprobs"], answered["logprobs"], strict=True)), default=0.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--model", "--latent", "--input"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--output")
    parser.add_argument("--generate", type=int, default=0, metavar="N")
    parser.add_argument("--check", type=float, metavar="TOLERANCE")
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64", "bfloat16"))
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    model = BtModel(options.model, options.latent, getattr(torch, options.dtype), options.device)
    lines = [json.loads(line) for line in open(options.input, encoding="utf-8") if line.strip()]
    answers = [answer(model, line, options.generate) for line in lines]
    if options.output:
        with open(options.output, "w", encoding="utf-8") as out:
            out.writelines(json.dumps(line | found) + "\n" for line, found in zip(lines, answers))
    if options.check is not None:
        worst = max((difference(line, found) for line, found in zip(lines, answers)), default=0.0)
        print(f"{len(lines)} lines, differing by at most {worst:.1e}")
        sys.exit(worst > options.check)


if __name__ == "__main__":
    main()
