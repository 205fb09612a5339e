"""The tokenizer of a GGUF file as the files that the `tokenizers` library reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from source import UnsupportedError
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from source import Source

_BYTES: dict[str, Any] = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}
# How text is cut before the merges, by llama.cpp's word for it. Each is here because its ids were
# compared with llama.cpp's own.
_SPLITS: dict[str, Any] = {
    "gpt-2": _BYTES,
    "smollm": {
        "type": "Sequence",
        "pretokenizers": [{"type": "Digits", "individual_digits": True}, _BYTES],
    },
}
# llama.cpp's kinds of token.
_CONTROL = (2, 3)
_USER_DEFINED = 4
# Letters, digits, spaces, a line, an accent and an emoji: all bytes must come back.
_PROBE = "It is 2026,\n  and café — 🦙 costs 12.50!"


def write_tokenizer(source: Source, folder: str) -> None:
    """Write `tokenizer.json`, its config and the chat template, and prove that they load.

    Raises:
        UnsupportedError: it is another kind of tokenizer than is known here.
    """
    model = source.need("tokenizer.ggml.model")
    split = source.get("tokenizer.ggml.pre", "gpt-2")
    if model != "gpt2" or split not in _SPLITS:
        known = ", ".join(f"`{name}`" for name in _SPLITS)
        because = f"its tokenizer is `{model}` with `{split}`; known are `gpt2` with {known}"
        raise UnsupportedError(because)
    if source.get("tokenizer.ggml.add_bos_token", False):
        because = "it puts a token before every text (`tokenizer.ggml.add_bos_token`), which"
        raise UnsupportedError(f"{because} the converter cannot write yet")
    tokens: list[str] = source.need("tokenizer.ggml.tokens")
    kinds: list[int] = source.get("tokenizer.ggml.token_type", [1] * len(tokens))
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            _added(number, tokens[number], kind in _CONTROL)
            for number, kind in enumerate(kinds)
            if kind in (*_CONTROL, _USER_DEFINED)
        ],
        "normalizer": None,
        "pre_tokenizer": _SPLITS[split],
        "post_processor": None,
        "decoder": _BYTES,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in source.need("tokenizer.ggml.merges")],
        },
    }
    text = json.dumps(document, ensure_ascii=False)
    # Proof before anything is kept: it loads, and gives back what it was given.
    loaded = Tokenizer.from_str(text)
    if loaded.decode(loaded.encode(_PROBE).ids) != _PROBE:
        raise UnsupportedError("its tokenizer does not give back the text that it was given")
    Path(folder, "tokenizer.json").write_text(text, encoding="utf-8")
    _write_settings(source, folder, tokens)


def _write_settings(source: Source, folder: str, tokens: list[str]) -> None:
    names = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    numbers = {name: source.get(f"tokenizer.ggml.{key}_token_id") for name, key in names.items()}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": int(source.need_number("llama.context_length")),
        "clean_up_tokenization_spaces": False,
        **{
            f"{name}_token": tokens[number]
            for name, number in numbers.items()
            if number is not None
        },
    }
    write_json(Path(folder, "tokenizer_config.json"), settings)
    template = source.get("tokenizer.chat_template")
    if template is not None:
        Path(folder, "chat_template.jinja").write_text(template, encoding="utf-8")


def _added(number: int, content: str, is_special: bool) -> dict[str, Any]:
    return {
        "id": number,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": is_special,
    }


def write_json(path: Path, value: object) -> None:
    """Write an object for machines and people."""
    path.write_text(f"{json.dumps(value, indent=2)}\n", encoding="utf-8")
