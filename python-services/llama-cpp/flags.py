"""Say which attribute of `xllamacpp.CommonParams` each flag of `llama-server` sets.

One table. What is not in it is refused: a flag that is dropped in silence would make a plan lie.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Setter = "Callable[[Any, str], None]"


class FlagError(ValueError):
    """A flag is unknown, lacks its value or has a wrong one."""


def _put(path: str, read: Callable[[str], Any]) -> Callable[[Any, Any, str], None]:
    """Return a setter of `params.a.b`, given `a.b`."""
    *folders, name = path.split(".")

    def setter(_module: Any, params: Any, text: str) -> None:
        target = params
        for folder in folders:
            target = getattr(target, folder)
        setattr(target, name, read(text))

    return setter


def _fixed(path: str, value: Any) -> Callable[[Any, Any, str], None]:
    return _put(path, lambda _: value)


def _whole(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text)
        if number < least:
            raise ValueError(f"expected {least} or more")
        return number

    return read


def _enum(path: str, kind: str, names: dict[str, str]) -> Callable[[Any, Any, str], None]:
    """Return a setter that looks the word up in an enum of the module."""

    def setter(module: Any, params: Any, text: str) -> None:
        if text not in names:
            raise ValueError(f"expected one of {', '.join(names)}")
        setattr(params, path, getattr(getattr(module, kind), names[text]))

    return setter


def _word(path: str, values: dict[str, Any]) -> Callable[[Any, Any, str], None]:
    """Return a setter that takes one of a few words."""

    def read(text: str) -> Any:
        if text not in values:
            raise ValueError(f"expected one of {', '.join(values)}")
        return values[text]

    return _put(path, read)


def listen_on(_module: Any, params: Any, text: str) -> None:
    """Set where it listens. One address only before 2026.10: an update starts both versions."""
    if hasattr(params, "hostnames"):
        params.hostnames = text.split(",")
    else:
        params.hostname = text


def _ignored(_module: Any, _params: Any, _text: str) -> None:
    """Accept what is already so in this build."""


_CACHE_TYPES = {
    name: f"GGML_TYPE_{name.upper()}"
    for name in ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
}
_FLASH = {
    "on": "LLAMA_FLASH_ATTN_TYPE_ENABLED",
    "off": "LLAMA_FLASH_ATTN_TYPE_DISABLED",
    "auto": "LLAMA_FLASH_ATTN_TYPE_AUTO",
}
_LOAD = {
    "auto": "LLAMA_LOAD_MODE_AUTO",
    "none": "LLAMA_LOAD_MODE_NONE",
    "mmap": "LLAMA_LOAD_MODE_MMAP",
    "mlock": "LLAMA_LOAD_MODE_MLOCK",
    "mmap+mlock": "LLAMA_LOAD_MODE_MMAP_MLOCK",
    "dio": "LLAMA_LOAD_MODE_DIRECT_IO",
}
_FIT = {"on": True, "off": False}
_POOLING = {
    name: f"LLAMA_POOLING_TYPE_{name.upper()}" for name in ("none", "mean", "cls", "last", "rank")
}
_REASONING = {
    "none": "COMMON_REASONING_FORMAT_NONE",
    "auto": "COMMON_REASONING_FORMAT_AUTO",
    "deepseek": "COMMON_REASONING_FORMAT_DEEPSEEK",
    "deepseek-legacy": "COMMON_REASONING_FORMAT_DEEPSEEK_LEGACY",
}
_SPLIT = {name: f"LLAMA_SPLIT_MODE_{name.upper()}" for name in ("none", "layer", "row", "tensor")}


def _gpu_layers(text: str) -> int:
    # The C++ parser's own words: -1 is `auto`, -2 is `all`.
    return {"auto": -1, "all": -2}.get(text) or _whole(-1)(text)


_SPECULATIVE = {"draft-simple": "COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE"}


def speculate(module: Any, params: Any, text: str) -> None:
    """Set who proposes tokens."""
    if text not in _SPECULATIVE:
        raise ValueError(f"expected one of {', '.join(_SPECULATIVE)}")
    params.speculative.types = [getattr(module.common_speculative_type, _SPECULATIVE[text])]


def adapt(module: Any, params: Any, text: str) -> None:
    """Add the adapter in a file to the weights, in full."""
    info = module.CommonAdapterLoraInfo()
    info.path, info.scale = text, 1.0
    params.lora_adapters = [*params.lora_adapters, info]


def _tensor_split(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


# Flags with a value.
VALUED: dict[str, Callable[[Any, Any, str], None]] = {
    "--model": _put("model.path", str),
    "--host": listen_on,
    "--port": _put("port", _whole(0)),
    "--alias": _put("model_alias", lambda text: set(text.split(","))),
    "--ctx-size": _put("n_ctx", _whole(0)),
    "--parallel": _put("n_parallel", _whole(1)),
    # 0 threads abort the C++ side (exit 134).
    "--threads": _put("cpuparams.n_threads", _whole(1)),
    "--threads-batch": _put("cpuparams_batch.n_threads", _whole(1)),
    "--threads-http": _put("n_threads_http", _whole(1)),
    "--batch-size": _put("n_batch", _whole(1)),
    "--ubatch-size": _put("n_ubatch", _whole(1)),
    "--poll": _put("cpuparams.poll", _whole(0)),
    "--poll-batch": _put("cpuparams_batch.poll", _whole(0)),
    "--flash-attn": _enum("flash_attn_type", "llama_flash_attn_type", _FLASH),
    "--cache-type-k": _enum("cache_type_k", "ggml_type", _CACHE_TYPES),
    "--cache-type-v": _enum("cache_type_v", "ggml_type", _CACHE_TYPES),
    "--cache-ram": _put("cache_ram_mib", _whole(-1)),
    "--cache-reuse": _put("n_cache_reuse", _whole(0)),
    "--load-mode": _enum("load_mode", "llama_load_mode", _LOAD),
    "--fit": _word("fit_params", _FIT),
    "--n-gpu-layers": _put("n_gpu_layers", _gpu_layers),
    "--main-gpu": _put("main_gpu", _whole(0)),
    "--split-mode": _enum("split_mode", "llama_split_mode", _SPLIT),
    "--pooling": _enum("pooling_type", "llama_pooling_type", _POOLING),
    "--reasoning-format": _enum("reasoning_format", "common_reasoning_format", _REASONING),
    "--seed": _put("sampling.seed", _whole(0)),
    "--mmproj": _put("mmproj.path", str),
    "--spec-type": speculate,
    "--spec-draft-model": _put("speculative.draft.mparams.path", str),
    "--spec-draft-n-max": _put("speculative.draft.n_max", _whole(0)),
    "--spec-draft-ngl": _put("speculative.draft.n_gpu_layers", _gpu_layers),
    "--lora": adapt,
    "--chat-template": _put("chat_template", str),
    "--rope-freq-base": _put("rope_freq_base", float),
    "--rope-freq-scale": _put("rope_freq_scale", float),
    "--keep": _put("n_keep", _whole(-1)),
    "--ctx-checkpoints": _put("n_ctx_checkpoints", _whole(0)),
    "--slot-prompt-similarity": _put("slot_prompt_similarity", float),
    "--timeout": _put("timeout_read", _whole(1)),
    "--verbosity": _put("verbosity", _whole(0)),
}

# Flags without a value.
SWITCHES: dict[str, Callable[[Any, Any, str], None]] = {
    "--metrics": _fixed("endpoint_metrics", True),
    "--slots": _fixed("endpoint_slots", True),
    "--no-slots": _fixed("endpoint_slots", False),
    "--props": _fixed("endpoint_props", True),
    "--kv-unified": _fixed("kv_unified", True),
    "--no-kv-unified": _fixed("kv_unified", False),
    "--cache-prompt": _fixed("cache_prompt", True),
    "--no-cache-prompt": _fixed("cache_prompt", False),
    "--cont-batching": _fixed("cont_batching", True),
    "--no-cont-batching": _fixed("cont_batching", False),
    "--context-shift": _fixed("ctx_shift", True),
    "--no-context-shift": _fixed("ctx_shift", False),
    "--embedding": _fixed("embedding", True),
    "--warmup": _fixed("warmup", True),
    "--no-warmup": _fixed("warmup", False),
    "--jinja": _fixed("use_jinja", True),
    "--no-jinja": _fixed("use_jinja", False),
    "--no-kv-offload": _fixed("no_kv_offload", True),
    "--swa-full": _fixed("swa_full", True),
    "--check-tensors": _fixed("check_tensors", True),
    "--offline": _fixed("offline", True),
    "--ui": _fixed("ui", True),
    "--no-ui": _fixed("ui", False),
    "--webui": _fixed("ui", True),
    "--no-webui": _fixed("ui", False),
}


def apply_flags(module: Any, params: Any, argv: list[str]) -> None:
    """Set on `params` what `argv` says.

    Raises:
        FlagError: a flag is unknown, lacks its value or has a wrong one.
    """
    words = iter(argv)
    for word in words:
        flag, has_value, text = word.partition("=")
        if flag in SWITCHES and not has_value:
            SWITCHES[flag](module, params, "")
            continue
        setter = VALUED.get(flag)
        if setter is None:
            raise FlagError(f"unknown flag `{word}`")
        value = text if has_value else next(words, None)
        if value is None:
            raise FlagError(f"`{flag}` needs a value")
        try:
            setter(module, params, value)
        except (ValueError, TypeError, OverflowError, AttributeError) as error:
            raise FlagError(f"`{flag}` got `{value}`: {error}") from error
