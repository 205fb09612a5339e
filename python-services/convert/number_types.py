"""The number types that weights are written in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

# Quiet NaN of bfloat16: rounding could carry a NaN's mantissa into infinity.
_BF16_NAN = 0x7FC0
_ROUND_BITS = 16


def to_bfloat16(values: Floats) -> NDArray[np.uint16]:
    """Round to the nearest bfloat16, ties to even, and return its bits (same shape)."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    odd = (bits >> np.uint32(_ROUND_BITS)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + odd) >> np.uint32(_ROUND_BITS)
    return np.where(np.isnan(values), _BF16_NAN, rounded).astype(np.uint16)


def encode(values: Floats, dtype: str) -> NDArray[np.uint16] | Floats:
    """Return the values in `dtype` (`bfloat16` or `float32`), little-endian and contiguous."""
    if dtype == "bfloat16":
        return to_bfloat16(values)
    return np.ascontiguousarray(values, dtype="<f4")
