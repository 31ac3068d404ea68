"""Muon for matrices, AdamW for the rest.

Muon (K. Jordan and others, 2024): the momentum of a matrix is replaced by the nearest orthogonal matrix, found by a
few Newton-Schulz steps with the published quintic coefficients. Matrices of one shape go through one batched product.
"""
import torch


def orthogonalise(matrices, steps: int = 5):
    """[n][r][c] -> about U V^T of each."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = a * x + torch.baddbmm(b * gram, gram, gram, alpha=c) @ x
    return x.transpose(1, 2) if tall else x


class Muon(torch.optim.Optimizer):
    """For parameters [r][c] or stacks [n][r][c]; the learning rate is the spectral size of a step."""

    def __init__(self, parameters, lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(parameters, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            by_shape = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(state["momentum"], group["momentum"])
                by_shape.setdefault(p.shape[-2:], []).append((p, update.view(-1, *p.shape[-2:])))
            for shape, pairs in by_shape.items():
                whole = orthogonalise(torch.cat([u for _, u in pairs]))
                scale = max(1.0, shape[0] / shape[1]) ** 0.5
                for (p, u), part in zip(pairs, whole.split([len(u) for _, u in pairs])):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(part.reshape(p.shape), alpha=-group["lr"] * scale)


def optimisers(model, lr_matrix: float, lr_table: float, lr_small: float):
    """[Muon, AdamW] over the trainable parameters: inner matrices; embedding and head; norms, router and other small ones."""
    matrices, tables, small = [], [], []
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        if "embed" in name or "head" in name:
            tables.append(p)
        elif p.ndim < 2 or "router" in name:
            small.append(p)
        else:
            matrices.append(p)
    adam = torch.optim.AdamW([{"params": tables, "lr": lr_table}, {"params": small, "lr": lr_small}], betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    return [Muon(matrices, lr_matrix), adam]


def set_rate(optimisers, peaks, factor: float):
    """Sets every group's learning rate to `factor` of its peak."""
    for optimiser, rates in zip(optimisers, peaks):
        for group, peak in zip(optimiser.param_groups, rates):
            group["lr"] = peak * factor
