"""Make reference models of the families whose forward pass has parts of its own.

For each family a small random-weight model of the real architecture is built with Hugging Face transformers (5.18, CPU,
float32), written as GGUF under the names and in the layouts that GGUF converters use, and asked for the logits of every
prompt position, the experts that the router chose with the weights as applied, and the greedy continuation. For a
quantised file the reference runs on the dequantised weights, so that all that is left to differ is the engine's own
arithmetic. The output has the format of the other reference models: NAME.gguf beside NAME.json.

    python make_family_goldens.py --out DIR [--cases gptoss,granitemoe,...] [--seed 7]

Needs torch, transformers, gguf and numpy. A layout is written once, from the reference's parameters to the file's
tensors: the way back is found by sending the parameters' positions, instead of their values, down the same path.
"""
from __future__ import annotations

import argparse
import json
import math
import os

import gguf
import numpy as np
import torch
import transformers as tf
from gguf import GGMLQuantizationType as QT

N_VOCAB, N_PROMPT, N_NEW, CONTEXT = 256, 40, 16, 512
EAGER = dict(attn_implementation="eager", experts_implementation="eager")


# ---------------------------------------------------------------------------------------------------- shared layouts

def to_adjacent_pairs(w, n_heads):
    """Rotary halves (i, i + n/2) -> adjacent pairs (2i, 2i + 1), head by head, along the first axis."""
    return w.reshape(n_heads, 2, w.shape[0] // n_heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def tiled_heads(w, axis, n_k, head_dim):
    """Value heads grouped by key head -> key heads cycling, along `axis`."""
    shape = list(w.shape)
    split = shape[:axis] + [n_k, shape[axis] // head_dim // n_k, head_dim] + shape[axis + 1:]
    return w.reshape(split).swapaxes(axis, axis + 1).reshape(shape)


def ends(sd, head="lm_head.weight", root="model."):
    out = {"token_embd.weight": sd[root + "embed_tokens.weight"], "output_norm.weight": sd[root + "norm.weight"]}
    if head and head in sd: out["output.weight"] = sd[head]
    if root + "norm.bias" in sd: out["output_norm.bias"] = sd[root + "norm.bias"]
    if "lm_head.bias" in sd: out["output.bias"] = sd["lm_head.bias"]
    return out


def renamed(sd, layer, block, names):
    """The parameters of a layer that only change their names, weights and biases alike."""
    out = {}
    for theirs, ours in names.items():
        for kind in ("weight", "bias"):
            if f"{layer}{theirs}.{kind}" in sd: out[f"{block}{ours}.{kind}"] = sd[f"{layer}{theirs}.{kind}"]
    return out


ATTENTION = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}


def experts_in_halves(sd, layer, block):
    """[E][gate rows, then up rows][d] and [E][d][ff]."""
    fused = sd[layer + "experts.gate_up_proj"]
    n = fused.shape[1] // 2
    return {block + "ffn_gate_exps.weight": fused[:, :n], block + "ffn_up_exps.weight": fused[:, n:],
            block + "ffn_down_exps.weight": sd[layer + "experts.down_proj"]}


def gated(sd, layer, block, suffix):
    return {f"{block}ffn_{x}{suffix}.weight": sd[f"{layer}{x}_proj.weight"] for x in ("gate", "up", "down")}


def sizes(w, cfg, d_head, n_kv=None):
    w.add_context_length(cfg.max_position_embeddings); w.add_embedding_length(cfg.hidden_size); w.add_block_count(cfg.num_hidden_layers)
    w.add_feed_forward_length(cfg.intermediate_size); w.add_head_count(cfg.num_attention_heads)
    w.add_head_count_kv(cfg.num_key_value_heads if n_kv is None else n_kv); w.add_layer_norm_rms_eps(cfg.rms_norm_eps); w.add_vocab_size(N_VOCAB)
    if d_head: w.add_key_length(d_head); w.add_value_length(d_head)


# --------------------------------------------------------------------------------------------------------- families
# Each: config(), build(config) -> model, layout(config, parameters) -> tensors, keys(writer, config), and where the
# router's module gives (experts, weights).

class GptOss:
    arch, types, router, picks = gguf.MODEL_ARCH.GPT_OSS, ("F16", "MXFP4"), "GptOssTopKRouter", lambda m, out: (out[2], out[1])

    def config(self):
        return tf.GptOssConfig(vocab_size=N_VOCAB, hidden_size=64, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                               head_dim=32, num_local_experts=8, num_experts_per_tok=4, sliding_window=12, max_position_embeddings=CONTEXT, rms_norm_eps=1e-5,
                               rope_parameters=dict(rope_type="yarn", rope_theta=150000.0, factor=32.0, original_max_position_embeddings=32, beta_fast=32.0,
                                                    beta_slow=1.0, truncate=False), pad_token_id=None, eos_token_id=None, **EAGER)

    build = staticmethod(lambda cfg: tf.GptOssForCausalLM(cfg))

    def layout(self, cfg, sd):
        out = ends(sd)
        for i in range(cfg.num_hidden_layers):
            p, b = f"model.layers.{i}.", f"blk.{i}."
            out |= renamed(sd, p, b, ATTENTION | {"post_attention_layernorm": "post_attention_norm", "mlp.router": "ffn_gate_inp"})
            out[b + "attn_sinks.weight"] = sd[p + "self_attn.sinks"]
            fused, bias = sd[p + "mlp.experts.gate_up_proj"].swapaxes(1, 2), sd[p + "mlp.experts.gate_up_proj_bias"]
            out[b + "ffn_gate_exps.weight"], out[b + "ffn_up_exps.weight"] = fused[:, ::2], fused[:, 1::2]
            out[b + "ffn_gate_exps.bias"], out[b + "ffn_up_exps.bias"] = bias[:, ::2], bias[:, 1::2]
            out[b + "ffn_down_exps.weight"], out[b + "ffn_down_exps.bias"] = sd[p + "mlp.experts.down_proj"].swapaxes(1, 2), sd[p + "mlp.experts.down_proj_bias"]
        return out

    def keys(self, w, cfg):
        sizes(w, cfg, cfg.head_dim)
        w.add_sliding_window(cfg.sliding_window); w.add_expert_feed_forward_length(cfg.intermediate_size)
        w.add_expert_count(cfg.num_local_experts); w.add_expert_used_count(cfg.num_experts_per_tok)
        rope = cfg.rope_parameters
        w.add_rope_freq_base(rope["rope_theta"]); w.add_rope_dimension_count(cfg.head_dim)
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN); w.add_rope_scaling_factor(rope["factor"])
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])


class GraniteMoe:
    arch, types, router, picks = gguf.MODEL_ARCH.GRANITE_MOE, ("F16", "Q8_0"), "GraniteMoeTopKRouter", lambda m, out: (out[0], out[1])

    def config(self):
        return tf.GraniteMoeConfig(vocab_size=N_VOCAB, hidden_size=64, intermediate_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
                                   num_local_experts=10, num_experts_per_tok=4, max_position_embeddings=CONTEXT, rms_norm_eps=1e-6, tie_word_embeddings=True,
                                   embedding_multiplier=12.0, logits_scaling=0.08, residual_multiplier=0.22, attention_multiplier=0.2,
                                   rope_parameters=dict(rope_type="default", rope_theta=10000.0), **EAGER)

    build = staticmethod(lambda cfg: tf.GraniteMoeForCausalLM(cfg))

    def layout(self, cfg, sd):
        out = ends(sd, head=None)
        for i in range(cfg.num_hidden_layers):
            p, b = f"model.layers.{i}.", f"blk.{i}."
            out |= renamed(sd, p, b, ATTENTION | {"post_attention_layernorm": "ffn_norm", "block_sparse_moe.router": "ffn_gate_inp"})
            out[b + "attn_q.weight"] = to_adjacent_pairs(out[b + "attn_q.weight"], cfg.num_attention_heads)
            out[b + "attn_k.weight"] = to_adjacent_pairs(out[b + "attn_k.weight"], cfg.num_key_value_heads)
            out |= experts_in_halves(sd, p + "block_sparse_moe.", b)
        return out

    def keys(self, w, cfg):
        sizes(w, cfg, None)
        w.add_rope_dimension_count(cfg.hidden_size // cfg.num_attention_heads); w.add_rope_freq_base(cfg.rope_parameters["rope_theta"])
        w.add_expert_count(cfg.num_local_experts); w.add_expert_used_count(cfg.num_experts_per_tok)
        w.add_attention_scale(cfg.attention_multiplier); w.add_embedding_scale(cfg.embedding_multiplier)
        w.add_residual_scale(cfg.residual_multiplier); w.add_logit_scale(cfg.logits_scaling)


class DeepseekLite:
    """V2-Lite in the layout of files made before April 2025: keys and values rebuilt from one matrix, cached per head."""
    arch, types, router = gguf.MODEL_ARCH.DEEPSEEK2, ("F16",), "DeepseekV2TopkRouter"
    split_heads = False

    @staticmethod
    def picks(m, out):
        """The reference gives them in no order; the engine lists them by the score that chose them."""
        order = out[1].argsort(dim=-1, descending=True)
        return out[2].gather(1, order), out[1].gather(1, order)

    def config(self):
        return tf.DeepseekV2Config(vocab_size=N_VOCAB, hidden_size=64, intermediate_size=64, moe_intermediate_size=32, num_hidden_layers=3, num_attention_heads=4,
                                   num_key_value_heads=4, n_routed_experts=8, num_experts_per_tok=3, n_shared_experts=2, first_k_dense_replace=1,
                                   routed_scaling_factor=1.0, topk_method="greedy", n_group=1, topk_group=1, norm_topk_prob=False, q_lora_rank=None, kv_lora_rank=32,
                                   qk_nope_head_dim=32, qk_rope_head_dim=16, v_head_dim=32, max_position_embeddings=CONTEXT, rms_norm_eps=1e-6,
                                   rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=40.0, original_max_position_embeddings=32, beta_fast=32,
                                                        beta_slow=1, mscale=0.707, mscale_all_dim=0.707), **EAGER)

    build = staticmethod(lambda cfg: tf.DeepseekV2ForCausalLM(cfg))

    def layout(self, cfg, sd):
        out = ends(sd)
        names = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.q_a_proj": "attn_q_a", "self_attn.q_a_layernorm": "attn_q_a_norm",
                 "self_attn.q_b_proj": "attn_q_b", "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa", "self_attn.kv_a_layernorm": "attn_kv_a_norm",
                 "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate": "ffn_gate_inp"}
        for i in range(cfg.num_hidden_layers):
            p, b = f"model.layers.{i}.", f"blk.{i}."
            out |= renamed(sd, p, b, names)
            kv_b = sd[p + "self_attn.kv_b_proj.weight"]
            if self.split_heads:
                heads = kv_b.reshape(cfg.num_attention_heads, cfg.qk_nope_head_dim + cfg.v_head_dim, cfg.kv_lora_rank)
                out[b + "attn_k_b.weight"] = heads[:, :cfg.qk_nope_head_dim].swapaxes(1, 2)
                out[b + "attn_v_b.weight"] = heads[:, cfg.qk_nope_head_dim:]
            else:
                out[b + "attn_kv_b.weight"] = kv_b
            if i < cfg.first_k_dense_replace:
                out |= gated(sd, p + "mlp.", b, "")
            else:
                out |= experts_in_halves(sd, p + "mlp.", b) | gated(sd, p + "mlp.shared_experts.", b, "_shexp")
                if p + "mlp.gate.e_score_correction_bias" in sd: out[b + "exp_probs_b.bias"] = sd[p + "mlp.gate.e_score_correction_bias"]
        return out

    def keys(self, w, cfg):
        sizes(w, cfg, None, n_kv=1 if self.split_heads else cfg.num_attention_heads)
        d_qk = cfg.qk_nope_head_dim + cfg.qk_rope_head_dim
        w.add_kv_lora_rank(cfg.kv_lora_rank)
        if cfg.q_lora_rank: w.add_q_lora_rank(cfg.q_lora_rank)
        w.add_key_length(cfg.kv_lora_rank + cfg.qk_rope_head_dim if self.split_heads else d_qk)
        w.add_value_length(cfg.kv_lora_rank if self.split_heads else cfg.v_head_dim)
        if self.split_heads: w.add_key_length_mla(d_qk); w.add_value_length_mla(cfg.v_head_dim)
        w.add_rope_dimension_count(cfg.qk_rope_head_dim); w.add_rope_freq_base(cfg.rope_parameters["rope_theta"])
        w.add_leading_dense_block_count(cfg.first_k_dense_replace); w.add_expert_feed_forward_length(cfg.moe_intermediate_size)
        w.add_expert_count(cfg.n_routed_experts); w.add_expert_used_count(cfg.num_experts_per_tok); w.add_expert_shared_count(cfg.n_shared_experts)
        w.add_expert_weights_scale(cfg.routed_scaling_factor)
        if cfg.norm_topk_prob: w.add_expert_weights_norm(True)
        self.routing_keys(w, cfg)
        rope = cfg.rope_parameters
        if rope["rope_type"] == "yarn":
            w.add_rope_scaling_type(gguf.RopeScalingType.YARN); w.add_rope_scaling_factor(rope["factor"])
            w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"]); w.add_rope_scaling_yarn_log_mul(0.1 * rope["mscale_all_dim"])

    def routing_keys(self, w, cfg):
        w.add_expert_gating_func(gguf.ExpertGatingFuncType.SOFTMAX)


class DeepseekLiteSplit(DeepseekLite):
    """V2-Lite as files have it today: the cache holds the latent, heads are unfolded from it."""
    types, split_heads = ("Q8_0",), True


class DeepseekV3(DeepseekLiteSplit):
    types, router = ("F16", "Q4_0"), "DeepseekV3TopkRouter"
    seed_step = 3   # sooner, two groups or experts are so nearly tied that 8-bit activations choose the other
    seed_step = 1   # the first has experts nearly tied at the cut

    def config(self):
        return tf.DeepseekV3Config(vocab_size=N_VOCAB, hidden_size=64, intermediate_size=64, moe_intermediate_size=32, num_hidden_layers=3, num_attention_heads=4,
                                   num_key_value_heads=4, n_routed_experts=12, num_experts_per_tok=3, n_shared_experts=1, first_k_dense_replace=1,
                                   routed_scaling_factor=2.5, n_group=4, topk_group=2, norm_topk_prob=True, q_lora_rank=32, kv_lora_rank=32, qk_nope_head_dim=32,
                                   qk_rope_head_dim=16, v_head_dim=32, max_position_embeddings=CONTEXT, rms_norm_eps=1e-6, rope_interleave=True,
                                   rope_parameters=dict(rope_type="default", rope_theta=10000.0), **EAGER)

    build = staticmethod(lambda cfg: tf.DeepseekV3ForCausalLM(cfg))

    @staticmethod
    def picks(m, out):
        chosen = (torch.sigmoid(out[0]) + m.e_score_correction_bias).gather(1, out[2])
        order = chosen.argsort(dim=-1, descending=True)
        return out[2].gather(1, order), out[1].gather(1, order)

    def routing_keys(self, w, cfg):
        w.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
        w.add_expert_group_count(cfg.n_group); w.add_expert_group_used_count(cfg.topk_group)


class PhiMoe:
    arch, types, router, picks = gguf.MODEL_ARCH.PHIMOE, ("F16", "Q8_0"), "PhimoeTopKRouter", lambda m, out: (out[2], out[1])

    def config(self):
        factors = np.random.default_rng(3).uniform(1.0, 3.0, 8).round(3).tolist()
        return tf.PhimoeConfig(vocab_size=N_VOCAB, hidden_size=64, intermediate_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
                               num_local_experts=8, num_experts_per_tok=2, max_position_embeddings=CONTEXT * 4, rms_norm_eps=1e-5, attention_bias=True, lm_head_bias=True,
                               router_jitter_noise=0.01, sliding_window=None,
                               rope_parameters=dict(rope_type="longrope", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=CONTEXT,
                                                    short_factor=factors, long_factor=[2 * f for f in factors], short_mscale=1.243163, long_mscale=1.243163), **EAGER)

    build = staticmethod(lambda cfg: tf.PhimoeForCausalLM(cfg))

    def layout(self, cfg, sd):
        out = ends(sd)
        for i in range(cfg.num_hidden_layers):
            p, b = f"model.layers.{i}.", f"blk.{i}."
            out |= renamed(sd, p, b, ATTENTION | {"post_attention_layernorm": "ffn_norm", "mlp.router": "ffn_gate_inp"})
            out |= experts_in_halves(sd, p + "mlp.", b)
        rope = cfg.rope_parameters
        out["rope_factors_long.weight"], out["rope_factors_short.weight"] = np.array(rope["long_factor"]), np.array(rope["short_factor"])
        return out

    def keys(self, w, cfg):
        sizes(w, cfg, None)
        rope = cfg.rope_parameters
        w.add_rope_dimension_count(cfg.hidden_size // cfg.num_attention_heads); w.add_rope_freq_base(rope["rope_theta"])
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"]); w.add_rope_scaling_attn_factors(rope["short_mscale"])
        w.add_expert_count(cfg.num_local_experts); w.add_expert_used_count(cfg.num_experts_per_tok)


class Qwen3Next:
    arch, types, router, picks = gguf.MODEL_ARCH.QWEN3NEXT, ("F16", "Q8_0"), "Qwen3NextTopKRouter", lambda m, out: (out[2], out[1])
    root = "model."
    shapes = dict(vocab_size=N_VOCAB, hidden_size=64, intermediate_size=64, moe_intermediate_size=32, shared_expert_intermediate_size=32, num_hidden_layers=3,
                  num_attention_heads=2, num_key_value_heads=1, head_dim=32, num_experts=8, num_experts_per_tok=3, linear_num_key_heads=2, linear_num_value_heads=4,
                  linear_key_head_dim=32, linear_value_head_dim=32, linear_conv_kernel_dim=4, max_position_embeddings=CONTEXT, rms_norm_eps=1e-6,
                  layer_types=["linear_attention"] * 2 + ["full_attention"], tie_word_embeddings=False)

    def config(self):
        return tf.Qwen3NextConfig(**self.shapes, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[],
                                  rope_parameters=dict(rope_type="default", rope_theta=1e6, partial_rotary_factor=0.25), **EAGER)

    build = staticmethod(lambda cfg: tf.Qwen3NextForCausalLM(cfg))

    def layout(self, cfg, sd):
        out = ends(sd)
        for i in range(cfg.num_hidden_layers):
            p, b = f"model.layers.{i}.", f"blk.{i}."
            out |= renamed(sd, p, b, ATTENTION | {"post_attention_layernorm": "post_attention_norm", "mlp.gate": "ffn_gate_inp"})
            if p + "linear_attn.A_log" in sd:
                out |= self.linear_attention(cfg, sd, p + "linear_attn.", b)
                out[b + "ssm_a"] = -np.exp(sd[p + "linear_attn.A_log"])
            out |= experts_in_halves(sd, p + "mlp.", b) | gated(sd, p + "mlp.shared_expert.", b, "_shexp")
            out[b + "ffn_gate_inp_shexp.weight"] = sd[p + "mlp.shared_expert_gate.weight"].reshape(-1)
        for name in list(out):   # the reference stores these norms less one
            if name.endswith("norm.weight") and not name.endswith("ssm_norm.weight"): out[name] = out[name] + 1
        return self.reordered(cfg, out)

    def linear_attention(self, cfg, sd, p, b):
        n_k, d_k, d_v, ratio = cfg.linear_num_key_heads, cfg.linear_key_head_dim, cfg.linear_value_head_dim, cfg.linear_num_value_heads // cfg.linear_num_key_heads
        mixed = sd[p + "in_proj_qkvz.weight"].reshape(n_k, 2 * d_k + 2 * ratio * d_v, cfg.hidden_size)
        parts = np.split(mixed, [d_k, 2 * d_k, 2 * d_k + ratio * d_v], axis=1)
        q, k, v, z = (x.reshape(-1, cfg.hidden_size) for x in parts)
        return {b + "attn_qkv.weight": np.concatenate([q, k, v]), b + "attn_gate.weight": z, b + "ssm_ba.weight": sd[p + "in_proj_ba.weight"],
                b + "ssm_conv1d.weight": sd[p + "conv1d.weight"][:, 0], b + "ssm_dt.bias": sd[p + "dt_bias"], b + "ssm_norm.weight": sd[p + "norm.weight"],
                b + "ssm_out.weight": sd[p + "out_proj.weight"]}

    def reordered(self, cfg, out): return out

    def keys(self, w, cfg):
        sizes(w, cfg, cfg.head_dim)
        w.add_rope_dimension_count(cfg.head_dim // 4); w.add_rope_freq_base(cfg.rope_parameters["rope_theta"])
        w.add_expert_count(cfg.num_experts); w.add_expert_used_count(cfg.num_experts_per_tok); w.add_expert_feed_forward_length(cfg.moe_intermediate_size)
        w.add_expert_shared_feed_forward_length(cfg.shared_expert_intermediate_size)
        w.add_ssm_conv_kernel(cfg.linear_conv_kernel_dim); w.add_ssm_state_size(cfg.linear_key_head_dim); w.add_ssm_group_count(cfg.linear_num_key_heads)
        w.add_ssm_time_step_rank(cfg.linear_num_value_heads); w.add_ssm_inner_size(cfg.linear_value_head_dim * cfg.linear_num_value_heads)
        w.add_full_attention_interval(3)


class Qwen35Moe(Qwen3Next):
    arch, router = gguf.MODEL_ARCH.QWEN35MOE, "Qwen3_5MoeTopKRouter"

    def config(self):
        shapes = {k: v for k, v in self.shapes.items() if k != "intermediate_size"}
        return tf.Qwen3_5MoeTextConfig(**shapes, rope_parameters=dict(rope_type="default", rope_theta=1e7, partial_rotary_factor=0.25, mrope_section=[2, 1, 1]), **EAGER)

    build = staticmethod(lambda cfg: tf.Qwen3_5MoeForCausalLM(cfg))

    def linear_attention(self, cfg, sd, p, b):
        return {b + "attn_qkv.weight": sd[p + "in_proj_qkv.weight"], b + "attn_gate.weight": sd[p + "in_proj_z.weight"], b + "ssm_beta.weight": sd[p + "in_proj_b.weight"],
                b + "ssm_alpha.weight": sd[p + "in_proj_a.weight"], b + "ssm_conv1d.weight": sd[p + "conv1d.weight"][:, 0], b + "ssm_dt.bias": sd[p + "dt_bias"],
                b + "ssm_norm.weight": sd[p + "norm.weight"], b + "ssm_out.weight": sd[p + "out_proj.weight"]}

    def reordered(self, cfg, out):
        n_k, d_v, n_qk = cfg.linear_num_key_heads, cfg.linear_value_head_dim, 2 * cfg.linear_num_key_heads * cfg.linear_key_head_dim
        for name in list(out):
            part, x = name.split(".", 2)[-1], out[name]
            if part in ("attn_qkv.weight", "ssm_conv1d.weight"): out[name] = np.concatenate([x[:n_qk], tiled_heads(x[n_qk:], 0, n_k, d_v)])
            if part == "attn_gate.weight": out[name] = tiled_heads(x, 0, n_k, d_v)
            if part in ("ssm_beta.weight", "ssm_alpha.weight", "ssm_a", "ssm_dt.bias"): out[name] = tiled_heads(x, 0, n_k, 1)
            if part == "ssm_out.weight": out[name] = tiled_heads(x, 1, n_k, d_v)
        return out

    def keys(self, w, cfg):
        cfg.intermediate_size = cfg.moe_intermediate_size
        super().keys(w, cfg)
        w.add_rope_dimension_sections([2, 1, 1, 0])


class Gemma4:
    arch, types, router, picks = gguf.MODEL_ARCH.GEMMA4, ("F16", "Q8_0"), "Gemma4TextRouter", lambda m, out: (out[2], out[1])

    def config(self):
        return tf.Gemma4TextConfig(vocab_size=N_VOCAB, hidden_size=64, intermediate_size=64, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2, head_dim=32,
                                   global_head_dim=64, num_global_key_value_heads=1, attention_k_eq_v=True, sliding_window=12, max_position_embeddings=CONTEXT,
                                   rms_norm_eps=1e-6, final_logit_softcapping=30.0, hidden_size_per_layer_input=0, num_kv_shared_layers=0, enable_moe_block=True,
                                   num_experts=8, top_k_experts=3, moe_intermediate_size=32, tie_word_embeddings=True,
                                   layer_types=["sliding_attention", "sliding_attention", "full_attention"], **EAGER)

    build = staticmethod(lambda cfg: tf.Gemma4ForCausalLM(cfg))

    def layout(self, cfg, sd):
        out = ends(sd, head=None)
        names = ATTENTION | {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
                             "post_feedforward_layernorm_1": "post_ffw_norm_1", "pre_feedforward_layernorm_2": "pre_ffw_norm_2",
                             "post_feedforward_layernorm_2": "post_ffw_norm_2", "router.proj": "ffn_gate_inp"}
        for i in range(cfg.num_hidden_layers):
            p, b = f"model.layers.{i}.", f"blk.{i}."
            out |= renamed(sd, p, b, names) | gated(sd, p + "mlp.", b, "")
            out[b + "ffn_gate_inp.scale"], out[b + "ffn_down_exps.scale"] = sd[p + "router.scale"], sd[p + "router.per_expert_scale"]
            out[b + "ffn_gate_up_exps.weight"], out[b + "ffn_down_exps.weight"] = sd[p + "experts.gate_up_proj"], sd[p + "experts.down_proj"]
            out[b + "layer_output_scale.weight"] = sd[p + "layer_scalar"]
        out["rope_freqs.weight"] = np.array([1.0] * 8 + [1e30] * 24)   # 25 % of 64 dimensions turn
        return out

    def keys(self, w, cfg):
        sliding = [t == "sliding_attention" for t in cfg.layer_types]
        sizes(w, cfg, 64, n_kv=[2 if s else 1 for s in sliding])
        w.add_key_length_swa(32); w.add_value_length_swa(32); w.add_sliding_window(cfg.sliding_window); w.add_sliding_window_pattern(sliding)
        w.add_shared_kv_layers(0); w.add_embedding_length_per_layer_input(0); w.add_final_logit_softcapping(cfg.final_logit_softcapping)
        w.add_rope_dimension_count(64); w.add_rope_dimension_count_swa(32); w.add_rope_freq_base(1e6); w.add_rope_freq_base_swa(1e4)
        w.add_expert_count(cfg.num_experts); w.add_expert_used_count(cfg.top_k_experts); w.add_expert_feed_forward_length(cfg.moe_intermediate_size)


FAMILIES = dict(gptoss=GptOss(), granitemoe=GraniteMoe(), deepseek2lite=DeepseekLite(), deepseek2split=DeepseekLiteSplit(), deepseek2v3=DeepseekV3(), phimoe=PhiMoe(),
                qwen3next=Qwen3Next(), qwen35moe=Qwen35Moe(), gemma4=Gemma4())


# ----------------------------------------------------------------------------------------------------- values, files

def fill(model, family, seed):
    """Weights that keep activations near one and the logits apart; every norm, bias and scale differs from its neutral value."""
    g = torch.Generator().manual_seed(seed)
    rand = lambda p, scale: torch.randn(p.shape, generator=g) * scale
    one_off = isinstance(family, Qwen3Next)
    router_scale = 2.5 if isinstance(family, DeepseekV3) else 3.0   # far enough apart to choose by; a sigmoid saturates sooner
    tied_scale = {"GraniteMoe": 1 / 60, "Gemma4": None}.get(type(family).__name__, 1.0)
    for name, p in list(model.named_parameters()) + [b for b in model.named_buffers() if b[0].endswith(("layer_scalar", "e_score_correction_bias"))]:
        p = p.data
        if name.endswith("A_log"): p.copy_(torch.log(torch.rand(p.shape, generator=g) * 4 + 0.05))
        elif name.endswith("dt_bias"): p.copy_(rand(p, 1.0) - 1)
        elif name.endswith("e_score_correction_bias"): p.copy_(rand(p, 0.3))
        elif name.endswith(("layer_scalar", "per_expert_scale", "router.scale")): p.copy_(1 + rand(p, 0.2))
        elif name.endswith("sinks"): p.copy_(rand(p, 1.0))
        elif name.endswith("conv1d.weight"): p.copy_(rand(p, 0.5))
        elif "norm" in name and name.endswith("bias"): p.copy_(rand(p, 0.1))
        elif "norm" in name: p.copy_(rand(p, 0.2) if one_off and not name.endswith("linear_attn.norm.weight") else 1 + rand(p, 0.2))
        elif name.endswith(("bias", "_bias")): p.copy_(rand(p, 0.1))
        elif "embed_tokens" in name: p.copy_(rand(p, tied_scale if tied_scale else 3 * p.shape[-1] ** -0.5))
        elif name == "lm_head.weight": p.copy_(rand(p, 4 / p.shape[-1] ** 0.5))
        elif name.endswith(("gate.weight", "router.weight", "router.proj.weight")): p.copy_(rand(p, router_scale / p.shape[-1] ** 0.5))
        else: p.copy_(rand(p, 1.2 / (p.shape[1 if name.endswith(("gate_up_proj", "down_proj")) and isinstance(family, GptOss) else -1]) ** 0.5))


def write(path, family, cfg, model, qt):
    """Writes the file and puts the values that it holds back into the model."""
    state = model.state_dict()
    if cfg.tie_word_embeddings: del state["lm_head.weight"]   # the same memory as the embedding
    values = {k: v.detach().numpy().astype(np.float32) for k, v in state.items()}
    first, places = 0, {}
    for k, v in values.items():
        places[k] = np.arange(first, first + v.size, dtype=np.float64).reshape(v.shape)
        first += v.size
    flat = np.concatenate([v.reshape(-1) for v in values.values()])
    origin = family.layout(cfg, places)
    w = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[family.arch])
    w.add_name(os.path.basename(path)[:-5])
    family.keys(w, cfg)
    for name, x in family.layout(cfg, values).items():
        x = np.ascontiguousarray(x, dtype=np.float32)
        plain = x.ndim == 1 or name.endswith((".bias", ".scale")) or "ffn_gate_inp." in name or "conv1d" in name
        if plain or qt == QT.F32:
            w.add_tensor(name, x)
            continue
        data = gguf.quants.quantize(x, qt)
        w.add_tensor(name, data, raw_dtype=qt)
        flat[origin[name].astype(np.int64).reshape(-1)] = gguf.quants.dequantize(data, qt).reshape(-1)
    w.write_header_to_file(); w.write_kv_data_to_file(); w.write_tensors_to_file(); w.close()
    first = 0
    with torch.no_grad():
        for k, v in values.items():
            state[k].copy_(torch.from_numpy(flat[first:first + v.size].reshape(v.shape)))
            first += v.size
    model.tie_weights()


def record(path, family, cfg, model, prompt):
    seen = []
    hooks = [m.register_forward_hook(lambda m, args, out: seen.append(type(family).picks(m, out))) for m in model.modules() if type(m).__name__ == family.router]
    with torch.no_grad():
        logits = model(torch.tensor([prompt]), use_cache=False).logits[0].numpy()
        experts, weights = (np.stack([x[i].reshape(len(prompt), -1).numpy() for x in seen]) for i in (0, 1))
        for hook in hooks: hook.remove()
        text, gaps = list(prompt), []
        for _ in range(N_NEW):
            best = model(torch.tensor([text]), use_cache=False).logits[0, -1].topk(2)
            text.append(int(best.indices[0]))
            gaps.append(round(float(best.values[0] - best.values[1]), 4))
    with open(path[:-5] + ".json", "w") as f:
        json.dump(dict(model=os.path.basename(path), prompt=prompt, greedy=text[len(prompt):], greedy_gap=gaps, experts=experts.tolist(),
                       expert_weights=[[[round(float(x), 6) for x in row] for row in layer] for layer in weights],
                       logits=[[round(float(x), 4) for x in row] for row in logits]), f, separators=(",", ":"))
    print(f"{os.path.basename(path):24} {os.path.getsize(path) // 1024:4} KiB + {os.path.getsize(path[:-5] + '.json') // 1024:4} KiB  logits {logits.std():.2f}  "
          f"smallest gap {min(gaps):.4f}  experts seen {len(np.unique(experts))}", flush=True)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", required=True)
    ap.add_argument("--seed", type=int, default=7)
    ap.add_argument("--cases", default=",".join(FAMILIES))
    args = ap.parse_args()
    os.makedirs(args.out, exist_ok=True)
    for n_case, (name, family) in enumerate(FAMILIES.items()):
        if name not in args.cases.split(","): continue
        seed = args.seed + getattr(family, "seed_step", 0)
        prompt = np.random.default_rng([seed, n_case]).integers(0, N_VOCAB, N_PROMPT).tolist()
        for type_name in family.types:
            torch.manual_seed(seed)
            cfg = family.config()
            model = family.build(cfg).eval().float()
            fill(model, family, seed)
            path = os.path.join(args.out, f"{name}-{type_name}.gguf")
            write(path, family, cfg, model, QT[type_name])
            record(path, family, cfg, model, prompt)


if __name__ == "__main__":
    main()
