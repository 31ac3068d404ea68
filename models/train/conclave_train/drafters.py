"""The two drafters, as the engine computes them (native/speculate): their layers are Qwen3's, and nobody sees a mask of causality.

Block diffusion: DFlash, arXiv 2602.06036. Masked diffusion: MDLM, arXiv 2406.07524.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

from .layers import RmsNorm, linear, rope, rope_table
from .shapes import DrafterShape


class DrafterLayer(nn.Module):
    def __init__(self, s: DrafterShape):
        super().__init__()
        self.s = s
        self.attn_norm, self.ffn_norm = RmsNorm(s.d_model, s.eps), RmsNorm(s.d_model, s.eps)
        self.q_norm, self.k_norm = RmsNorm(s.d_head, s.eps), RmsNorm(s.d_head, s.eps)
        self.q, self.k, self.v = (linear(s.d_model, s.d_model) for _ in range(3))
        self.o = linear(s.d_model, s.d_model, (2 * s.n_layers) ** -0.5)
        self.gate, self.up = (linear(s.d_model, s.d_ff) for _ in range(2))
        self.down = linear(s.d_ff, s.d_model, (2 * s.n_layers) ** -0.5)

    def heads(self, x):
        return x.unflatten(-1, (self.s.n_heads, self.s.d_head)).transpose(-2, -3)

    def forward(self, x, x_table, context=None, context_table=None, mask=None):
        """x [B][R][d] attends to context rows (which pass no norm of this layer) and to itself; mask [B][1][R][T + R]."""
        h = self.attn_norm(x)
        q = rope(self.q_norm(self.heads(self.q(h))), x_table)
        k = rope(self.k_norm(self.heads(self.k(h))), x_table)
        v = self.heads(self.v(h))
        if context is not None:
            k = torch.cat([rope(self.k_norm(self.heads(self.k(context))), context_table), k], -2)
            v = torch.cat([self.heads(self.v(context)), v], -2)
        x = x + self.o(F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(-2, -3).flatten(-2))
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class BlockDrafter(nn.Module):
    """DFlash. Embedding and head are the target's; the mask has a vector of its own."""

    def __init__(self, s: DrafterShape, taps: list[int], block: int):
        super().__init__()
        self.s, self.taps, self.block = s, taps, block
        self.fc = linear(len(taps) * s.d_model, s.d_model)
        self.hidden_norm, self.norm = RmsNorm(s.d_model, s.eps), RmsNorm(s.d_model, s.eps)
        self.mask = nn.Parameter(torch.randn(s.d_model) * 0.5)
        self.layers = nn.ModuleList(DrafterLayer(s) for _ in range(s.n_layers))

    def forward(self, tapped, anchor_rows, anchors):
        """Final rows of the masks of each block, [B][A][block - 1][d].

        tapped [B][T][n_taps * d]: the target's rows; anchor_rows [B][A][d]: embedded anchors, at positions anchors [B][A].
        Block b sees the context rows before its anchor and all of itself.
        """
        n, a, b = *anchors.shape, self.block
        t = tapped.shape[1]
        context = self.hidden_norm(self.fc(tapped))
        x = torch.cat([anchor_rows[:, :, None], self.mask.expand(n, a, b - 1, -1)], 2).flatten(1, 2)
        places = torch.arange(t, device=tapped.device)
        context_table = rope_table(places, self.s.d_head, self.s.rope_base)
        positions = (anchors[..., None] + torch.arange(b, device=tapped.device)).flatten(1)
        table = tuple(part[:, None] for part in rope_table(positions, self.s.d_head, self.s.rope_base))
        sees_context = places < anchors.repeat_interleave(b, 1)[..., None]
        owner = torch.arange(a * b, device=tapped.device) // b
        mask = torch.cat([sees_context, (owner[:, None] == owner).expand(n, -1, -1)], -1)[:, None]
        for layer in self.layers:
            x = layer(x, table, context, context_table, mask)
        return self.norm(x).unflatten(1, (a, b))[:, :, 1:]


class MaskedDrafter(nn.Module):
    """A masked diffusion model over a window of tokens, with embedding and head of its own."""

    def __init__(self, s: DrafterShape, window: int, draft: int, steps: int):
        super().__init__()
        self.s, self.window, self.draft, self.steps = s, window, draft, steps
        self.embed = nn.Embedding(s.n_vocab, s.d_model)
        self.head = linear(s.d_model, s.n_vocab)
        self.norm = RmsNorm(s.d_model, s.eps)
        self.layers = nn.ModuleList(DrafterLayer(s) for _ in range(s.n_layers))

    def forward(self, tokens):
        """tokens [B][R], masks among them, at positions 0, 1, ... -> final rows [B][R][d]."""
        x = self.embed(tokens)
        table = rope_table(torch.arange(tokens.shape[1], device=tokens.device), self.s.d_head, self.s.rope_base)
        for layer in self.layers:
            x = layer(x, table)
        return self.norm(x)
