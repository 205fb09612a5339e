"""Write the same model as another GGUF file: everything as it was, weights as plain numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gguf
from number_types import encode

if TYPE_CHECKING:
    from source import Source

_TYPES = {
    "float32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32, 4),
    "bfloat16": (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16, 2),
}
# Written anew; the reader also lists the file's own counters as fields.
_OWN = (
    "general.architecture",
    "general.file_type",
    "general.quantization_version",
    "general.alignment",
)


class UnreadableError(Exception):
    """What was written reads otherwise than it was meant; the text says how."""


def write_gguf(source: Source, path: str, dtype: str) -> None:
    """Write all weights in `dtype` (`bfloat16` or `float32`); one tensor is in memory at a time.

    Tensors of one dimension (norms) stay float32, as llama.cpp itself writes them.

    Raises:
        UnreadableError: the file cannot be read again.
    """
    kind, file_type, width = _TYPES[dtype]
    writer = gguf.GGUFWriter(path, source.need("general.architecture"))
    for field in source.reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in _OWN:
            continue
        sub_type = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type)
    writer.add_file_type(file_type)
    alignment = source.number("general.alignment", None)
    if alignment is not None:
        # The writer has to place the tensors by it too.
        writer.add_custom_alignment(int(alignment))
    plain = gguf.GGMLQuantizationType.F32
    names = list(source.tensors)
    wide = {name: len(source.shape(name)) > 1 for name in names}
    for name in names:
        shape = source.shape(name)
        count = int(source.tensors[name].n_elements)
        size = count * (width if wide[name] else 4)
        numbers = encode(source.values(name)[:0], dtype if wide[name] else "float32")
        writer.add_tensor_info(
            name, shape, numbers.dtype, size, raw_dtype=kind if wide[name] else plain
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name in names:
        writer.write_tensor_data(encode(source.values(name), dtype if wide[name] else "float32"))
    writer.close()
    last = encode(source.values(names[-1]), dtype if wide[names[-1]] else "float32")
    _check(path, names, last.tobytes())


def _check(path: str, names: list[str], last: bytes) -> None:
    """Read it again: whatever was placed wrongly, the last tensor shows it."""
    try:
        tensors = gguf.GGUFReader(path).tensors
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise UnreadableError(f"what was written cannot be read again: {error}") from error
    if [tensor.name for tensor in tensors] != names or tensors[-1].data.tobytes() != last:
        raise UnreadableError("what was written reads otherwise than it was meant")
