"""Prove that mlx-lm computes on this machine: `prepare` and `check`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile

from hyperllama_service.describe import installed_version
from hyperllama_service.events import emit

# Imports of transformers take 5 s from a cold disk; a first use of Metal compiles its kernels.
PROOF_DEADLINE_S = 300.0
LINES_SHOWN = 3
# A model of one layer with random numbers: what it says means nothing, that it computes does.
PROOF = """
import mlx.core as mx
import mlx_lm.server
from mlx_lm.generate import generate_step
from mlx_lm.models.llama import Model, ModelArgs
args = ModelArgs(model_type="llama", hidden_size=64, num_hidden_layers=1, intermediate_size=128,
                 num_attention_heads=2, rms_norm_eps=1e-5, vocab_size=64)
tokens = [token for token, _ in generate_step(mx.arange(16), Model(args), max_tokens=4)]
assert len(tokens) == 4, tokens
print("device", {"gpu": "apple"}.get(mx.default_device().type.name, "cpu"))
"""


def prepare() -> int:
    """Compute a few tokens as proof; exit 1 when that fails."""
    device, problem = prove_decode()
    if problem is None:
        emit({"event": "prepared", "device": device})
        return 0
    emit({"event": "failed", "code": "HL_ENGINE_INSTALL_FAILED", "because": problem})
    return 1


def check() -> int:
    """Emit one finding a question: package, decode, device."""
    version = installed_version("mlx-lm")
    _find("package", version is not None, f"mlx-lm {version}" if version else "not installed")
    device, problem = prove_decode()
    _find("decode", problem is None, problem or "4 tokens computed")
    if problem is None:
        _find("device", True, f"computes on {device}")
    return 0


def prove_decode() -> tuple[str, str | None]:
    """Decode in a child: a build for another CPU dies by a signal.

    Returns:
        The device it computed on, `cpu` or `apple`; and why it failed, `None` when it did not.
    """
    # It compiles kernels into the temporary folder and leaves them there.
    with tempfile.TemporaryDirectory(prefix="hyperllama-proof-") as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-c", PROOF],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PROOF_DEADLINE_S,
                check=False,
                env={**os.environ, "HF_HUB_OFFLINE": "1", "TMPDIR": folder},
            )
        except subprocess.TimeoutExpired:
            return "", f"no token was computed within {PROOF_DEADLINE_S:.0f} s"
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    if done.returncode == 0:
        return next(line[7:] for line in lines if line.startswith("device ")), None
    how = f"exit {done.returncode}"
    if done.returncode < 0:
        how = signal.Signals(-done.returncode).name
    return "", f"a test decode ended with {how}: {' | '.join(lines[-LINES_SHOWN:])}"


def _find(code: str, is_ok: bool, because: str) -> None:
    again = "run `hyperllama engines remove mlx`, then `hyperllama engines install mlx`"
    hint = None if is_ok else again
    emit({"event": "finding", "ok": is_ok, "code": code, "because": because, "hint": hint})
