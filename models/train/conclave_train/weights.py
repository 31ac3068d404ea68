"""Reads a target from GGUF (`--init`), in the names that llama.cpp and this project's engine use."""
import gguf
import numpy as np
import torch

from .shapes import TargetShape
from .target import Target

# Name inside a layer of our module -> tensor name inside a block of the file.
LAYER_NAMES = {
    "attn_norm.weight": "attn_norm", "ffn_norm.weight": "ffn_norm", "q_norm.weight": "attn_q_norm", "k_norm.weight": "attn_k_norm",
    "q.weight": "attn_q", "k.weight": "attn_k", "v.weight": "attn_v", "o.weight": "attn_output", "experts.router.weight": "ffn_gate_inp",
    "experts.gate": "ffn_gate_exps", "experts.up": "ffn_up_exps", "experts.down": "ffn_down_exps",
}
TOP_NAMES = {"embed.weight": "token_embd.weight", "norm.weight": "output_norm.weight", "head.weight": "output.weight"}


def file_name(name: str) -> str:
    """`layers.2.q.weight` -> `blk.2.attn_q.weight`."""
    if name in TOP_NAMES:
        return TOP_NAMES[name]
    _, layer, rest = name.split(".", 2)
    return f"blk.{layer}.{LAYER_NAMES[rest]}.weight"


def read_target(path: str) -> Target:
    """The target in `path`. Raises ValueError if it is no OLMoE model."""
    reader = gguf.GGUFReader(path)
    value = lambda key: reader.fields[key].contents()
    if value("general.architecture") != "olmoe":
        raise ValueError(f"{path} holds a model of the architecture {value('general.architecture')}; the recipe trains olmoe.")
    p = "olmoe."
    shape = TargetShape(
        n_vocab=len(value("tokenizer.ggml.tokens")), d_model=value(p + "embedding_length"), n_layers=value(p + "block_count"),
        n_heads=value(p + "attention.head_count"), n_experts=value(p + "expert_count"), n_used=value(p + "expert_used_count"),
        d_expert=value(p + "feed_forward_length"), rope_base=value(p + "rope.freq_base"), eps=value(p + "attention.layer_norm_rms_epsilon"),
        context=value(p + "context_length"))
    model = Target(shape)
    tensors = {t.name: t for t in reader.tensors}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            tensor = tensors[file_name(name)]
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            parameter.copy_(torch.from_numpy(np.array(values, dtype=np.float32)).view(parameter.shape))
    return model
