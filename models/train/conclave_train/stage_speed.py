"""Stage `speed`: the five sets of prompts with each way of drafting, into `evaluation.json`. Run it on a machine that does nothing else."""
import json
import os

from tokenizers import Tokenizer

from . import text
from .stage_evaluate import FIXED, add_results, compare, files_of

MODES = ["off", "lookup", "dflash", "mdlm", "auto"]      # the engine's controller chooses the length
N_PROMPTS = 8


def read_sets(tokenizer, data: str) -> dict:
    """Five sets of prompts as tokens; stories and chat are held out."""
    held = list(text.questions(data))
    sets = {"stories": [m for i, m in held if i.startswith("story")][:N_PROMPTS], "chat": [m for i, m in held if i.startswith("chat")][:N_PROMPTS]}
    with open(os.path.join(os.path.dirname(__file__), "..", "prompts.json")) as file:
        sets |= {name: [[{"role": "user", "content": prompt}] for prompt in prompts] for name, prompts in json.load(file).items()}
    return {name: [text.prompt_tokens(tokenizer, messages) for messages in prompts] for name, prompts in sets.items()}


def main(args):
    tokenizer = Tokenizer.from_file(os.path.join(args.work, "tokenizer.json"))
    sets = {name: compare(args, files_of(args), prompts, [*MODES, *FIXED], args.rounds)[0] for name, prompts in read_sets(tokenizer, args.data).items()}
    add_results(args, sets=sets)
