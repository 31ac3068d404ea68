"""Runs the engine's command-line tool on token ids: what ships is measured, not what was trained."""
import json
import subprocess


def generate(engine: str, model: str, prompt: list[int], n: int, draft: str = "off", length: int = 0, drafters=(), threads: int = 0) -> dict:
    """`conclave generate` at temperature 0; the keys of its JSON. Raises RuntimeError with the engine's sentence."""
    command = [engine, "generate", model, "--tokens", ",".join(map(str, prompt)), "-n", str(n), "--temperature", "0", "--stop", "0", "--draft", draft, "--json"]
    if drafters:
        command += ["--drafter", ",".join(drafters)]
    if length:
        command += ["--draft-length", str(length)]
    if threads:
        command += ["-t", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)
