"""Stage `dflash`: the block-diffusion drafter learns to continue the target's own answers from the target's hidden rows.

As in the paper's appendix: random anchors of each answer, their blocks side by side in one pass, early places weighing more.
Half of the loss is cross-entropy with the token that came, half with the target's whole distribution there, which says more per row.
"""
import itertools
import os

import numpy as np
import torch
import torch.nn.functional as F

from . import run
from .batches import cuts
from .drafters import BlockDrafter
from .muon import optimisers
from .shapes import DrafterShape
from .stage_generate import read_answers, read_held_out
from .stage_target import load_target

BLOCK, TAPS, SHAPE, FADE = 8, [1, 2, 3], DrafterShape(n_layers=2), 4.0


def pad_answers(group):
    width = max(len(tokens) for tokens, _ in group)
    tokens = np.zeros((len(group), width), np.int64)
    for i, (row, _) in enumerate(group):
        tokens[i, :len(row)] = row
    return torch.from_numpy(tokens), torch.tensor([len(row) for row, _ in group]), torch.tensor([n for _, n in group])


def blocks_of(tokens, lengths, anchors, block):
    """Labels of the masks [B][A][block - 1], and where there is one."""
    places = anchors[..., None] + torch.arange(1, block, device=tokens.device)
    real = places < lengths[:, None, None]
    return tokens.gather(1, places.clamp(max=tokens.shape[1] - 1).flatten(1)).view(places.shape), real, places


@torch.no_grad()
def see(target, tokens, taps):
    """(final rows, tapped rows side by side, embedded tokens) of the target."""
    rows, _, tapped = target(tokens, taps)
    return rows, torch.cat(tapped, -1), target.embed(tokens)


def pick(rows, places):
    """rows [B][T][d] at places [B][...] -> [B][...][d]."""
    flat = places.flatten(1)
    return rows.gather(1, flat[..., None].expand(-1, -1, rows.shape[-1])).view(*places.shape, -1)


def loss_of(model: BlockDrafter, target):
    weights = torch.exp(-torch.arange(model.block - 1) / FADE)

    def compute(batch):
        tokens, lengths, anchors = (part.to(model.fc.weight.device) for part in batch)
        rows, tapped, embedded = see(target, tokens, model.taps)
        labels, real, places = blocks_of(tokens, lengths, anchors, model.block)
        out = model(tapped, pick(embedded, anchors), anchors)[real]
        w = weights.to(out.device).expand(real.shape)[real]
        log_q = target.head(out).log_softmax(-1)
        with torch.no_grad():
            p = target.head(pick(rows, (places - 1).clamp(max=tokens.shape[1] - 1))[real]).softmax(-1)
        hard, soft = F.nll_loss(log_q, labels[real], reduction="none"), -(p * log_q).sum(-1)
        return (w * (hard + soft)).sum() / 2, float((w * hard).sum().detach()), float(w.sum())
    return compute


@torch.no_grad()
def stretches(model: BlockDrafter, target, answers):
    """For each answer the number of drafted tokens that would stand, for every anchor from its first token on."""
    out = []
    for tokens, n_prompt in answers:
        if len(tokens) - n_prompt < 2:
            continue
        device = model.fc.weight.device
        row = torch.from_numpy(tokens)[None].to(device)
        _, tapped, embedded = see(target, row, model.taps)
        anchors = torch.arange(n_prompt, len(tokens) - 1, device=device)[None]
        labels, real, _ = blocks_of(row, torch.tensor([len(tokens)], device=device), anchors, model.block)
        guess = target.head(model(tapped, pick(embedded, anchors), anchors)).argmax(-1)
        out.append(((guess == labels) & real)[0].int().cumprod(-1).sum(-1).tolist())
    return out


def acceptance(stretches_of_answers, n_places: int) -> dict:
    """Walks each answer as the engine does: tokens per verify pass, and the share of drafts that stand at each place, given those before it."""
    stood, passes, tokens = [0] * (n_places + 1), 0, 0
    for stretch in stretches_of_answers:
        at = 0
        while at < len(stretch):
            passes, tokens = passes + 1, tokens + stretch[at] + 1
            for place in range(stretch[at] + 1):
                stood[place] += 1
            at += stretch[at] + 1
    return {"tokens_per_pass": tokens / passes, "acceptance": [round(stood[k + 1] / stood[k], 4) if stood[k] else 0.0 for k in range(n_places)]}


def groups(answers, args, skip: int):
    """(batches, rows) per step; a batch is (tokens, lengths, anchors)."""
    for number in itertools.count():
        rng = np.random.default_rng([args.seed, number])
        if number < skip:
            continue
        group, size = [], 0
        while len(group) < args.group:
            some = sorted((answers[i] for i in rng.integers(0, len(answers), 64)), key=lambda a: len(a[0]))
            cut = list(cuts(some, args.batch // 2))
            tokens, lengths, prompts = pad_answers(cut[rng.integers(0, len(cut))])
            n = int(np.clip((lengths - prompts).float().mean() / 2, 2, 48))
            anchors = prompts[:, None] + (torch.from_numpy(rng.random((len(lengths), n))) * (lengths - prompts - 1)[:, None]).long()
            group.append((tokens, lengths, anchors))
            size += anchors.numel() * (BLOCK - 1)
        yield group, size


def load_drafter(work: str) -> BlockDrafter:
    state = run.load(os.path.join(work, "dflash.pt"))
    model = BlockDrafter(DrafterShape(**state["shape"]), TAPS, BLOCK)
    model.load_state_dict(state["model"])
    return model.eval()


def main(args):
    torch.manual_seed(args.seed)
    target = load_target(args)
    model = BlockDrafter(SHAPE, TAPS, BLOCK).to(args.device)
    answers = [a for a in read_answers(args.work) if len(a[0]) - a[1] >= 3]
    held = read_held_out(args.work)[::8]
    run.train("dflash", model, optimisers(model, args.lr, args.lr * 0.15, args.lr * 0.1), loss_of(model, target),
              lambda step: groups(answers, args, step), lambda: acceptance(stretches(model, target, held), BLOCK - 1), args)
