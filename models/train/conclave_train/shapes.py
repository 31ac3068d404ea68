"""The shapes of the three models. Every row length is a multiple of 256, so that any block format applies."""
from dataclasses import dataclass


@dataclass(frozen=True)
class TargetShape:
    """OLMoE (arXiv 2409.02060): RMS-norm over the whole query and key projections, softmax before top-k, no renormalisation."""
    n_vocab: int = 4096
    d_model: int = 256
    n_layers: int = 4
    n_heads: int = 4
    n_experts: int = 8
    n_used: int = 2
    d_expert: int = 256
    rope_base: float = 10000.0
    eps: float = 1e-5
    context: int = 1024

    @property
    def d_head(self) -> int:
        return self.d_model // self.n_heads


@dataclass(frozen=True)
class DrafterShape:
    """Layers of Qwen3's kind: RMS-norm per head on queries and keys, SwiGLU, no biases."""
    n_vocab: int = 4096
    d_model: int = 256
    n_layers: int = 1
    n_heads: int = 4
    d_ff: int = 768
    rope_base: float = 10000.0
    eps: float = 1e-5
    context: int = 1024

    @property
    def d_head(self) -> int:
        return self.d_model // self.n_heads


# Ids of the control tokens, the same in every tokenizer that the recipe makes.
END, USER, ASSISTANT, SYSTEM, MASK = range(5)
CONTROL_TOKENS = ["<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>", "<|mask|>"]
CHAT_TEMPLATE = (
    "{{ '<|endoftext|>' }}{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ '<|endoftext|>' }}{% else %}{{ '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
