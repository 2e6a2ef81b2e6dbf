#!/usr/bin/env python3
"""The operators of bt as PyTorch has them, to stand beside `bt-bench --filter ops/`: plain compositions compiled by
torch.compile, and PyTorch's own fused operators where there are such. A run is 100 calls in one CUDA graph.

    python3 tools/peers/operators.py [--json FILE] [--filter select_top]
"""
import torch
import torch.nn.functional as F
from llama import angles, rotated
from measuring import Results, compiled, options, recorded
from torch.nn.attention.bias import causal_lower_right


def attention_inputs(chosen, events, queries, rows, heads=32, groups=8, width=64):
    make = dict(device=chosen.device, dtype=chosen.dtype)
    q = torch.randn(events, heads, queries, width, **make)
    k, v = torch.randn(events, groups, rows, width, **make), torch.randn(events, groups, rows, width, **make)
    visible = torch.ones(queries, rows, dtype=torch.bool, device=chosen.device).tril(rows - queries)
    return q, k, v, visible


def attention_mass(q, k, log_sum, visible):
    """Probabilities from the log-sum-exp, averaged over queries and heads."""
    scores = (q.unflatten(1, (k.shape[1], -1)) @ k.unsqueeze(2).transpose(3, 4)).flatten(1, 2).float() * q.shape[-1] ** -0.5
    return torch.where(visible, torch.exp(scores - log_sum), 0).mean((1, 2))


def gathered(k, v, rows):
    """Chosen rows of keys and values, all heads side by side: [events, chosen, 2 * groups * width]."""
    index = rows[:, None, :, None].expand(-1, k.shape[1], -1, k.shape[3])
    return torch.stack([k.gather(2, index), v.gather(2, index)], 1).permute(0, 3, 1, 2, 4).flatten(2)


def edited(k, v, rows, u, delta, gate):
    index = rows[:, None, :, None].expand(-1, k.shape[1], -1, k.shape[3])
    new = (u + gate * delta).to(k.dtype).unflatten(2, (2, k.shape[1], k.shape[3])).permute(2, 0, 3, 1, 4)
    k.scatter_(2, index, new[0])
    v.scatter_(2, index, new[1])


def cross_entropy(logits, target):
    x = logits.float()
    log_sum = x.logsumexp(-1, keepdim=True)
    hit = torch.arange(x.shape[1], device=x.device) == target[:, None]
    loss = log_sum.squeeze(1) - torch.where(hit, x, 0).sum(-1)
    return loss, (torch.exp(x - log_sum) - hit.float()).to(logits.dtype)


def top_p(logits, temperature, share):
    p, ids = (logits.float() / temperature).softmax(-1).sort(-1, descending=True)
    kept = torch.where(p.cumsum(-1) - p >= share, 0, p)
    return ids.gather(1, (kept / torch.empty_like(kept).exponential_()).argmax(-1, keepdim=True))


def attention_benches(chosen):
    sizes = [(3, 5, 17), (1, 1, 9)] if chosen.toy else [(16, 25, 350), (64, 25, 350), (1, 1, 300), (64, 1, 4096)]
    for events, queries, rows in sizes:
        q, k, v, visible = attention_inputs(chosen, events, queries, rows)
        masks = {"": None} if queries == 1 else {", mask": visible, ", causal bias": causal_lower_right(queries, rows)}
        yield f"ops/segment_attention_{events}x{rows}", {f"PyTorch: SDPA{name}": lambda mask=mask:
              F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True) for name, mask in masks.items()}
    for events, queries, rows in [(3, 5, 17)] if chosen.toy else [(16, 25, 350), (64, 25, 350), (16, 25, 4096)]:
        q, k, v, visible = attention_inputs(chosen, events, queries, rows)
        log_sum = torch.randn(events, q.shape[1], queries, 1, device=chosen.device) + 8
        yield f"ops/attention_mass_{events}x{rows}", {"PyTorch: compiled": lambda f=compiled(attention_mass, chosen):
                                                      f(q, k, log_sum, visible)}


def cache_benches(chosen):
    for events, rows in [(3, 37)] if chosen.toy else [(16, 300), (16, 4096), (1024, 300), (1024, 4096)]:
        mass = torch.rand(events, rows, device=chosen.device)
        yield f"ops/select_top_{events}x{rows}", {"PyTorch: topk, sort": lambda: mass.topk(32, sorted=False)[1].sort()}
    for events, rows in [(3, 60)] if chosen.toy else [(16, 300), (1024, 300)]:
        _, k, v, _ = attention_inputs(chosen, events, 1, rows)
        chosen_rows = torch.rand(events, rows, device=chosen.device).topk(57)[1].sort()[0]
        u, gate = gathered(k, v, chosen_rows), torch.full((1,), 0.1, device=chosen.device)
        delta = torch.randn(u.shape, device=chosen.device)
        yield f"ops/gather_rows_{events}x{rows}", {"PyTorch: compiled": lambda f=compiled(gathered, chosen):
                                                   f(k, v, chosen_rows)}
        yield f"ops/edit_rows_{events}x{rows}", {"PyTorch: compiled": lambda f=compiled(edited, chosen):
                                                 f(k, v, chosen_rows, u, delta, gate)}


def layer_benches(chosen):
    for tokens in [3] if chosen.toy else [5600, 64]:
        make = dict(device=chosen.device, dtype=chosen.dtype)
        x, residual, weight = torch.randn(tokens, 2048, **make), torch.randn(tokens, 2048, **make), torch.randn(2048, **make)
        q, k = torch.randn(32, tokens, 64, **make), torch.randn(8, tokens, 64, **make)
        cos, sin = angles(torch.arange(tokens, device=chosen.device), 64, chosen.dtype)
        gate, up = torch.randn(tokens, 8192, **make), torch.randn(tokens, 8192, **make)

        def norm(y):
            return F.rms_norm(y, (2048,), weight, 1e-5)
        yield f"ops/rms_norm_{tokens}", {"PyTorch: rms_norm": lambda: norm(x),
                                         "PyTorch: compiled": lambda f=compiled(norm, chosen): f(x)}
        yield f"ops/add_rms_norm_{tokens}", {"PyTorch: compiled": lambda f=compiled(
            lambda: (x + residual, norm(x + residual)), chosen): f()}
        yield f"ops/rotary_{tokens}", {"PyTorch: compiled": lambda f=compiled(
            lambda: (rotated(q, cos, sin), rotated(k, cos, sin)), chosen): f()}
        yield f"ops/gated_activation_{tokens}", {"PyTorch: compiled": lambda f=compiled(
            lambda: F.silu(gate) * up, chosen): f()}


def head_benches(chosen):
    vocabulary, rows, texts = (101, 5, [2]) if chosen.toy else (128256, 2048, [64, 1])
    logits = torch.randn(rows, vocabulary, device=chosen.device, dtype=chosen.dtype)
    target = torch.randint(vocabulary, (rows,), device=chosen.device)
    yield f"ops/cross_entropy_{rows}x{vocabulary}", {"PyTorch: compiled": lambda f=compiled(cross_entropy, chosen):
                                                     f(logits, target)}
    for count in texts:
        some = 3 * torch.randn(count, vocabulary, device=chosen.device, dtype=chosen.dtype)
        yield f"ops/greedy_{count}x{vocabulary}", {"PyTorch: argmax": lambda: some.argmax(-1)}
        yield f"ops/top_p_{count}x{vocabulary}", {"PyTorch: sort": lambda: top_p(some, 0.8, 0.95)}


@torch.no_grad()
def main():
    chosen = options(__doc__)
    calls = 3 if chosen.toy else 100
    results = Results(chosen)
    for benches in (attention_benches, cache_benches, layer_benches, head_benches):
        for bench, variants in benches(chosen):
            for name, call in variants.items() if results.wants(bench) else ():
                def run(graph=[None]):  # recorded within the measurement, whose failure is then a result
                    graph[0] = graph[0] or recorded(lambda: [call() for _ in range(calls)], chosen.device)
                    graph[0]()
                results.measure(bench, name, run, calls)


if __name__ == "__main__":
    main()
