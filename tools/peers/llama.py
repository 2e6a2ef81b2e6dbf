"""A Llama decoder in plain PyTorch: what the peers train and decode with. Random weights."""
import dataclasses

import torch
import torch.nn.functional as F
from torch import nn


@dataclasses.dataclass
class Shape:
    layers: int = 16
    width: int = 2048
    heads: int = 32
    groups: int = 8
    head_width: int = 64
    inner: int = 8192
    vocabulary: int = 128256


LLAMA_1B = Shape()
TOY = Shape(layers=2, width=32, heads=4, groups=2, head_width=8, inner=48, vocabulary=101)


def angles(positions, head_width, dtype):
    """cos and sin, [positions, head_width], the second half as the first."""
    frequency = 500000.0 ** (-torch.arange(0, head_width, 2, device=positions.device) / head_width)
    angle = positions[:, None].float() * frequency
    return tuple(torch.cat([f(angle)] * 2, dim=-1).to(dtype) for f in (torch.cos, torch.sin))


def rotated(x, cos, sin):
    """x: [..., positions, head_width]."""
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-right, left], dim=-1) * sin


class Linear(nn.Linear):
    """Without a bias; with a rank, LoRA on a frozen weight."""

    def __init__(self, inputs, outputs, rank=0):
        super().__init__(inputs, outputs, bias=False)
        nn.init.normal_(self.weight, std=0.02)
        self.rank = rank
        if rank:
            self.weight.requires_grad_(False)
            self.a = nn.Parameter(torch.randn(rank, inputs) * 0.02)
            self.b = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x):
        y = F.linear(x, self.weight)
        return y + 2 * F.linear(F.linear(x, self.a), self.b) if self.rank else y


class Layer(nn.Module):
    def __init__(self, s, rank=0):
        super().__init__()
        self.s = s
        self.attention_norm, self.mlp_norm = nn.RMSNorm(s.width, eps=1e-5), nn.RMSNorm(s.width, eps=1e-5)
        self.q = Linear(s.width, s.heads * s.head_width, rank)
        self.k = Linear(s.width, s.groups * s.head_width, rank)
        self.v = Linear(s.width, s.groups * s.head_width, rank)
        self.o = Linear(s.heads * s.head_width, s.width, rank)
        self.gate, self.up = Linear(s.width, s.inner, rank), Linear(s.width, s.inner, rank)
        self.down = Linear(s.inner, s.width, rank)

    def qkv(self, x, cos, sin):
        """[batch, heads, tokens, head_width] of each, rotated."""
        h = self.attention_norm(x)

        def split(y):
            return y.unflatten(-1, (-1, self.s.head_width)).transpose(1, 2)
        return rotated(split(self.q(h)), cos, sin), rotated(split(self.k(h)), cos, sin), split(self.v(h))

    def finish(self, x, attended):
        x = x + self.o(attended.transpose(1, 2).flatten(2))
        h = self.mlp_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))

    def forward(self, x, cos, sin):
        """Causal attention of whole texts."""
        q, k, v = self.qkv(x, cos, sin)
        return self.finish(x, F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True))


class Decoder(nn.Module):
    """The head is the embedding."""

    def __init__(self, s, rank=0):
        super().__init__()
        self.s = s
        self.embedding = nn.Parameter(torch.randn(s.vocabulary, s.width) * 0.02, requires_grad=rank == 0)
        self.layers = nn.ModuleList(Layer(s, rank) for _ in range(s.layers))
        self.norm = nn.RMSNorm(s.width, eps=1e-5)
        if rank:
            for name, parameter in self.named_parameters():
                parameter.requires_grad_(name.endswith((".a", ".b")))

    def hidden(self, ids, layers=None):
        """[batch, tokens, width], before the head; `layers`: those to run instead of the modules' own."""
        cos, sin = angles(torch.arange(ids.shape[1], device=ids.device), self.s.head_width, self.embedding.dtype)
        x = F.embedding(ids, self.embedding)
        for layer in layers or self.layers:
            x = layer(x, cos, sin)
        return self.norm(x)


def make_decoder(shape, chosen, rank=0):
    torch.manual_seed(1)
    with torch.device(chosen.device):
        return Decoder(shape, rank).to(chosen.dtype)
