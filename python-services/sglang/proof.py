"""Prove that SGLang's kernels load on this machine: `prepare` and `check`."""

from __future__ import annotations

import ctypes.util
import sys

from hyperllama_service.describe import installed_version
from hyperllama_service.trial import run_trial, tell_finding, tell_prepared, value_of

# Imports of torch and SGLang: 15 s for its `--help` on two cores, longer from a cold disk.
IMPORT_DEADLINE_S = 300.0
# What the server imports first and a machine without a driver fails at (recorded with 0.5.23:
# `ImportError: libcuda.so.1`); then one multiplication, the least a card must be able to do.
PROBE = """
import sglang.srt.model_loader
import torch
device = torch.device("cuda")
ones = torch.ones((8, 8), device=device, dtype=torch.bfloat16)
assert float((ones @ ones)[0, 0]) == 8.0
print("device", torch.cuda.get_device_name(device))
"""


def prepare() -> int:
    """Prove an import and a computation; exit 1 when they fail."""
    device, problem = probe()
    if problem is None and not device:
        problem = "SGLang finds no device it can compute on"
    return tell_prepared(problem, device=device)


def check() -> int:
    """Emit one finding a question: package, driver, import, device."""
    version = installed_version("sglang")
    package = f"sglang {version}" if version else "not installed"
    tell_finding("sglang", "package", is_ok=version is not None, because=package)
    driver = ctypes.util.find_library("cuda")
    because = f"libcuda: {driver or 'not found'}"
    tell_finding("sglang", "driver", is_ok=driver is not None, because=because)
    device, problem = probe()
    tell_finding("sglang", "import", is_ok=problem is None, because=problem or "its kernels load")
    where = f"computes on {device}" if device else "no device"
    tell_finding("sglang", "device", is_ok=bool(device), because=where)
    return 0


def probe() -> tuple[str, str | None]:
    """Return the device it computes on, empty when it found none; and why that failed."""
    lines, problem = run_trial(
        [sys.executable, "-c", PROBE],
        "`import sglang`",
        deadline_s=IMPORT_DEADLINE_S,
        environment={"HF_HUB_OFFLINE": "1"},
    )
    return value_of("device", lines) if problem is None else "", problem
