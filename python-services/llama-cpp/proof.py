"""Prove that the build works here: `check` tells what is found, `prepare` decodes once."""

from __future__ import annotations

import ctypes.util
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from flags import listen_on
from hyperllama_service.describe import devices, installed_version
from hyperllama_service.trial import run_trial, tell_finding, tell_prepared
from proof_model import CONTEXT_TOKENS, write_proof_model

# The proof takes 0.2 s on a CPU; a GPU's first use compiles or loads kernels for a minute.
DECODE_DEADLINE_S = 180.0
TOKENS = 4
ENGINE = "llama-cpp"
# The driver's library, by the word of the service contract.
DRIVERS = {"nvidia": "cuda", "amd": "amdhip64", "intel": "vulkan"}


def check() -> int:
    """Emit one finding a question: package, import, driver, device, decode."""
    version = installed_version("xllamacpp")
    package = f"xllamacpp {version}" if version else "not installed"
    tell_finding(ENGINE, "package", is_ok=version is not None, because=package)
    for device in devices():
        if device in DRIVERS and version is not None:
            name = DRIVERS[device]
            found = ctypes.util.find_library(name)
            because = f"lib{name}: {found or 'not found'}"
            tell_finding(ENGINE, "driver", is_ok=found is not None, because=because)
    problem = prove_decode()
    because = problem or f"{TOKENS} tokens computed"
    tell_finding(ENGINE, "decode", is_ok=problem is None, because=because)
    return 0


def prepare() -> int:
    """Compute a few tokens as proof; exit 1 when that fails."""
    return tell_prepared(prove_decode())


def prove_decode() -> str | None:
    """Decode with a tiny model in a child; return why it failed, `None` when it did not.

    A build with AMX kernels crashed on a virtual machine that advertised AMX (seen in November
    2026).
    """
    with tempfile.TemporaryDirectory(prefix="hyperllama-proof-") as folder:
        model = Path(folder, "proof.gguf")
        write_proof_model(model)
        _, problem = run_trial(
            [sys.executable, os.path.abspath(__file__), str(model)],
            "a test decode",
            deadline_s=DECODE_DEADLINE_S,
            environment={"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        return problem


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


if __name__ == "__main__":
    exit_code = decode(sys.argv[1])
    sys.stderr.flush()
    # The C++ server's threads would be waited for.
    os._exit(exit_code)
