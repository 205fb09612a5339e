"""The Llama architecture: names, row order and configuration in GGUF and in safetensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from source import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from number_types import Floats
    from safetensors_file import Tensor
    from source import Source

_OUTSIDE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_IN_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def tensors(source: Source) -> list[Tensor]:
    """Return all tensors under the names that transformers has for them, rows in its order.

    Raises:
        UnsupportedError: there is a tensor that this table does not know.
    """
    heads = int(source.need_number("llama.attention.head_count"))
    heads_kv = int(source.number("llama.attention.head_count_kv", heads))
    permuted = {"attn_q": heads, "attn_k": heads_kv}
    found: list[Tensor] = []
    for name in source.tensors:
        if name in _OUTSIDE:
            found.append((_OUTSIDE[name], source.shape(name), _reading(source, name, None)))
            continue
        prefix, _, rest = name.partition(".")
        layer, _, part = rest.partition(".")
        kind = part.removesuffix(".weight")
        if prefix != "blk" or kind not in _IN_LAYER or not part.endswith(".weight"):
            raise UnsupportedError(f"it has a tensor `{name}`, which the converter does not know")
        new = f"model.layers.{layer}.{_IN_LAYER[kind]}.weight"
        values = _reading(source, name, permuted.get(kind))
        found.append((new, source.shape(name), values))
    return found


def _reading(source: Source, name: str, heads: int | None) -> Callable[[], Floats]:
    def read() -> Floats:
        values = source.values(name)
        return values if heads is None else unpermuted(values, heads)

    return read


def unpermuted(values: Floats, heads: int) -> Floats:
    """Return the rows of a Q or K projection in the order of transformers.

    GGUF has the two halves of each head interleaved, because llama.cpp rotates neighbours where
    transformers rotates a row with the one half a head away.
    """
    rows, columns = values.shape
    pairs = values.reshape(heads, rows // heads // 2, 2, columns)
    ordered: Floats = pairs.swapaxes(1, 2).reshape(rows, columns)
    return ordered


def config(source: Source, dtype: str) -> dict[str, Any]:
    """Return the `config.json` of the model.

    Raises:
        UnsupportedError: positions are scaled, or a needed number is missing.
    """
    scaling = source.get("llama.rope.scaling.type", "none")
    if scaling != "none" or "rope_freqs.weight" in source.tensors:
        raise UnsupportedError("its positions are scaled, which the converter cannot write yet")
    heads = int(source.need_number("llama.attention.head_count"))
    width = int(source.need_number("llama.embedding_length"))
    theta = float(source.number("llama.rope.freq_base", 10_000.0))
    ids = {
        name: source.get(f"tokenizer.ggml.{key}_token_id")
        for name, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"))
    }
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": dtype,
        "torch_dtype": dtype,
        "hidden_size": width,
        "intermediate_size": int(source.need_number("llama.feed_forward_length")),
        "num_hidden_layers": int(source.need_number("llama.block_count")),
        "num_attention_heads": heads,
        "num_key_value_heads": int(source.number("llama.attention.head_count_kv", heads)),
        "head_dim": int(source.number("llama.attention.key_length", width // heads)),
        "hidden_act": "silu",
        "rms_norm_eps": float(source.need_number("llama.attention.layer_norm_rms_epsilon")),
        "max_position_embeddings": int(source.need_number("llama.context_length")),
        # Older readers look for it on the top level only, newer ones below `rope_parameters`.
        "rope_theta": theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": theta},
        "vocab_size": source.shape("token_embd.weight")[0],
        "tie_word_embeddings": "output.weight" not in source.tensors,
        "attention_bias": False,
        "mlp_bias": False,
        **{f"{name}_token_id": value for name, value in ids.items() if value is not None},
    }
