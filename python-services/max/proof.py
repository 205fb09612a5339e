"""Prove that MAX compiles and computes here: `prepare` and `check`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile

from hyperllama_service.describe import installed_version
from hyperllama_service.events import emit

# Imports and the compilation of one addition: 10 s on two quiet cores.
PROBE_DEADLINE_S = 300.0
LINES_SHOWN = 3
# Of the environment: the plan's `{cache}`. What the first proof compiles, later ones and starts use.
CACHE = os.path.join(sys.prefix, "cache")
# The server's own modules, and a graph through its compiler: kernels are made for this processor.
PROBE = """
import max._entrypoints.pipelines, max.serve.api_server
import numpy
from max.driver import CPU, accelerator_count
from max.dtype import DType
from max.engine import InferenceSession
from max.graph import DeviceRef, Graph, TensorType
kind = TensorType(DType.float32, [4], DeviceRef.CPU())
graph = Graph("proof", lambda a, b: a + b, input_types=[kind, kind])
model = InferenceSession(devices=[CPU()]).load(graph)
one = numpy.ones(4, numpy.float32)
assert model(one, one)[0].to_numpy().tolist() == [2, 2, 2, 2]
print("devices cpu" + (f" and {accelerator_count()} GPUs" if accelerator_count() else ""))
"""


def prepare() -> int:
    """Prove that a graph is compiled and computed; exit 1 when that fails."""
    devices, problem = probe()
    if problem is None:
        emit({"event": "prepared", "devices": devices})
        return 0
    emit({"event": "failed", "code": "HL_ENGINE_INSTALL_FAILED", "because": problem})
    return 1


def check() -> int:
    """Emit one finding a question: package, import, device."""
    version = installed_version("max")
    _find("package", version is not None, f"max {version}" if version else "not installed")
    devices, problem = probe()
    _find("import", problem is None, problem or "it compiles and computes")
    _find("device", bool(devices), f"computes on {devices}" if devices else "no device")
    return 0


def probe() -> tuple[str, str | None]:
    """Compile and compute in a child: a build for another CPU dies by a signal.

    Returns:
        The devices it sees, empty when it came to nothing; and why that was.
    """
    # An empty folder: MAX reads a file `.env` where it is started.
    with tempfile.TemporaryDirectory(prefix="hyperllama-proof-") as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-c", PROBE],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PROBE_DEADLINE_S,
                check=False,
                cwd=folder,
                env={
                    **os.environ,
                    "OTEL_SDK_DISABLED": "true",
                    "HF_HUB_OFFLINE": "1",
                    "MODULAR_CACHE_DIR": CACHE,
                },
            )
        except subprocess.TimeoutExpired:
            return "", f"a test computation did not end within {PROBE_DEADLINE_S:.0f} s"
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    if done.returncode == 0:
        return next((line[8:] for line in lines if line.startswith("devices ")), ""), None
    how = f"exit {done.returncode}"
    if done.returncode < 0:
        how = signal.Signals(-done.returncode).name
    return "", f"a test computation ended with {how}: {' | '.join(lines[-LINES_SHOWN:])}"


def _find(code: str, is_ok: bool, because: str) -> None:
    again = "run `hyperllama engines remove max`, then `hyperllama engines install max`"
    hint = None if is_ok else again
    emit({"event": "finding", "ok": is_ok, "code": code, "because": because, "hint": hint})
