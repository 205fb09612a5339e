"""Prove that mlx-lm computes on this machine: `prepare` and `check`."""

from __future__ import annotations

import sys
import tempfile

from hyperllama_service.describe import installed_version
from hyperllama_service.trial import run_trial, tell_finding, tell_prepared, value_of

# Imports of transformers take 5 s from a cold disk; a first use of Metal compiles its kernels.
PROOF_DEADLINE_S = 300.0
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
    return tell_prepared(problem, device=device)


def check() -> int:
    """Emit one finding a question: package, decode, device."""
    version = installed_version("mlx-lm")
    package = f"mlx-lm {version}" if version else "not installed"
    tell_finding("mlx", "package", is_ok=version is not None, because=package)
    device, problem = prove_decode()
    tell_finding("mlx", "decode", is_ok=problem is None, because=problem or "4 tokens computed")
    if problem is None:
        tell_finding("mlx", "device", is_ok=True, because=f"computes on {device}")
    return 0


def prove_decode() -> tuple[str, str | None]:
    """Return the device it computed on, `cpu` or `apple`; and why it failed, `None` if not."""
    # It compiles kernels into the temporary folder and leaves them there.
    with tempfile.TemporaryDirectory(prefix="hyperllama-proof-") as folder:
        lines, problem = run_trial(
            [sys.executable, "-c", PROOF],
            "a test decode",
            deadline_s=PROOF_DEADLINE_S,
            environment={"HF_HUB_OFFLINE": "1", "TMPDIR": folder},
        )
    return value_of("device", lines), problem
