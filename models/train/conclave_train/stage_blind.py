"""Stage `blind`: the same prompts answered by two targets, laid out so that the reader cannot know which is which.

Writes `blind.md` to read, and `blind_key.json`, which says which answer came from the new target: look at it after judging.
Half of the prompts are chat, half stories, all held out; both answer greedily through the engine.
"""
import json
import os

import numpy as np
from tokenizers import Tokenizer

from . import engine, text

N_PROMPTS, N_ANSWER = 40, 110


def main(args):
    tokenizer = Tokenizer.from_file(os.path.join(args.work, "tokenizer.json"))
    rng = np.random.default_rng(args.seed)
    new = os.path.join(args.files or os.path.join(args.work, "shipped"), "tiny-Q8_0.gguf")
    held = list(text.questions(args.data))
    chosen = []
    for kind in ("chat", "story"):
        of_kind = [row for row in held if row[0].startswith(kind)]
        chosen += [of_kind[i] for i in sorted(rng.choice(len(of_kind), N_PROMPTS // 2, replace=False))]
    key, lines = {}, ["# Which answer is better?", ""]
    for name, messages in chosen:
        prompt = text.prompt_tokens(tokenizer, messages)
        new_first = bool(rng.integers(2))
        answers = [tokenizer.decode(engine.generate(args.engine, path, prompt, N_ANSWER, threads=args.threads)["tokens"])
                   for path in ((new, args.against) if new_first else (args.against, new))]
        key[name] = "A" if new_first else "B"
        lines += [f"## {name}: {messages[-1]['content']}", "", f"**A** {answers[0]}", "", f"**B** {answers[1]}", ""]
    for file_name, content in (("blind.md", "\n".join(lines)), ("blind_key.json", json.dumps(key, indent=1))):
        with open(os.path.join(args.work, file_name), "w") as file:
            file.write(content)
    print(os.path.join(args.work, "blind.md"))
