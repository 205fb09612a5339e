"""Prove that the converter's packages load and compute: `prepare`."""

from __future__ import annotations

from hyperllama_service.trial import tell_prepared


def prepare() -> int:
    """Compute one block there and back; exit 1 when that fails."""
    return tell_prepared(probe())


def probe() -> str | None:
    """Return why the packages are of no use here; `None` when they are."""
    try:
        import gguf
        import numpy as np
        import tokenizers  # noqa: F401

        values = np.linspace(-1, 1, 32, dtype=np.float32).reshape(1, 32)
        kind = gguf.GGMLQuantizationType.Q8_0
        again = gguf.dequantize(gguf.quantize(values, kind), kind)
    except Exception as error:
        return f"its packages do not load: {error}"
    # Eight bits of a range of 2: half a step is 0.004.
    return None if float(np.abs(values - again).max()) <= 0.008 else "it computes wrong numbers"
