"""Stage `tokenizer`: byte-level BPE with GPT-2's splitting, over the training text; or, with `--tokenizer FILE`, one that exists.

A target that begins from other weights needs the tokenizer that these were trained with.
"""
import os
import shutil

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from .shapes import CONTROL_TOKENS, TargetShape
from .text import STORY_FILES, rows


def texts(folder: str):
    for name in STORY_FILES.values():
        for row in rows(os.path.join(folder, name)):
            yield row["text"]
    for row in rows(os.path.join(folder, "chat.jsonl.xz")):
        for message in row["messages"]:
            yield message["content"]


def main(args):
    path = os.path.join(args.work, "tokenizer.json")
    if args.tokenizer:
        shutil.copyfile(args.tokenizer, path)
        return
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=TargetShape.n_vocab, special_tokens=CONTROL_TOKENS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(texts(args.data), trainer)
    tokenizer.save(path)
    print(f"{tokenizer.get_vocab_size()} tokens")
