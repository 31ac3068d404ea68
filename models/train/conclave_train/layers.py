"""Pieces that the target and the drafters share: norm, rotary positions, one linear map without bias."""
import torch
import torch.nn as nn
import torch.nn.functional as F


class RmsNorm(nn.Module):
    """x / rms(x) * weight over the last dimension."""

    def __init__(self, d: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


def linear(d_in: int, d_out: int, scale: float = 1.0) -> nn.Linear:
    """A bias-free map whose outputs have about the variance of its inputs times `scale`."""
    layer = nn.Linear(d_in, d_out, bias=False)
    nn.init.normal_(layer.weight, std=scale * d_in ** -0.5)
    return layer


def rope_table(positions, d_head: int, base: float):
    """(cos, sin), each [len(positions)][d_head / 2], for pairs (i, i + d_head / 2)."""
    half = d_head // 2
    angle = positions[..., None].float() * base ** (-torch.arange(half, device=positions.device).float() / half)
    return angle.cos(), angle.sin()


def rope(x, table):
    """Turns x [..., rows, d_head] by the table's angles."""
    cos, sin = table
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)
