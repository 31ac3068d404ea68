"""Draws the mixture and cuts it into batches of rows of about one length, so that little is padding and no row sees another document.

Everything follows from (seed, pass number): a run that goes on after a stop sees the batches that it would have seen.
"""
import numpy as np

# How often one pass shows a row of each source, on average; short and rare kinds more often, long readings seldom.
REPEATS = {
    "stories-A": 1.5, "nameswap-A": 0.7, "stories-B": 0.7, "synthetic": 2.0, "synthetic-multi": 2.0, "story-request": 1.0, "story-continue": 1.0,
    "fairytaleqa": 0.35, "ms-chitchat": 4.0, "gpteacher-roleplay": 1.0, "rasbt-instruction": 5.0, "story-qa": 0.7, "aesop": 1.0, "story-lesson": 0.8,
    "wordnet-def": 4.0, "self-instruct-seed": 2.0,
}
GLUED_SHARE, GLUED_LIMIT = 0.35, 400     # of the short conversations: joined to conversations of several turns, up to so many tokens
POOL = 96                                # batches between which the order is shuffled


class Corpus:
    """The packed documents of `text.pack`."""

    def __init__(self, path: str):
        data = np.load(path)
        self.tokens, self.learnt, self.starts, self.sources = (data[k] for k in ("tokens", "learnt", "starts", "sources"))
        self.names = data["names"].tolist()

    def document(self, i: int):
        span = slice(self.starts[i], self.starts[i + 1])
        return self.tokens[span], self.learnt[span]


def draw(corpus: Corpus, rng) -> list[list[int]]:
    """The documents of one pass in random order, each a list of the rows that are joined."""
    rate = np.array([REPEATS[name] for name in corpus.names])[corpus.sources]
    times = np.floor(rate).astype(int) + (rng.random(len(rate)) < rate % 1)
    order = rng.permutation(np.repeat(np.arange(len(rate)), times))
    is_chat = np.array([not name.endswith(("-A", "-B")) for name in corpus.names])[corpus.sources]
    lengths = np.diff(corpus.starts)
    out, conversation, size = [], [], 0
    for i in order:
        if is_chat[i] and lengths[i] < GLUED_LIMIT // 2 and rng.random() < GLUED_SHARE:
            if size + lengths[i] > GLUED_LIMIT or len(conversation) == 6:
                out.append(conversation)
                conversation, size = [], 0
            conversation.append(i)
            size += lengths[i]
        else:
            out.append([i])
    return out + ([conversation] if conversation else [])


def join(corpus: Corpus, members: list[int]):
    """(tokens, learnt) of the rows, one after the other; each ends with the end token, and so the next one's first is left out."""
    parts = [corpus.document(i) for i in members]
    return tuple(np.concatenate([p[k] if n == 0 else p[k][1:] for n, p in enumerate(parts)]) for k in (0, 1))


def batches(corpus: Corpus, seed: int, number: int, size: int, longest: int):
    """The batches of pass `number`: (tokens [B][T] int64, learnt [B][T] bool), B * T <= about `size`, T <= `longest`."""
    rng = np.random.default_rng([seed, number])
    rows = [tuple(a[:longest] for a in join(corpus, members)) for members in draw(corpus, rng)]
    for pool in pools([row for row in rows if row[1].any()], size * POOL):
        pool.sort(key=lambda row: len(row[0]))
        cut = list(cuts(pool, size))
        for k in rng.permutation(len(cut)):
            yield pad(cut[k])


def pools(rows, limit: int):
    pool, total = [], 0
    for row in rows:
        pool.append(row)
        total += len(row[0])
        if total >= limit:
            yield pool
            pool, total = [], 0
    if pool:
        yield pool


def cuts(rows, size: int):
    """Neighbours in one batch while the padded batch stays within `size` tokens."""
    group = []
    for row in rows:
        if group and len(row[0]) * (len(group) + 1) > size:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def pad(rows):
    width = max(len(tokens) for tokens, _ in rows)
    tokens, learnt = np.zeros((len(rows), width), np.int64), np.zeros((len(rows), width), bool)
    for i, (t, l) in enumerate(rows):
        tokens[i, :len(t)], learnt[i, :len(l)] = t, l
    return tokens, learnt
