"""Text into tokens: the rows of the data folder become documents of tokens, each token with a mark whether it is to be learnt.

A story is learnt whole. Of a conversation only the answers are, each with its end token. A document longer than `LIMIT` tokens is cut.
"""
import json
import lzma
import os

import numpy as np
from tokenizers import Tokenizer

from .shapes import ASSISTANT, END, USER

LIMIT = 768
STORY_FILES = {"stories": "stories.jsonl.xz", "nameswap": "stories_nameswap.jsonl.xz"}


def rows(path: str):
    """The JSON lines of a file, packed by xz or plain."""
    with (lzma.open if path.endswith(".xz") else open)(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def prompt_tokens(tokenizer: Tokenizer, messages) -> list[int]:
    """The tokens up to where the assistant's next answer begins, as the chat template writes them."""
    tokens = [END]
    for message in messages:
        if message["role"] == "user":
            tokens += [USER, *tokenizer.encode("\n" + message["content"] + "\n").ids]
        else:
            tokens += [ASSISTANT, *tokenizer.encode("\n" + message["content"]).ids, END]
    return [*tokens, ASSISTANT, *tokenizer.encode("\n").ids]


def chat_document(tokenizer: Tokenizer, messages):
    """(tokens, learnt) of a conversation whose last message is an answer."""
    tokens, learnt = [END], [False]
    for message in messages:
        ids = tokenizer.encode("\n" + message["content"]).ids
        if message["role"] == "user":
            part, marks = [USER, *ids, *tokenizer.encode("\n").ids], None
        else:
            part, marks = [ASSISTANT, *ids, END], [False] + [i >= 1 for i in range(len(ids))] + [True]
        tokens += part
        learnt += marks or [False] * len(part)
    return tokens, learnt


def story_document(tokenizer: Tokenizer, text: str):
    tokens = [END, *tokenizer.encode(text).ids, END]
    return tokens, [False] + [True] * (len(tokens) - 1)


def documents(tokenizer: Tokenizer, folder: str):
    """(source, tokens, learnt) of every training row in `folder`; the held-out files are not read."""
    for source, name in STORY_FILES.items():
        for row in rows(os.path.join(folder, name)):
            tier = f"{source}-{row.get('tier', 'A')}"
            yield tier, *story_document(tokenizer, row["text"])
    for row in rows(os.path.join(folder, "chat.jsonl.xz")):
        yield row["source"], *chat_document(tokenizer, row["messages"])


def held_out(tokenizer: Tokenizer, folder: str):
    """{"chat": documents, "stories": documents}, each a list of (tokens, learnt)."""
    chat = [chat_document(tokenizer, [*row["messages"], {"role": "assistant", "content": row["reference"]}]) for row in rows(os.path.join(folder, "heldout_chat.jsonl"))]
    stories = [story_document(tokenizer, row["reference"]) for row in rows(os.path.join(folder, "heldout_stories.jsonl"))]
    return {"chat": chat, "stories": stories}


def questions(folder: str):
    """(id, messages) of every held-out prompt: chat first, then stories."""
    for name in ("chat", "stories"):
        for row in rows(os.path.join(folder, f"heldout_{name}.jsonl")):
            yield row["id"], row.get("messages") or [{"role": "user", "content": row["prompt"]}]


def pack(tokenizer_path: str, folder: str, path: str):
    """Writes all documents of `folder` to the arrays file `path`: tokens, learnt, starts, source of each, names of sources."""
    tokenizer = Tokenizer.from_file(tokenizer_path)
    names, sources, starts, tokens, learnt = [], [], [0], [], []
    for source, ids, marks in documents(tokenizer, folder):
        if source not in names:
            names.append(source)
        sources.append(names.index(source))
        tokens.append(np.array(ids[:LIMIT], dtype=np.uint16))
        learnt.append(np.array(marks[:LIMIT], dtype=bool))
        starts.append(starts[-1] + len(tokens[-1]))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = path + ".part.npz"
    np.savez(temporary, tokens=np.concatenate(tokens), learnt=np.concatenate(learnt), starts=np.array(starts), sources=np.array(sources, dtype=np.uint8), names=np.array(names))
    os.replace(temporary, path)
    return len(sources), starts[-1]
