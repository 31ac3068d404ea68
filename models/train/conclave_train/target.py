"""The target: a decoder of OLMoE's architecture (arXiv 2409.02060), as the engine computes it."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from .layers import RmsNorm, linear, rope, rope_table
from .shapes import TargetShape


class Experts(nn.Module):
    """A router and its SwiGLU experts. The tokens are sorted by expert, so that each expert is one product."""

    def __init__(self, s: TargetShape):
        super().__init__()
        self.n_experts, self.n_used = s.n_experts, s.n_used
        self.router = linear(s.d_model, s.n_experts)
        self.gate = nn.Parameter(torch.randn(s.n_experts, s.d_expert, s.d_model) * s.d_model ** -0.5)
        self.up = nn.Parameter(torch.randn(s.n_experts, s.d_expert, s.d_model) * s.d_model ** -0.5)
        self.down = nn.Parameter(torch.randn(s.n_experts, s.d_model, s.d_expert) * (s.d_expert * 2 * s.n_layers) ** -0.5)

    def forward(self, x):
        """x [n][d] -> (output [n][d], router logits [n][E], chosen experts [n][k])."""
        logits = self.router(x)
        weights, chosen = F.softmax(logits, -1).topk(self.n_used, -1)
        order = chosen.flatten().argsort(stable=True)
        rows = order // self.n_used
        counts = torch.bincount(chosen.flatten(), minlength=self.n_experts)
        maps = zip(self.gate.unbind(0), self.up.unbind(0), self.down.unbind(0))
        parts = x[rows].split(counts.tolist())
        outputs = [(F.silu(part @ gate.T) * (part @ up.T)) @ down.T for part, (gate, up, down) in zip(parts, maps)]
        mixed = torch.cat(outputs) * weights.flatten()[order, None]
        return torch.zeros_like(x).index_add(0, rows, mixed), logits, chosen


class Layer(nn.Module):
    def __init__(self, s: TargetShape):
        super().__init__()
        self.s = s
        self.attn_norm, self.ffn_norm = RmsNorm(s.d_model, s.eps), RmsNorm(s.d_model, s.eps)
        self.q_norm, self.k_norm = RmsNorm(s.d_model, s.eps), RmsNorm(s.d_model, s.eps)
        self.q, self.k, self.v = (linear(s.d_model, s.d_model) for _ in range(3))
        self.o = linear(s.d_model, s.d_model, (2 * s.n_layers) ** -0.5)
        self.experts = Experts(s)

    def heads(self, x):
        return x.unflatten(-1, (self.s.n_heads, self.s.d_head)).transpose(-2, -3)

    def attend(self, x, table, cache=None):
        """Causal over x [B][T][d]; with a cache (k, v, length) the single row of each sequence sees what came before."""
        h = self.attn_norm(x)
        q = rope(self.heads(self.q_norm(self.q(h))), table)
        k = rope(self.heads(self.k_norm(self.k(h))), table)
        v = self.heads(self.v(h))
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True) if cache is None else cache.attend(q, k, v)
        return x + self.o(out.transpose(-2, -3).flatten(-2))

    def forward(self, x, table, cache=None):
        x = self.attend(x, table, cache)
        mixed, logits, chosen = self.experts(self.ffn_norm(x).flatten(0, 1))
        return x + mixed.view_as(x), logits, chosen


class Target(nn.Module):
    def __init__(self, s: TargetShape):
        super().__init__()
        self.s = s
        self.embed = nn.Embedding(s.n_vocab, s.d_model)
        nn.init.normal_(self.embed.weight, std=0.5)
        self.layers = nn.ModuleList(Layer(s) for _ in range(s.n_layers))
        self.norm = RmsNorm(s.d_model, s.eps)
        self.head = linear(s.d_model, s.n_vocab)

    def forward(self, tokens, taps=()):
        """tokens [B][T] -> (normed final rows [B][T][d], per-layer (router logits, chosen), rows after each layer in `taps`)."""
        x = self.embed(tokens)
        table = rope_table(torch.arange(tokens.shape[1], device=tokens.device), self.s.d_head, self.s.rope_base)
        routing, tapped = [], []
        for i, layer in enumerate(self.layers):
            x, logits, chosen = layer(x, table)
            routing.append((logits, chosen))
            if i in taps:
                tapped.append(x)
        return self.norm(x), routing, tapped


def balance_losses(routing, n_experts: int):
    """(load balance, router z), averaged over layers: equations 4 and 6 of the OLMoE paper's section 4.1 settings."""
    balance = z = 0.0
    for logits, chosen in routing:
        share = F.one_hot(chosen, n_experts).float().mean((0, 1))
        balance = balance + n_experts * (share * F.softmax(logits, -1).mean(0)).sum()
        z = z + logits.logsumexp(-1).square().mean()
    return balance / len(routing), z / len(routing)
