"""Stage `mdlm`: the masked-diffusion drafter learns to fill masks behind a window of the target's own answers.

It begins with the target's embedding and head. Mostly all places are masked, as in a draft of one step; else some are
shown, as in later steps.
"""
import itertools
import os

import numpy as np
import torch
import torch.nn.functional as F

from . import run
from .drafters import MaskedDrafter
from .muon import optimisers
from .shapes import MASK, DrafterShape
from .stage_dflash import FADE, acceptance
from .stage_generate import read_answers, read_held_out
from .stage_target import load_target

WINDOW, DRAFT, STEPS, SHAPE, ALL_MASKED = 32, 6, 1, DrafterShape(n_layers=2), 0.8


class Windows:
    """Every place of every answer behind which a draft may be wanted, by the number of tokens that the window then holds."""

    def __init__(self, answers):
        self.tokens = np.concatenate([np.concatenate([tokens, np.full(DRAFT, -1)]) for tokens, _ in answers])
        starts = np.cumsum([0] + [len(tokens) + DRAFT for tokens, _ in answers])
        by_size = {}
        for start, (tokens, n_prompt) in zip(starts, answers):
            ends = np.arange(n_prompt + 1, len(tokens))          # the window ends before this token
            for size, end in zip(np.minimum(ends, WINDOW), ends):
                by_size.setdefault(int(size), []).append(start + end)
        self.sizes = sorted(by_size)
        self.ends = {size: np.array(by_size[size]) for size in self.sizes}
        counts = np.array([len(self.ends[size]) for size in self.sizes])
        self.chance = counts / counts.sum()

    def batch(self, rng, size: int):
        """(tokens with masks, labels with -1 where nothing is learnt), both [n][window + DRAFT]."""
        held = int(rng.choice(self.sizes, p=self.chance))
        ends = rng.choice(self.ends[held], max(1, size // (held + DRAFT)))
        labels = self.tokens[ends[:, None] + np.arange(-held, DRAFT)]
        masked = np.zeros(labels.shape, bool)
        shown = rng.random((len(ends), DRAFT)).argsort(1) < rng.integers(0, DRAFT, len(ends))[:, None]
        masked[:, held:] = ~(shown & (rng.random(len(ends)) >= ALL_MASKED)[:, None])
        tokens = np.where(masked | (labels < 0), MASK, labels)
        return torch.from_numpy(tokens), torch.from_numpy(np.where(masked, labels, -1)), held


def loss_of(model: MaskedDrafter):
    weights = torch.exp(-torch.arange(DRAFT) / FADE)

    def compute(batch):
        tokens, labels, held = batch
        tokens, labels = tokens.to(model.head.weight.device), labels[:, held:].to(model.head.weight.device)
        wanted = labels >= 0
        out = model(tokens)[:, held:][wanted]
        w = weights.to(out.device).expand(wanted.shape)[wanted]
        loss = (w * F.cross_entropy(model.head(out), labels[wanted], reduction="none")).sum()
        return loss, float(loss.detach()), float(w.sum())
    return compute


@torch.no_grad()
def stretches(model: MaskedDrafter, answers):
    """For each answer the number of drafted tokens that would stand, behind every token of it but the last; drafts of one step."""
    out = []
    device = model.head.weight.device
    for tokens, n_prompt in answers:
        stretch = []
        for held, ends in grouped_ends(n_prompt + 1, len(tokens)):
            padded = np.concatenate([tokens, np.full(DRAFT, -1)])
            rows = padded[np.array(ends)[:, None] + np.arange(-held, DRAFT)]
            labels = torch.from_numpy(rows[:, held:].copy()).to(device)
            rows[:, held:] = MASK
            logits = model.head(model(torch.from_numpy(rows).to(device))[:, held:])
            logits[..., MASK] = -torch.inf
            stretch += (logits.argmax(-1) == labels).int().cumprod(-1).sum(-1).tolist()
        if stretch:
            out.append(stretch)
    return out


def grouped_ends(first: int, last: int):
    """(tokens in the window, ends) for the ends first .. last - 1, those with a full window together."""
    for end in range(first, min(last, WINDOW)):
        yield end, [end]
    if last > max(first, WINDOW):
        yield WINDOW, list(range(max(first, WINDOW), last))


def groups(windows: Windows, args, skip: int):
    for number in itertools.count(skip):
        rng = np.random.default_rng([args.seed, number])
        group = [windows.batch(rng, args.batch) for _ in range(args.group)]
        yield group, sum(tokens.numel() for tokens, _, _ in group)


def load_drafter(work: str) -> MaskedDrafter:
    state = run.load(os.path.join(work, "mdlm.pt"))
    model = MaskedDrafter(DrafterShape(**state["shape"]), WINDOW, DRAFT, STEPS)
    model.load_state_dict(state["model"])
    return model.eval()


def main(args):
    torch.manual_seed(args.seed)
    target = load_target(args)
    model = MaskedDrafter(SHAPE, WINDOW, DRAFT, STEPS).to(args.device)
    model.embed.load_state_dict(target.embed.state_dict())
    model.head.load_state_dict(target.head.state_dict())
    windows = Windows([a for a in read_answers(args.work) if len(a[0]) - a[1] >= 3])
    held = read_held_out(args.work)[::8]
    run.train("mdlm", model, optimisers(model, args.lr, args.lr * 0.15, args.lr * 0.1), loss_of(model),
              lambda step: groups(windows, args, step), lambda: acceptance(stretches(model, held), DRAFT), args)
