"""Prove that MAX compiles and computes here: `prepare` and `check`."""

from __future__ import annotations

import os
import sys
import tempfile

from hyperllama_service.describe import installed_version
from hyperllama_service.trial import run_trial, tell_finding, tell_prepared, value_of

# Imports and the compilation of one addition: 10 s on two quiet cores.
PROBE_DEADLINE_S = 300.0
# The plan's `{cache}`: what the first proof compiles, later ones and starts use.
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
    return tell_prepared(problem, devices=devices)


def check() -> int:
    """Emit one finding a question: package, import, device."""
    version = installed_version("max")
    package = f"max {version}" if version else "not installed"
    tell_finding("max", "package", is_ok=version is not None, because=package)
    devices, problem = probe()
    computes = problem or "it compiles and computes"
    tell_finding("max", "import", is_ok=problem is None, because=computes)
    where = f"computes on {devices}" if devices else "no device"
    tell_finding("max", "device", is_ok=bool(devices), because=where)
    return 0


def probe() -> tuple[str, str | None]:
    """Return the devices it sees, empty when it came to nothing; and why that was."""
    environment = {
        "OTEL_SDK_DISABLED": "true",
        "HF_HUB_OFFLINE": "1",
        "MODULAR_CACHE_DIR": CACHE,
    }
    # An empty folder: MAX reads a file `.env` where it is started.
    with tempfile.TemporaryDirectory(prefix="hyperllama-proof-") as folder:
        lines, problem = run_trial(
            [sys.executable, "-c", PROBE],
            "a test computation",
            deadline_s=PROBE_DEADLINE_S,
            environment=environment,
            folder=folder,
        )
    return value_of("devices", lines) if problem is None else "", problem
