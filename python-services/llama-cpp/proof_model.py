"""Write a model of half a megabyte that means nothing, to prove that a build computes at all.

Its matrices are quantized (Q4_0, Q8_0), because that is where builds for the wrong CPU crash: in
the kernels for quantized weights. Layout: the GGUF specification of ggml, version 3.
"""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = 256
FEED_FORWARD = 512
HEADS = 4
CONTEXT_TOKENS = 256
# A whole number of blocks: 3 control tokens, 256 byte tokens and 29 more.
VOCABULARY = 288
SEED = 1

# Value types and tensor types of the specification.
_UINT32, _INT32, _FLOAT32, _STRING, _ARRAY = 4, 5, 6, 8, 9
_F32, _Q4_0, _Q8_0 = 0, 2, 8
_ALIGNMENT = 32
_BLOCK = 32
# Kinds of tokens: normal, unknown, control, byte.
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6


def write_proof_model(path: Path) -> None:
    """Write the model; the same bytes each time."""
    source = random.Random(SEED)
    tensors = [(name, shape, kind) for name, shape, kind in _tensors()]
    metadata = _metadata()
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(_text(key) + value for key, value in metadata)
    data = b""
    for name, shape, kind in tensors:
        head += _text(name) + struct.pack("<I", len(shape))
        head += b"".join(struct.pack("<Q", size) for size in shape)
        head += struct.pack("<IQ", kind, len(data))
        data += _padded(_values(source, shape, kind))
    path.write_bytes(_padded(head) + data)


def _tensors() -> list[tuple[str, tuple[int, ...], int]]:
    square = (HIDDEN, HIDDEN)
    block = {
        "attn_norm": ((HIDDEN,), _F32),
        "attn_q": (square, _Q4_0),
        "attn_k": (square, _Q4_0),
        "attn_v": (square, _Q8_0),
        "attn_output": (square, _Q4_0),
        "ffn_norm": ((HIDDEN,), _F32),
        "ffn_gate": ((HIDDEN, FEED_FORWARD), _Q4_0),
        "ffn_up": ((HIDDEN, FEED_FORWARD), _Q8_0),
        "ffn_down": ((FEED_FORWARD, HIDDEN), _Q4_0),
    }
    return [
        ("token_embd.weight", (HIDDEN, VOCABULARY), _Q8_0),
        *((f"blk.0.{name}.weight", shape, kind) for name, (shape, kind) in block.items()),
        ("output_norm.weight", (HIDDEN,), _F32),
        ("output.weight", (HIDDEN, VOCABULARY), _Q8_0),
    ]


def _values(source: random.Random, shape: tuple[int, ...], kind: int) -> bytes:
    count = 1
    for size in shape:
        count *= size
    if kind == _F32:
        return struct.pack("<f", 1.0) * count
    # A block of 32 values: one half-precision scale, then 4 or 8 bits a value.
    scale, length = (0.02, _BLOCK // 2) if kind == _Q4_0 else (0.001, _BLOCK)
    head = struct.pack("<e", scale)
    return b"".join(head + source.randbytes(length) for _ in range(count // _BLOCK))


def _metadata() -> list[tuple[str, bytes]]:
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256]
    spare = VOCABULARY - len(tokens)
    tokens += [f"w{number}" for number in range(spare)]
    kinds += [_NORMAL] * spare
    sizes = {
        "context_length": CONTEXT_TOKENS,
        "embedding_length": HIDDEN,
        "block_count": 1,
        "feed_forward_length": FEED_FORWARD,
        "attention.head_count": HEADS,
        "attention.head_count_kv": HEADS,
        "rope.dimension_count": HIDDEN // HEADS,
    }
    epsilon = struct.pack("<If", _FLOAT32, 1e-5)
    return [
        ("general.architecture", _string("llama")),
        ("general.name", _string("HyperLlama proof")),
        *((f"llama.{name}", struct.pack("<II", _UINT32, size)) for name, size in sizes.items()),
        ("llama.attention.layer_norm_rms_epsilon", epsilon),
        ("tokenizer.ggml.model", _string("llama")),
        ("tokenizer.ggml.tokens", _array(_STRING, [_text(token) for token in tokens])),
        ("tokenizer.ggml.scores", _array(_FLOAT32, [struct.pack("<f", 0.0)] * VOCABULARY)),
        ("tokenizer.ggml.token_type", _array(_INT32, [struct.pack("<i", kind) for kind in kinds])),
        ("tokenizer.ggml.bos_token_id", struct.pack("<II", _UINT32, 1)),
        ("tokenizer.ggml.eos_token_id", struct.pack("<II", _UINT32, 2)),
    ]


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _string(value: str) -> bytes:
    return struct.pack("<I", _STRING) + _text(value)


def _array(kind: int, items: list[bytes]) -> bytes:
    return struct.pack("<IIQ", _ARRAY, kind, len(items)) + b"".join(items)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNMENT)
