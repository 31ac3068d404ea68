"""What every training stage shares: parallel gradients, the learning-rate schedule, checkpoints, the log and the loop around them.

On a CPU each worker computes whole batches with one thread, and the gradients are added in a fixed order: workers never
wait for one another inside a batch, which matters on a machine that does other work, and a run can be repeated exactly.
Nothing but the log looks at the clock.
"""
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import torch

from .muon import set_rate


class Gradients:
    """Averages the gradients of several batches into `.grad`.

    `loss_of(batch)` gives (loss summed over what is learnt, the part of it to log as a number, how much is learnt).
    """

    def __init__(self, model, loss_of, workers: int):
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.loss_of, self.pool = loss_of, ThreadPoolExecutor(workers)

    def one(self, batch):
        loss, shown, count = self.loss_of(batch)
        return torch.autograd.grad(loss, self.parameters, allow_unused=True), shown, count

    def average(self, batches) -> float:
        """Sets `.grad` and returns the logged loss, both per learnt token."""
        results = list(self.pool.map(self.one, batches))
        total = sum(count for _, _, count in results)
        for i, p in enumerate(self.parameters):
            parts = [gradients[i] for gradients, _, _ in results if gradients[i] is not None]
            p.grad = sum(parts[1:], parts[0]) / total if parts else None
        return sum(shown for _, shown, _ in results) / total


def rate(done: int, total: int, warm_up: int, decay_from: float) -> float:
    """Share of the peak learning rate after `done` of `total` tokens: linear warm-up, flat, linear to zero from `decay_from` on."""
    fall = (total - done) / max(1.0, total * (1 - decay_from))
    return max(0.0, min(1.0, (done + 1) / max(1, warm_up), fall))


def save(path: str, **parts):
    """Writes a checkpoint that is either whole or not there."""
    torch.save(parts, path + ".part")
    os.replace(path + ".part", path)


def load(path: str):
    return torch.load(path, weights_only=True) if os.path.exists(path) else None


class Log:
    """JSON lines with wall and processor seconds, on screen and in a file; the seconds go on after a stop."""

    def __init__(self, path: str):
        self.path, self.wall, self.cpu = path, time.time(), time.process_time()
        if os.path.exists(path):
            with open(path) as file:
                last = [json.loads(line) for line in file][-1:]
            for row in last:
                self.wall -= row["wall_s"]
                self.cpu -= row["cpu_s"]

    def write(self, **row):
        row = {**row, "wall_s": round(time.time() - self.wall, 1), "cpu_s": round(time.process_time() - self.cpu, 1)}
        line = json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()})
        print(line, flush=True)
        with open(self.path, "a") as file:
            file.write(line + "\n")


def train(name: str, model, optimisers, loss_of, groups_from, measure, args):
    """Trains until `args.tokens` tokens (or rows) have been seen, from the last checkpoint on; SIGTERM ends it after the step, with a checkpoint.

    groups_from(step) iterates over (batches, how many tokens they are), one per step, from that step on; measure() gives
    what is logged beside the loss every `args.every` steps.
    """
    path = os.path.join(args.work, f"{name}.pt")
    peaks = [[group["lr"] for group in optimiser.param_groups] for optimiser in optimisers]
    step = seen = 0
    if (state := load(path)) is not None:
        model.load_state_dict(state["model"])
        for optimiser, saved in zip(optimisers, state["optimisers"]):
            optimiser.load_state_dict(saved)
        step, seen = state["step"], state["tokens"]
    log = Log(os.path.join(args.work, f"{name}.jsonl"))
    gradients = Gradients(model, loss_of, args.workers)

    def settle():
        save(path, model=model.state_dict(), optimisers=[o.state_dict() for o in optimisers], step=step, tokens=seen, shape=vars(model.s))
        log.write(step=step, tokens=seen, **measure())

    told_to_stop = []
    signal.signal(signal.SIGTERM, lambda *_: told_to_stop.append(True))
    if step == 0:
        log.write(step=0, tokens=0, **measure())
    for group, size in groups_from(step):
        if seen >= args.tokens or told_to_stop:
            break
        factor = rate(seen, args.tokens, args.warm_up, args.decay_from)
        set_rate(optimisers, peaks, factor)
        loss = gradients.average(group)
        torch.nn.utils.clip_grad_norm_(gradients.parameters, 1.0)
        for optimiser in optimisers:
            optimiser.step()
        step, seen = step + 1, seen + size
        if step % 10 == 0:
            log.write(step=step, tokens=seen, loss=loss, rate=factor)
        if step % args.every == 0:
            settle()
    settle()
