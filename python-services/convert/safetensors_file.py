"""Write a safetensors file, one tensor in memory at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from number_types import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from number_types import Floats

    # Name, shape (rows first) and a function that computes the values.
    Tensor = tuple[str, tuple[int, ...], Callable[[], Floats]]

# Name and bytes of each number type, as the format spells it.
_TYPES = {"float32": ("F32", 4), "bfloat16": ("BF16", 2)}
# Readers map the file: data begins at a multiple of this.
_ALIGNMENT = 8


def write_safetensors(path: str, tensors: Sequence[Tensor], dtype: str) -> None:
    """Write all tensors in `dtype` (`bfloat16` or `float32`).

    The file begins with the header's length (8 bytes, little-endian) and the header (JSON).
    Source: https://github.com/huggingface/safetensors#format
    """
    name_of_type, width = _TYPES[dtype]
    # Readers of PyTorch models ask for this word.
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, shape, _ in tensors:
        size = width
        for length in shape:
            size *= length
        about = {"dtype": name_of_type, "shape": shape, "data_offsets": [offset, offset + size]}
        header[name] = about
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for name, shape, values in tensors:
            data = encode(values(), dtype)
            if data.shape != shape:
                raise ValueError(f"tensor `{name}` has shape {data.shape}, announced {shape}")
            file.write(data.data)
