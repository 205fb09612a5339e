"""Prove that the converter's packages load and compute: `prepare` and `check`."""

from __future__ import annotations

from hyperllama_service.describe import installed_version
from hyperllama_service.events import emit


def prepare() -> int:
    """Compute one block there and back; exit 1 when that fails."""
    problem = probe()
    if problem is None:
        emit({"event": "prepared"})
        return 0
    emit({"event": "failed", "code": "HL_ENGINE_INSTALL_FAILED", "because": problem})
    return 1


def check() -> int:
    """Emit one finding a question: package, computation."""
    version = installed_version("gguf")
    problem = probe()
    for code, is_ok, because in (
        ("package", version is not None, f"gguf {version}" if version else "not installed"),
        ("compute", problem is None, problem or "a block of weights comes back as it went in"),
    ):
        emit({"event": "finding", "ok": is_ok, "code": code, "because": because, "hint": None})
    return 0


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
