"""Stage `export`: target and drafters as GGUF, F16 and Q8_0, with tokenizer and chat template.

Matrices take the format of the file; norms, the router and the drafters' mask vector stay F32, as the engine and llama.cpp expect.
"""
import json
import os

import gguf
import numpy as np

from . import run, stage_dflash, stage_mdlm
from .shapes import CHAT_TEMPLATE, CONTROL_TOKENS, END, MASK
from .stage_target import load_target
from .weights import file_name

FORMATS = {"F16": gguf.GGMLQuantizationType.F16, "Q8_0": gguf.GGMLQuantizationType.Q8_0}
FILE_TYPES = {"F16": gguf.LlamaFileType.MOSTLY_F16, "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}
DRAFTER_NAMES = {"attn_norm": "attn_norm", "ffn_norm": "ffn_norm", "q_norm": "attn_q_norm", "k_norm": "attn_k_norm", "q": "attn_q", "k": "attn_k",
                 "v": "attn_v", "o": "attn_output", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down"}


class File:
    """One GGUF file, written under another name until it is whole."""

    def __init__(self, path: str, architecture: str, name: str, kind: str):
        self.path, self.p, self.kind = path, architecture, kind
        self.writer = gguf.GGUFWriter(path + ".part", architecture)
        self.writer.add_name(name)
        self.writer.add_file_type(FILE_TYPES[kind])

    def integers(self, **values):
        for key, value in values.items():
            self.writer.add_uint32(f"{self.p}.{key.replace('__', '.')}", value)

    def reals(self, **values):
        for key, value in values.items():
            self.writer.add_float32(f"{self.p}.{key.replace('__', '.')}", value)

    def tensor(self, name: str, value):
        values = value.detach().float().numpy()
        kept = values.ndim == 1 or "ffn_gate_inp" in name
        kind = gguf.GGMLQuantizationType.F32 if kept else FORMATS[self.kind]
        self.writer.add_tensor(name, gguf.quants.quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)

    def close(self):
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()
        os.replace(self.path + ".part", self.path)


def add_tokenizer(file: File, path: str):
    with open(path) as source:
        model = json.load(source)["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    w = file.writer
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(tokens)
    w.add_token_types([gguf.TokenType.CONTROL if token in CONTROL_TOKENS else gguf.TokenType.NORMAL for token in tokens])
    w.add_token_merges(merges)
    w.add_bos_token_id(END)
    w.add_eos_token_id(END)
    w.add_add_bos_token(False)
    w.add_chat_template(CHAT_TEMPLATE)


def export_target(path: str, model, tokenizer: str, kind: str):
    s = model.s
    file = File(path, "olmoe", "Conclave Tiny", kind)
    file.integers(context_length=s.context, embedding_length=s.d_model, block_count=s.n_layers, attention__head_count=s.n_heads, attention__head_count_kv=s.n_heads,
                  rope__dimension_count=s.d_head, feed_forward_length=s.d_expert, expert_count=s.n_experts, expert_used_count=s.n_used, vocab_size=s.n_vocab)
    file.reals(attention__layer_norm_rms_epsilon=s.eps, rope__freq_base=s.rope_base)
    add_tokenizer(file, tokenizer)
    for name, parameter in model.named_parameters():
        file.tensor(file_name(name), parameter)
    file.close()


def drafter_file(path: str, architecture: str, name: str, model, kind: str) -> File:
    """The keys and layers that both drafters have."""
    s = model.s
    file = File(path, architecture, name, kind)
    file.integers(context_length=s.context, embedding_length=s.d_model, block_count=s.n_layers, attention__head_count=s.n_heads, attention__head_count_kv=s.n_heads,
                  attention__key_length=s.d_head, attention__value_length=s.d_head, feed_forward_length=s.d_ff)
    file.reals(attention__layer_norm_rms_epsilon=s.eps, rope__freq_base=s.rope_base)
    file.writer.add_uint32("tokenizer.ggml.mask_token_id", MASK)
    file.tensor("output_norm.weight", model.norm.weight)
    for i, layer in enumerate(model.layers):
        for ours, theirs in DRAFTER_NAMES.items():
            file.tensor(f"blk.{i}.{theirs}.weight", getattr(layer, ours).weight)
    return file


def export_block_drafter(path: str, model, kind: str):
    file = drafter_file(path, "dflash", "Conclave Tiny DFlash", model, kind)
    file.integers(block_size=model.block)
    file.writer.add_array("dflash.target_layers", [tap + 1 for tap in model.taps])      # this convention counts from one
    file.tensor("fc.weight", model.fc.weight)
    file.tensor("enc.output_norm.weight", model.hidden_norm.weight)
    file.tensor("mask_embd.weight", model.mask)
    file.close()


def export_masked_drafter(path: str, model, kind: str):
    file = drafter_file(path, "conclave-mdlm", "Conclave Tiny MDLM", model, kind)
    file.integers(context_window=model.window, draft_length=model.draft, steps=model.steps)
    file.writer.add_string("conclave-mdlm.reveal", "confidence")
    file.tensor("token_embd.weight", model.embed.weight)
    file.tensor("output.weight", model.head.weight)
    file.close()


def main(args):
    folder = os.path.join(args.work, "shipped")
    os.makedirs(folder, exist_ok=True)
    tokenizer = os.path.join(args.work, "tokenizer.json")
    exports = {"tiny": lambda path, kind: export_target(path, load_target(args), tokenizer, kind)}
    if run.load(os.path.join(args.work, "dflash.pt")):
        exports["dflash"] = lambda path, kind: export_block_drafter(path, stage_dflash.load_drafter(args.work), kind)
    if run.load(os.path.join(args.work, "mdlm.pt")):
        exports["mdlm"] = lambda path, kind: export_masked_drafter(path, stage_mdlm.load_drafter(args.work), kind)
    for name, export in exports.items():
        for kind in FORMATS:
            path = os.path.join(folder, f"{name}-{kind}.gguf")
            export(path, kind)
            print(f"{path}: {os.path.getsize(path):,} bytes")
