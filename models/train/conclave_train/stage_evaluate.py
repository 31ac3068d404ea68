"""Stage `evaluate`: everything that the model card says, measured on the files that ship and written to `evaluation.json`.

Losses and routing are computed here from the Q8_0 file. Answers and drafts come from the engine: every prompt is answered
plainly and with each drafter, in turns, and the answers must be the same tokens.
"""
import json
import os

import numpy as np
import torch
from tokenizers import Tokenizer

from . import engine, stage_dflash, stage_mdlm, text
from .stage_target import held_out_loss, load_target
from .stage_generate import read_held_out
from .weights import read_target

FIXED = {"dflash 3": ("dflash", 3), "dflash 7": ("dflash", 7), "mdlm 6": ("mdlm", 6), "lookup 4": ("lookup", 4)}   # drafts of one length; else the engine chooses it
N_ANSWER = 96


def losses(path: str, held) -> dict:
    """Nats per token of both held-out sets, with contexts up to 256 tokens (as the first target was trained) and up to 1024."""
    model = read_target(path).eval()
    with torch.no_grad():
        return {f"{name}, {limit}": held_out_loss(model, documents, limit) for name, documents in held.items() for limit in (256, 1024)}


@torch.no_grad()
def expert_use(path: str, held) -> list[dict]:
    """Of each layer: entropy of the experts' use as a share of uniform, and the most used expert's share."""
    model = read_target(path).eval()
    counts = [np.zeros(model.s.n_experts) for _ in model.layers]
    for documents in held.values():
        for tokens, _ in documents:
            _, routing, _ = model(torch.tensor([tokens[:512]]))
            for i, (_, chosen) in enumerate(routing):
                counts[i] += np.bincount(chosen.flatten().numpy(), minlength=model.s.n_experts)
    shares = [c / c.sum() for c in counts]
    return [{"entropy": float(-(p * np.log(p)).sum() / np.log(len(p))), "largest": float(p.max())} for p in shares]


def answered(args, files, prompt, name: str) -> dict:
    draft, length = FIXED.get(name, (name, 0))
    drafters = [files[d] for d in ("dflash", "mdlm") if draft in (d, "auto")]
    return engine.generate(args.engine, files["target"], prompt, N_ANSWER, draft, length, drafters, args.threads)


def compare(args, files, prompts, names, rounds: int):
    """For each way of drafting, over all prompts: answers that differ from the plain ones, tokens per pass, share of drafts accepted, speed against plain. And the plain answers."""
    sums = {name: {"different": 0, "tokens": 0, "passes": 0, "drafted": 0, "accepted": 0, "ms": 0.0} for name in names}
    answers = []
    for prompt in prompts:
        plain = None
        for name in names:
            runs = [answered(args, files, prompt, name) for _ in range(rounds)]
            best, s = min(runs, key=lambda run: run["decode_ms"]), sums[name]
            plain = plain or best
            s["different"] += any(run["tokens"] != plain["tokens"] for run in runs)
            s["tokens"] += len(best["tokens"])
            for key in ("passes", "drafted", "accepted"):
                s[key] += best[key]
            s["ms"] += best["decode_ms"]
        answers.append(plain["tokens"])
    first = sums[names[0]]
    return {name: {"different": s["different"], "tokens": s["tokens"], "tokens_per_pass": 1 + s["accepted"] / s["passes"] if s["passes"] else 1.0,
                   "accepted": s["accepted"] / s["drafted"] if s["drafted"] else None, "speed": first["ms"] / s["ms"]} for name, s in sums.items()}, answers


def files_of(args) -> dict:
    shipped = args.files or os.path.join(args.work, "shipped")
    return {"target": os.path.join(shipped, "tiny-Q8_0.gguf"), "dflash": os.path.join(shipped, "dflash-Q8_0.gguf"), "mdlm": os.path.join(shipped, "mdlm-Q8_0.gguf")}


def add_results(args, **values):
    """Adds to `evaluation.json`, or replaces there."""
    path, result = os.path.join(args.work, "evaluation.json"), {}
    if os.path.exists(path):
        with open(path) as file:
            result = json.load(file)
    with open(path + ".part", "w") as file:
        json.dump(result | values, file, indent=1)
    os.replace(path + ".part", path)
    print(json.dumps(values, indent=1))


def main(args):
    files = files_of(args)
    tokenizer = Tokenizer.from_file(os.path.join(args.work, "tokenizer.json"))
    held = text.held_out(tokenizer, args.data)
    add_results(args, held_out=losses(files["target"], held), experts=expert_use(files["target"], held))
    if args.against:
        add_results(args, held_out_before=losses(args.against, held))
    target, answers = load_target(args), read_held_out(args.work)[::3]
    block, masked = stage_dflash.load_drafter(args.work), stage_mdlm.load_drafter(args.work)
    add_results(args, places={
        "block diffusion": stage_dflash.acceptance(stage_dflash.stretches(block, target, answers), stage_dflash.BLOCK - 1),
        "masked diffusion": stage_mdlm.acceptance(stage_mdlm.stretches(masked, answers), stage_mdlm.DRAFT)})
    asked = list(text.questions(args.data))
    found, plain = compare(args, files, [text.prompt_tokens(tokenizer, messages) for _, messages in asked], ["off", "dflash 7", "mdlm 6"], 1)
    add_results(args, n_held_out=len(asked), all_held_out=found)
    with open(os.path.join(args.work, "answers.jsonl"), "w") as file:
        for (name, messages), tokens in zip(asked, plain):
            file.write(json.dumps({"id": name, "prompt": messages[-1]["content"], "answer": tokenizer.decode(tokens)}) + "\n")
