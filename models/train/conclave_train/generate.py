"""Answers of the target to many prompts at once, greedy or sampled: the text that the drafters learn from."""
import torch

from .layers import rope_table
from .shapes import END
from .target import Target


class Rows:
    """Keys and values of one layer for B sequences that all stand at the same position."""

    def __init__(self, n: int, heads: int, limit: int, d_head: int, device):
        self.k, self.v = (torch.empty(n, heads, limit, d_head, device=device) for _ in range(2))
        self.length = 0

    def attend(self, q, k, v):
        self.k[:, :, self.length], self.v[:, :, self.length] = k[:, :, 0], v[:, :, 0]
        self.length += 1
        return torch.nn.functional.scaled_dot_product_attention(q, self.k[:, :, :self.length], self.v[:, :, :self.length])

    def keep(self, which):
        """Drops the sequences that are not in `which`, in place: the first rows take what stays."""
        for name in ("k", "v"):
            rows = getattr(self, name)
            rows[:len(which), :, :self.length] = rows[which, :, :self.length]
            setattr(self, name, rows[:len(which)])


@torch.no_grad()
def answers(model: Target, prompts: list[list[int]], limit: int, temperature: float, generator=None) -> list[list[int]]:
    """Each prompt with its answer, up to the end token or `limit` tokens in all.

    All sequences advance together, one position a step; where a prompt still has a token, it is taken, else one is chosen.
    Sequences that have ended are dropped from the batch now and then.
    """
    s, device = model.s, model.head.weight.device
    out = [list(p) for p in prompts]
    alive = torch.arange(len(prompts))
    caches = [Rows(len(prompts), s.n_heads, limit, s.d_head, device) for _ in model.layers]
    current = torch.tensor([p[0] for p in prompts], device=device)
    done = [False] * len(prompts)
    for position in range(limit - 1):
        x = model.embed(current)[:, None]
        table = rope_table(torch.tensor([position], device=device), s.d_head, s.rope_base)
        for layer, cache in zip(model.layers, caches):
            x, _, _ = layer(x, table, cache)
        logits = model.head(model.norm(x[:, 0]))
        chosen = logits.argmax(-1) if temperature == 0 else torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]
        chosen = chosen.tolist()
        for row, i in enumerate(alive.tolist()):
            if position + 1 < len(prompts[i]):
                chosen[row] = prompts[i][position + 1]
            elif not done[i]:
                out[i].append(chosen[row])
                done[i] = chosen[row] == END
        if all(done):
            break
        if position % 8 == 7 and sum(done[i] for i in alive.tolist()) > len(alive) // 5:
            left = torch.tensor([row for row, i in enumerate(alive.tolist()) if not done[i]])
            alive, chosen = alive[left], [chosen[row] for row in left.tolist()]
            for cache in caches:
                cache.keep(left.to(device))
        current = torch.tensor(chosen, device=device)
    return out
