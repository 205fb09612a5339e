"""Install what an order on stdin asks for: `python -m hyperllama_service.install`.

The end of stdin aborts it. One install of a target at a time, by a lock that the kernel frees.
"""

from __future__ import annotations

import os
import select
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from .events import decode, emit
from .install_job import InstallError, Job
from .install_kinds import make_conversion, make_environment, make_package_file
from .install_run import Caller, CancelledError, StalledError
from .install_target import clear, is_present
from .locks import try_lock
from .sweep import sweep_target

if TYPE_CHECKING:
    from collections.abc import Sequence

PYTHON_MIN = (3, 10)
ORDER_BYTES_MAX = 1024 * 1024
ORDER_DEADLINE_S = 10.0
WAIT_STEP_S = 0.1
# Somebody may fetch gigabytes over a slow line before us; the caller may leave at any time.
WAIT_LIMIT_S = 6 * 3600.0
WAITING_STEP_S = 5.0
# Room beyond the sizes named in the order: they are rounded, and file systems need some.
DISK_FACTOR = 1.1
GIB = 1024**3

TEXT_FIELDS = {
    "environment": ("target", "lock", "service", "version", "recipe"),
    "package-file": ("target", "requirement", "member", "sha256"),
    "conversion": ("target", "python", "service"),
}
MAKERS = {
    "environment": make_environment,
    "package-file": make_package_file,
    "conversion": make_conversion,
}


def main() -> int:
    """Follow the order on stdin; the last line says how it ended."""
    began = time.monotonic()
    os.umask(0o077)
    caller = Caller()
    try:
        order = read_order()
        check_python()
        was, installer = _install(order, caller)
    except InstallError as error:
        return _fail(error.code, error.because)
    except (CancelledError, BrokenPipeError):
        return _fail("HL_CANCELLED", "the caller left")
    except StalledError as error:
        return _fail("HL_DOWNLOAD_FAILED", str(error))
    except OSError as error:
        # 28 is ENOSPC, 122 EDQUOT.
        if error.errno in (28, 122):
            return _fail("HL_DISK_FULL", f"`{error.filename}`: {error.strerror}")
        return _fail("HL_ENGINE_INSTALL_FAILED", str(error))
    duration_ms = int((time.monotonic() - began) * 1000)
    about = {"durationMs": duration_ms, "installer": installer, "was": was}
    emit({"event": "installed", "target": order["target"], **about})
    return 0


def read_order() -> dict[str, Any]:
    """Read and check the first line on stdin.

    Raises:
        InstallError: it does not come or cannot be followed.
    """
    data = b""
    deadline = time.monotonic() + ORDER_DEADLINE_S
    while not data.endswith(b"\n"):
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not select.select([0], [], [], left_s)[0]:
            raise InstallError("HL_ENGINE_INSTALL_FAILED", "no order came on stdin")
        # Byte by byte: what follows belongs to whoever watches for the end.
        byte = os.read(0, 1)
        data += byte
        if not byte or len(data) > ORDER_BYTES_MAX:
            raise InstallError("HL_ENGINE_INSTALL_FAILED", "the order on stdin is not whole")
    order = decode(data) or {}
    names: Sequence[str] = TEXT_FIELDS.get(str(order.get("kind")), ("kind",))
    wrong = [name for name in names if not isinstance(order.get(name), str)]
    wrong += [name for name in ("bytesDownload", "bytesOnDisk") if type(order.get(name)) is not int]
    if wrong or not os.path.isabs(order["target"]):
        because = f"the order lacks or misspells {', '.join(wrong or ['target'])}"
        raise InstallError("HL_ENGINE_INSTALL_FAILED", because)
    if order["kind"] == "conversion" and not (
        _is_list_of_texts(order.get("arguments")) and isinstance(order.get("isOurs"), bool)
    ):
        because = "the order's `arguments` are no texts, or its `isOurs` is no boolean"
        raise InstallError("HL_ENGINE_INSTALL_FAILED", because)
    if not isinstance(order.setdefault("index", None), (str, type(None))):
        raise InstallError("HL_ENGINE_INSTALL_FAILED", "the order's `index` is not a string")
    return order


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def check_python() -> None:
    """Refuse a Python that the services cannot run on, before any download.

    Raises:
        InstallError: HL_PYTHON_TOO_OLD.
    """
    if sys.version_info < PYTHON_MIN:
        have = ".".join(map(str, sys.version_info[:3]))
        need = ".".join(map(str, PYTHON_MIN))
        because = f"`{sys.executable}` is Python {have}, {need} or newer is needed"
        raise InstallError("HL_PYTHON_TOO_OLD", because)


def _install(order: dict[str, Any], caller: Caller) -> tuple[str, str | None]:
    """Return whether it is `new` or was `present`, and what installed it."""
    target = order["target"]
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    if not order.get("isOurs", True):
        # In a folder of the user's nothing is ours to lock, to sweep or to replace.
        return "new", _make(order, caller, lock=None)
    lock = _wait_for_lock(f"{target}.lock", caller)
    try:
        sweep_target(target)
        return ("present", None) if is_present(order) else ("new", _make(order, caller, lock=lock))
    finally:
        os.close(lock)


def _make(order: dict[str, Any], caller: Caller, *, lock: int | None) -> str | None:
    _check_disk(order)
    staging = f"{order['target']}.staging-{os.getpid()}"
    os.mkdir(staging, 0o700)
    try:
        job = Job(order, staging, caller=caller, lock=lock)
        if lock is not None:
            clear(order["target"])
        return MAKERS[order["kind"]](job)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _wait_for_lock(path: str, caller: Caller) -> int:
    limit = time.monotonic() + WAIT_LIMIT_S
    said = 0.0
    while True:
        lock = try_lock(path)
        if lock is not None:
            return lock
        now = time.monotonic()
        if now >= limit:
            raise StalledError(f"another install held `{path}` for {WAIT_LIMIT_S / 3600:.0f} h")
        if now - said >= WAITING_STEP_S:
            said = now
            emit({"event": "waiting"})
        caller.check()
        time.sleep(WAIT_STEP_S)


def _check_disk(order: dict[str, Any]) -> None:
    folder = os.path.dirname(order["target"])
    needed = int((order["bytesDownload"] + order["bytesOnDisk"]) * DISK_FACTOR)
    free = shutil.disk_usage(folder).free
    if free < needed:
        because = f"`{folder}` has {free / GIB:.1f} GiB free, {needed / GIB:.1f} GiB is needed"
        raise InstallError("HL_DISK_FULL", because)


def _fail(code: str, because: str) -> int:
    emit({"event": "failed", "code": code, "because": because})
    return 1


if __name__ == "__main__":
    sys.exit(main())
