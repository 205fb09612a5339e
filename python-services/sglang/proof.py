"""Prove that SGLang's kernels load on this machine: `prepare` and `check`."""

from __future__ import annotations

import ctypes.util
import os
import signal
import subprocess
import sys

from hyperllama_service.describe import installed_version
from hyperllama_service.events import emit

# Imports of torch and SGLang: 15 s for its `--help` on two cores, longer from a cold disk.
IMPORT_DEADLINE_S = 300.0
LINES_SHOWN = 3
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
    if problem is None and device:
        emit({"event": "prepared", "device": device})
        return 0
    because = problem or "SGLang finds no device it can compute on"
    emit({"event": "failed", "code": "HL_ENGINE_INSTALL_FAILED", "because": because})
    return 1


def check() -> int:
    """Emit one finding a question: package, driver, import, device."""
    version = installed_version("sglang")
    _find("package", version is not None, f"sglang {version}" if version else "not installed")
    driver = ctypes.util.find_library("cuda")
    _find("driver", driver is not None, f"libcuda: {driver or 'not found'}")
    device, problem = probe()
    _find("import", problem is None, problem or "its kernels load")
    _find("device", bool(device), f"computes on {device}" if device else "no device")
    return 0


def probe() -> tuple[str, str | None]:
    """Import SGLang and compute on the card in a child: a build for another card dies by a signal.

    Returns:
        The device it computes on, empty when it found none; and why that failed.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=IMPORT_DEADLINE_S,
            check=False,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
    except subprocess.TimeoutExpired:
        return "", f"`import sglang` did not end within {IMPORT_DEADLINE_S:.0f} s"
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    if done.returncode == 0:
        return next((line[7:].strip() for line in lines if line.startswith("device ")), ""), None
    how = f"exit {done.returncode}"
    if done.returncode < 0:
        how = signal.Signals(-done.returncode).name
    return "", f"`import sglang` ended with {how}: {' | '.join(lines[-LINES_SHOWN:])}"


def _find(code: str, is_ok: bool, because: str) -> None:
    again = "run `hyperllama engines remove sglang`, then `hyperllama engines install sglang`"
    hint = None if is_ok else again
    emit({"event": "finding", "ok": is_ok, "code": code, "because": because, "hint": hint})
