#!/usr/bin/env python3
"""Greedy decoding in PyTorch, to stand beside `bt-bench --filter step/`: a Llama-3.2-1B of random weights in bf16 with a
static cache, a token of all texts as one CUDA graph, layer pieces compiled or not. A run is a step of 25 tokens; attention
reads the texts' rows alone.

    python3 tools/peers/decoding.py [--json FILE] [--filter 64x4096]
"""
import torch
import torch.nn.functional as F
from llama import LLAMA_1B, TOY, angles, make_decoder
from measuring import Results, compiled, options, recorded


class Step:
    """One token of every text. The next token's place does not move, so that every replay does the same work."""

    def __init__(self, decoder, texts, context, is_compiled, chosen):
        s, options = decoder.s, dict(device=chosen.device, dtype=chosen.dtype)
        self.decoder = decoder
        self.ids = torch.full((texts, 1), 5, device=chosen.device)
        self.place = torch.tensor([context], device=chosen.device)
        self.cos, self.sin = angles(self.place, s.head_width, chosen.dtype)
        self.cache = [torch.randn(2, texts, s.groups, context + 1, s.head_width, **options) for _ in decoder.layers]
        maybe = (lambda f: compiled(f, chosen)) if is_compiled else (lambda f: f)
        self.pieces = [(maybe(layer.qkv), maybe(layer.finish)) for layer in decoder.layers]

    @torch.no_grad()
    def run(self):
        x = F.embedding(self.ids, self.decoder.embedding)
        for (qkv, finish), (keys, values) in zip(self.pieces, self.cache):
            q, k, v = qkv(x, self.cos, self.sin)
            keys.index_copy_(2, self.place, k)
            values.index_copy_(2, self.place, v)
            x = finish(x, F.scaled_dot_product_attention(q, keys, values, enable_gqa=True))
        self.ids.copy_(F.linear(self.decoder.norm(x), self.decoder.embedding).argmax(-1))


def main():
    chosen = options(__doc__)
    tokens = 2 if chosen.toy else 25
    decoder = make_decoder(TOY if chosen.toy else LLAMA_1B, chosen)
    results = Results(chosen)
    for texts, context in [(1, 9), (2, 9)] if chosen.toy else [(1, 300), (1, 4096), (64, 300), (64, 4096)]:
        bench = f"step/llama_1b_{texts}x{context}"
        if not results.wants(bench):
            continue
        for variant, is_compiled in [("PyTorch: recorded", False), ("PyTorch: compiled, recorded", True)]:
            def run(token=[None]):  # recorded within the measurement, whose failure is then a result
                token[0] = token[0] or recorded(Step(decoder, texts, context, is_compiled, chosen).run, chosen.device)
                for _ in range(tokens):
                    token[0]()
            results.measure(bench, variant, run, tokens=texts * tokens)
            del run


if __name__ == "__main__":
    main()
