"""Stage `pack`: the training text as one file of tokens."""
import os

from . import text


def main(args):
    n, tokens = text.pack(os.path.join(args.work, "tokenizer.json"), args.data, os.path.join(args.work, "corpus.npz"))
    print(f"{n} documents, {tokens} tokens")
