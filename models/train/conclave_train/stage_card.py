"""Stage `card`: models/default/README.md from card.md, this folder's text with gaps, and the measurements.

What a person judged (the blind reading) is in card.md as text; every number that a stage measured comes from its files.
"""
import json
import os

from .stage_curves import read_log
from .stage_evaluate import FIXED
from .stage_generate import read_answers

HERE = os.path.join(os.path.dirname(__file__), "..")


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def losses(result) -> str:
    before = result.get("held_out_before", {})
    rows = [[f"{name.split(', ')[0]}, contexts up to {name.split(', ')[1]} tokens", f"{before[name]:.3f}" if name in before else "", f"{value:.3f}"]
            for name, value in result["held_out"].items()]
    return table(["held-out loss, nats per token", "first target", "this one"], rows)


def places(result) -> str:
    n = max(len(p["acceptance"]) for p in result["places"].values())
    rows = [[name, f"{p['tokens_per_pass']:.2f}", *[f"{a:.2f}" for a in p["acceptance"]], *[""] * (n - len(p["acceptance"]))] for name, p in result["places"].items()]
    return table(["drafter", "tokens per pass", *[f"place {i + 1}" for i in range(n)]], rows)


def passes(result) -> str:
    """Tokens per pass only: times depend on the machine and its other work, and `npm run bench:drafting` measures them."""
    rows = [[name, *[f"{modes[m]['tokens_per_pass']:.2f}" for m in FIXED]] for name, modes in result["sets"].items()]
    return table(["prompts", *FIXED], rows)


def cost(work: str, name: str) -> dict:
    """What the log of a stage says about its effort."""
    rows = read_log(os.path.join(work, f"{name}.jsonl"))
    return {f"{name}_tokens": f"{max(r['tokens'] for r in rows) / 1e6:.1f}", f"{name}_minutes": f"{rows[-1]['cpu_s'] / 60:.0f}", f"{name}_wall": f"{rows[-1]['wall_s'] / 60:.0f}"}


def main(args):
    with open(os.path.join(args.work, "evaluation.json")) as file:
        result = json.load(file)
    everything = result["all_held_out"]
    values = {
        "losses": losses(result), "places": places(result), "passes": passes(result),
        "entropies": ", ".join(f"{layer['entropy']:.3f}" for layer in result["experts"]), "largest": ", ".join(f"{layer['largest']:.3f}" for layer in result["experts"]),
        "prompts": str(result["n_held_out"]), "different": str(sum(mode["different"] for mode in everything.values())),
    }
    values["answer_tokens"] = f"{sum(len(tokens) - n for tokens, n in read_answers(args.work)) / 1e6:.2f}"
    for name in ("target", "dflash", "mdlm"):
        values |= cost(args.work, name)
    with open(os.path.join(HERE, "card.md")) as file:
        card = file.read()
    for name, value in values.items():
        card = card.replace("{{" + name + "}}", value)
    path = os.path.join(HERE, "..", "default", "README.md")
    with open(path, "w") as file:
        file.write(card)
    print(path)
