"""Prove that the build works here: `check` tells what is found, `prepare` decodes once."""

from __future__ import annotations

import ctypes.util
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from flags import listen_on
from hyperllama_service.describe import devices, installed_version
from hyperllama_service.events import emit
from proof_model import CONTEXT_TOKENS, write_proof_model

# The proof takes 0.2 s on a CPU; a GPU's first use compiles or loads kernels for a minute.
DECODE_DEADLINE_S = 180.0
TOKENS = 4
LINES_SHOWN = 3
# The driver's library, by the word of the service contract.
DRIVERS = {"nvidia": "cuda", "amd": "amdhip64", "intel": "vulkan"}


def check() -> int:
    """Emit one finding a question: package, import, driver, device, decode."""
    version = installed_version("xllamacpp")
    _find("package", version is not None, f"xllamacpp {version}" if version else "not installed")
    for device in devices():
        if device in DRIVERS and version is not None:
            name = DRIVERS[device]
            found = ctypes.util.find_library(name)
            _find("driver", found is not None, f"lib{name}: {found or 'not found'}")
    problem = prove_decode()
    _find("decode", problem is None, problem or f"{TOKENS} tokens computed")
    return 0


def prepare() -> int:
    """Compute a few tokens as proof; exit 1 when that fails."""
    problem = prove_decode()
    if problem is None:
        emit({"event": "prepared"})
        return 0
    emit({"event": "failed", "code": "HL_ENGINE_INSTALL_FAILED", "because": problem})
    return 1


def prove_decode() -> str | None:
    """Decode with a tiny model in a child; return why it failed, `None` when it did not.

    In a child, because a build for another CPU dies by a signal: a build with AMX kernels crashed
    on a virtual machine that advertised AMX (seen in November 2026).
    """
    with tempfile.TemporaryDirectory(prefix="hyperllama-proof-") as folder:
        model = Path(folder, "proof.gguf")
        write_proof_model(model)
        try:
            done = subprocess.run(
                [sys.executable, os.path.abspath(__file__), str(model)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=DECODE_DEADLINE_S,
                check=False,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        except subprocess.TimeoutExpired:
            return f"no token was computed within {DECODE_DEADLINE_S:.0f} s"
    if done.returncode == 0:
        return None
    how = f"exit {done.returncode}"
    if done.returncode < 0:
        how = signal.Signals(-done.returncode).name
    lines = done.stdout.decode("utf-8", "replace").splitlines()[-LINES_SHOWN:]
    return f"a test decode ended with {how}: {' | '.join(lines)}"


def decode(model: str) -> int:
    """Compute some tokens with the model; for the child of `prove_decode`."""
    import xllamacpp

    params: Any = xllamacpp.CommonParams()
    params.model.path = model
    # A relative path: the folder may lie too deep for the 107 bytes a socket's path may have.
    os.chdir(os.path.dirname(model))
    listen_on(xllamacpp, params, "proof.sock")
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    # A prompt of more than one block of tokens goes through the kernels for matrices too.
    request = {"prompt": "x" * 64, "max_tokens": TOKENS, "ignore_eos": True, "temperature": 0}
    answer = server.handle_completions(request)
    count = answer.get("usage", {}).get("completion_tokens")
    if count != TOKENS:
        sys.stderr.write(f"{TOKENS} tokens were asked for, the answer is {answer}\n")
        return 1
    return 0


def _find(code: str, is_ok: bool, because: str) -> None:
    again = "run `hyperllama engines remove llama-cpp`, then `hyperllama engines install llama-cpp`"
    hint = None if is_ok else again
    emit({"event": "finding", "ok": is_ok, "code": code, "because": because, "hint": hint})


if __name__ == "__main__":
    exit_code = decode(sys.argv[1])
    sys.stderr.flush()
    # The C++ server's threads would be waited for.
    os._exit(exit_code)
