#!/usr/bin/env python3
"""Training steps in PyTorch, to stand beside `bt-bench --filter train/`: fine-tuning and LoRA of a Llama-3.2-1B of random
weights in bf16, with master weights and averages of AdamW in fp32. Layers and loss are compiled; the loss goes through the
head by chunks. Batches are as bt-bench's: a prompt of 100 tokens and 250 more, or lengths drawn alike, here padded to the
longest.

    python3 tools/peers/training.py [--json FILE] [--filter llama_1b_16]
"""
import random

import torch
import torch.nn.functional as F
from llama import LLAMA_1B, TOY, make_decoder
from measuring import Results, compiled, options

CHUNK = 2048  # rows of logits at a time


def loss_and_gradient(logits, target, scale):
    """Of a chunk: the sum of the losses times the scale, and its gradient."""
    x = logits.float()
    log_sum = x.logsumexp(-1, keepdim=True)
    hit = torch.arange(x.shape[1], device=x.device) == target[:, None]
    loss = (log_sum.squeeze(1) - torch.where(hit, x, 0).sum(-1)).sum() * scale
    return loss, ((torch.exp(x - log_sum) - hit.float()) * scale).to(logits.dtype)


class ChunkedLoss(torch.autograd.Function):
    """Mean cross-entropy of a linear head; gradients are formed in the forward pass, so that no chunk's logits stay."""

    @staticmethod
    def forward(context, hidden, head, target, piece):
        scale = 1 / target.shape[0]
        total = torch.zeros((), device=hidden.device)
        d_hidden = torch.empty_like(hidden)
        d_head = torch.zeros_like(head) if head.requires_grad else None
        for begin in range(0, hidden.shape[0], CHUNK):
            rows = slice(begin, begin + CHUNK)
            loss, d_logits = piece(hidden[rows] @ head.t(), target[rows], scale)
            total += loss
            d_hidden[rows] = d_logits @ head
            if d_head is not None:
                d_head.addmm_(d_logits.t(), hidden[rows])
        context.save_for_backward(d_hidden, d_head)
        return total

    @staticmethod
    def backward(context, d_loss):
        d_hidden, d_head = context.saved_tensors
        return d_hidden * d_loss, None if d_head is None else d_head * d_loss, None, None


class MasterAdamW:
    """AdamW on fp32 copies of the weights, group by group, so that few gradients exist in fp32 at one time."""

    def __init__(self, module):
        layers = [[p for p in layer.parameters() if p.requires_grad] for layer in module.layers]
        inside = {id(p) for layer in layers for p in layer}
        groups = layers + [[p for p in module.parameters() if p.requires_grad and id(p) not in inside]]
        self.groups = []
        for weights in filter(None, groups):
            masters = [p.detach().float().clone() for p in weights]
            fused = weights[0].is_cuda
            self.groups.append((weights, masters, torch.optim.AdamW(masters, lr=1e-6, betas=(0.9, 0.95), weight_decay=0,
                                                                    fused=fused)))

    @torch.no_grad()
    def step(self):
        for weights, masters, optimiser in self.groups:
            for weight, master in zip(weights, masters):
                master.grad = weight.grad.float()
                weight.grad = None
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            torch._foreach_copy_([w.detach() for w in weights], masters)


def batch_of(texts, ragged, shape, device):
    """ids [texts, longest], and the places of the hidden states that predict the responses' tokens."""
    draw = random.Random(1)
    lengths = [(draw.randint(40, 119), sum(draw.randint(15, 39) for _ in range(draw.randint(3, 8)))) if ragged
               else (100, 250) for _ in range(texts)]
    longest = max(prompt + response for prompt, response in lengths)
    ids = torch.randint(3, shape.vocabulary, (texts, longest), device=device)
    places = [text * longest + at for text, (prompt, response) in enumerate(lengths)
              for at in range(prompt - 1, prompt + response - 1)]
    return ids, torch.tensor(places, device=device), sum(map(sum, lengths))


def step_of(decoder, batch, chosen):
    ids, places, _ = batch
    layers = [compiled(layer, chosen) for layer in decoder.layers]
    piece = compiled(loss_and_gradient, chosen)
    optimiser = MasterAdamW(decoder)
    target = F.pad(ids, (0, 1))[:, 1:].flatten()[places]

    def step():
        hidden = decoder.hidden(ids, layers).flatten(0, 1)[places]
        ChunkedLoss.apply(hidden, decoder.embedding, target, piece).backward()
        optimiser.step()
    return step


def main():
    chosen = options(__doc__)
    torch.set_float32_matmul_precision("high")
    shape = TOY if chosen.toy else LLAMA_1B
    results = Results(chosen)
    for texts, ragged in [(2, False), (2, True)] if chosen.toy else [(16, False), (64, False), (16, True), (64, True)]:
        bench = f"train/llama_1b_{texts}{'_ragged' if ragged else ''}"
        if not results.wants(bench):
            continue
        batch = batch_of(texts, ragged, shape, chosen.device)
        for variant, rank in [("PyTorch: fine-tuning, compiled", 0), ("PyTorch: LoRA of rank 16, compiled", 16)]:
            step = step_of(make_decoder(shape, chosen, rank), batch, chosen)
            results.measure(bench, variant, step, tokens=batch[2])
            del step


if __name__ == "__main__":
    main()
