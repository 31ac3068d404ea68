"""Stage `generate`: the target answers prompts of the training text; the drafters learn from these answers.

Four parts are greedy, the next four sampled at temperature 0.8, and so on. Each part is written when it is whole; a stopped run
goes on with the next part.
"""
import os

import numpy as np
import torch
from tokenizers import Tokenizer

from .batches import Corpus, draw
from .generate import answers
from .shapes import ASSISTANT
from .stage_target import load_target
from .text import prompt_tokens, questions

PART, LIMIT, HELD_OUT = 256, 384, "heldout_answers.npz"


def prompts(corpus: Corpus, seed: int, parts: int):
    """Prompts in parts of PART, sorted by length within four parts: single questions and the beginnings of stories."""
    rng = np.random.default_rng([seed, 1_000_000])
    found = []
    for members in draw(corpus, rng):
        tokens, _ = corpus.document(members[0])
        at = np.flatnonzero(tokens == ASSISTANT)
        if len(at) and at[-1] + 2 < 200:
            found.append(tokens[:at[-1] + 2].tolist())
        elif not len(at):
            found.append(tokens[:int(rng.integers(8, 24))].tolist())
        if len(found) == PART * parts:
            break
    for first in range(0, len(found), 4 * PART):
        four = sorted(found[first:first + 4 * PART], key=len)
        yield from (four[i:i + PART] for i in range(0, len(four), PART))


def main(args):
    model = load_target(args)
    corpus = Corpus(os.path.join(args.work, "corpus.npz"))
    folder = os.path.join(args.work, "answers")
    os.makedirs(folder, exist_ok=True)
    for number, part in enumerate(prompts(corpus, args.seed, args.parts)):
        path = os.path.join(folder, f"{number:04}.npz")
        if os.path.exists(path):
            continue
        temperature = 0.0 if number % 8 < 4 else 0.8
        rows = answers(model, part, LIMIT, temperature, torch.Generator(args.device).manual_seed(number))
        print(f"part {number}: {write(path, rows, part)} tokens at temperature {temperature}", flush=True)
    tokenizer = Tokenizer.from_file(os.path.join(args.work, "tokenizer.json"))
    part = [prompt_tokens(tokenizer, messages) for _, messages in questions(args.data)]
    write(os.path.join(args.work, HELD_OUT), answers(model, part, LIMIT, 0.0), part)


def write(path: str, rows, part) -> int:
    """Writes answers and returns how many tokens the target chose."""
    starts = np.cumsum([0] + [len(row) for row in rows])
    np.savez(path + ".part.npz", tokens=np.concatenate(rows).astype(np.uint16), starts=starts, prompts=np.array([len(p) for p in part]))
    os.replace(path + ".part.npz", path)
    return int(starts[-1]) - sum(map(len, part))


def read(path: str):
    """[(tokens, prompt length)] of one file."""
    data = np.load(path)
    tokens, starts = data["tokens"].astype(np.int64), data["starts"]
    return [(tokens[starts[i]:starts[i + 1]], int(n)) for i, n in enumerate(data["prompts"])]


def read_answers(work: str):
    folder = os.path.join(work, "answers")
    names = sorted(name for name in os.listdir(folder) if not name.endswith(".part.npz"))
    return [answer for name in names for answer in read(os.path.join(folder, name))]


def read_held_out(work: str):
    """The greedy answers to the held-out prompts: for measuring only."""
    return read(os.path.join(work, HELD_OUT))
