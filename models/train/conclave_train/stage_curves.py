"""Stage `curves`: what the training logs say, as one picture (needs matplotlib)."""
import json
import os


def read_log(path: str):
    """The rows of a log; where a run was repeated from a checkpoint, the later rows count."""
    by_step = {}
    if os.path.exists(path):
        with open(path) as file:
            for line in file:
                row = json.loads(line)
                kind = "loss" if "loss" in row else "measured"
                by_step[row["step"], kind] = row
    return [by_step[key] for key in sorted(by_step)]


def line(axis, rows, key: str, label: str, **style):
    points = [(row["tokens"] / 1e6, row[key]) for row in rows if key in row]
    if points:
        axis.plot(*zip(*points), label=label, **style)


def smooth(rows, key: str, window: int = 8):
    """The same rows with a running mean in place of the value."""
    values = [row for row in rows if key in row]
    return [{**row, key: sum(r[key] for r in values[max(0, i - window + 1):i + 1]) / min(i + 1, window)} for i, row in enumerate(values)]


def main(args):
    import matplotlib                  # only this stage needs it
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    target, dflash, mdlm = (read_log(os.path.join(args.work, f"{name}.jsonl")) for name in ("target", "dflash", "mdlm"))
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    line(left, target, "loss", "training batches", color="#b8c4d6", linewidth=0.8)
    line(left, smooth(target, "loss"), "loss", "mean of 80 steps", color="#5b7ba8")
    line(left, target, "held_chat", "held-out chat answers", color="#c2571a", marker="o", markersize=3)
    line(left, target, "held_stories", "held-out stories", color="#2f7d4f", marker="o", markersize=3)
    left.set(title="Target", xlabel="million tokens", ylabel="nats per token")
    for rows, name, colour in ((dflash, "block diffusion", "#c2571a"), (mdlm, "masked diffusion", "#2f7d4f")):
        line(middle, smooth(rows, "loss"), "loss", name, color=colour)
        line(right, rows, "tokens_per_pass", name, color=colour, marker="o", markersize=3)
    middle.set(title="Drafters: loss", xlabel="million rows", ylabel="nats per token, early places weigh more")
    right.set(title="Drafters: held-out answers", xlabel="million rows", ylabel="tokens per verifying pass")
    for axis in (left, middle, right):
        axis.grid(alpha=0.25)
        if axis.lines:
            axis.legend(frameon=False, fontsize=8)
    path = os.path.join(args.work, "shipped", "training.png")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    figure.savefig(path, dpi=110)
    print(path)
