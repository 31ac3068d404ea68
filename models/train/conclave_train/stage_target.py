"""Stage `target`: next-token training of the OLMoE target, from scratch or from the weights of a GGUF file."""
import itertools
import os

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from . import run, text
from .batches import Corpus, batches, cuts, pad
from .muon import optimisers
from .shapes import TargetShape
from .target import Target, balance_losses
from .weights import read_target

BALANCE, Z = 0.01, 0.001


def loss_of(model: Target):
    def compute(batch):
        tokens, learnt = (torch.from_numpy(a).to(model.head.weight.device) for a in batch)
        rows, routing, _ = model(tokens[:, :-1])
        wanted = learnt[:, 1:]
        cross = F.cross_entropy(model.head(rows[wanted]), tokens[:, 1:][wanted], reduction="sum")
        balance, z = balance_losses(routing, model.s.n_experts)
        count = int(wanted.sum())
        return cross + count * (BALANCE * balance + Z * z), float(cross.detach()), count
    return compute


@torch.no_grad()
def held_out_loss(model: Target, documents, longest: int) -> float:
    """Nats per learnt token of `documents`, each cut at `longest` tokens."""
    rows = sorted(((tokens[:longest], learnt[:longest]) for tokens, learnt in documents), key=lambda row: len(row[0]))
    total = count = 0
    for group in cuts(rows, 4096):
        tokens, learnt = (torch.from_numpy(a).to(model.head.weight.device) for a in pad(group))
        hidden, _, _ = model(tokens[:, :-1])
        wanted = learnt[:, 1:]
        total += float(F.cross_entropy(model.head(hidden[wanted]), tokens[:, 1:][wanted], reduction="sum"))
        count += int(wanted.sum())
    return total / count


def load_target(args) -> Target:
    """The trained target of the work folder; before there is one, that of `--init`."""
    state = run.load(os.path.join(args.work, "target.pt"))
    if state is None:
        return read_target(args.init).to(args.device).eval()
    model = Target(TargetShape(**state["shape"]))
    model.load_state_dict(state["model"])
    return model.to(args.device).eval().requires_grad_(False)


def groups(corpus: Corpus, args, skip: int):
    """(batches, tokens) of each step, from the `skip`-th on."""
    endless = itertools.chain.from_iterable(batches(corpus, args.seed, n, args.batch, args.longest) for n in itertools.count())
    for number in itertools.count():
        group = list(itertools.islice(endless, args.group))
        if number >= skip:
            yield group, sum(tokens.size for tokens, _ in group)


def main(args):
    torch.manual_seed(args.seed)
    corpus = Corpus(os.path.join(args.work, "corpus.npz"))
    tokenizer = Tokenizer.from_file(os.path.join(args.work, "tokenizer.json"))
    held = text.held_out(tokenizer, args.data)
    model = read_target(args.init) if args.init else Target(TargetShape(n_vocab=tokenizer.get_vocab_size()))
    model.to(args.device)
    measure = lambda: {f"held_{name}": held_out_loss(model, documents, args.longest) for name, documents in held.items()}
    run.train("target", model, optimisers(model, args.lr, args.lr * 0.15, args.lr * 0.1), loss_of(model),
              lambda step: groups(corpus, args, step), measure, args)
