"""One command per stage: python -m conclave_train STAGE [options]."""
import argparse
import importlib
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")    # before torch is loaded: the workers are the threads, see run.py

STAGES = {
    "tokenizer": "train a tokenizer",
    "pack": "text into tokens",
    "target": "train the target",
    "generate": "let the target answer prompts",
    "dflash": "train the block-diffusion drafter",
    "mdlm": "train the masked-diffusion drafter",
    "export": "write GGUF files",
    "evaluate": "measure the files that ship",
    "speed": "measure how fast each way of drafting is",
    "blind": "lay out answers of two targets for a blind reading",
    "curves": "draw the training curves",
    "card": "write the model card from the measurements",
}


def main():
    parser = argparse.ArgumentParser(prog="conclave_train", description=__doc__)
    parser.add_argument("stage", choices=STAGES, help="; ".join(f"{k}: {v}" for k, v in STAGES.items()))
    parser.add_argument("--work", default="out/train", help="folder of everything that is made")
    parser.add_argument("--data", required=True, help="folder of the training text")
    parser.add_argument("--init", help="GGUF file to begin the target from")
    parser.add_argument("--tokens", type=int, default=6_000_000, help="tokens to train on, padding included; a run that goes on may change it")
    parser.add_argument("--batch", type=int, default=2560, help="tokens of one batch")
    parser.add_argument("--group", type=int, default=4, help="batches of one step")
    parser.add_argument("--longest", type=int, default=512, help="longest row in tokens")
    parser.add_argument("--lr", type=float, default=0.01, help="peak learning rate of Muon; AdamW's follow from it")
    parser.add_argument("--warm-up", type=int, default=300_000, help="tokens of warm-up")
    parser.add_argument("--decay-from", type=float, default=0.3, help="share of the run after which the learning rate falls to zero")
    parser.add_argument("--every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="batches computed at a time (1 on a GPU)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tokenizer", help="tokenizer.json to take instead of training one")
    parser.add_argument("--engine", default="out/native/conclave", help="the engine's command-line tool")
    parser.add_argument("--files", help="folder of the files to measure; else those of the stage export")
    parser.add_argument("--against", help="GGUF file of another target to compare with")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each prompt; the fastest counts")
    parser.add_argument("--threads", type=int, default=0, help="threads of the engine; 0: as it likes")
    parser.add_argument("--parts", type=int, default=24, help="how many times 256 prompts are answered")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    importlib.import_module(f".stage_{args.stage}", __package__).main(args)


if __name__ == "__main__":
    main()
