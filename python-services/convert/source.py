"""A GGUF file as the converter reads it: metadata by name, tensors as float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gguf

if TYPE_CHECKING:
    from number_types import Floats


class UnsupportedError(Exception):
    """The model cannot be written in the wished format; the text says why."""


class Source:
    """An open GGUF file. Shapes are rows first, as numpy has them."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.reader = gguf.GGUFReader(path)
        parts = self.number("split.count", 1)
        if parts > 1:
            raise UnsupportedError(f"it is one of {parts} parts; join them with llama-gguf-split")
        self.tensors = {tensor.name: tensor for tensor in self.reader.tensors}

    def get(self, name: str, default: Any = None) -> Any:
        """Return the metadata value of this full name, or the default."""
        field = self.reader.get_field(name)
        return default if field is None else field.contents()

    def need(self, name: str) -> Any:
        """Return the metadata value of this full name.

        Raises:
            UnsupportedError: the file has none.
        """
        value = self.get(name)
        if value is None:
            raise UnsupportedError(f"the file does not say `{name}`")
        return value

    def number(self, name: str, default: float | None) -> Any:
        """Return the metadata value of this full name, or the default.

        Raises:
            UnsupportedError: it is something else than one number: a list has one for each layer.
        """
        value = self.get(name, default)
        if value is default or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            return value
        kind = type(value).__name__
        raise UnsupportedError(f"its `{name}` is a {kind}; the converter knows a number only")

    def need_number(self, name: str) -> Any:
        """Return the number of this full name.

        Raises:
            UnsupportedError: the file has none.
        """
        self.need(name)
        return self.number(name, None)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor; GGUF stores the fastest dimension first."""
        return tuple(int(length) for length in reversed(self.tensors[name].shape))

    def values(self, name: str) -> Floats:
        """Return a tensor's values, computed from its blocks if it is quantized."""
        tensor = self.tensors[name]
        values: Floats = gguf.dequantize(tensor.data, tensor.tensor_type)
        return values.reshape(self.shape(name))
