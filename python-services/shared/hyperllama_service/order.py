"""Read the order of a session: the first line on the guard's stdin, checked once, then trusted."""

from __future__ import annotations

import os
import re
import signal

from .events import decode
from .process import TOKEN_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Nobody keeps an engine longer than a month by one command.
KEEP_ALIVE_MS_MAX = 31 * 24 * 3600 * 1000
GRACE_MS_MAX = 600_000
# An engine makes sockets of some 40 bytes in its temporary folder, and a socket's path may have
# 103 bytes on macOS.
TEMPORARY_BYTES_MAX = 60

# What an engine may see of the caller's environment; everything else has to stand in the order.
ENVIRONMENT_ALLOWED = frozenset(
    "PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TMPDIR XDG_CACHE_HOME XDG_RUNTIME_DIR"
    " LD_LIBRARY_PATH DYLD_LIBRARY_PATH CUDA_HOME CUDA_PATH CUDA_VISIBLE_DEVICES"
    " CUDA_DEVICE_ORDER NVIDIA_VISIBLE_DEVICES NVIDIA_DRIVER_CAPABILITIES ROCM_PATH"
    " HIP_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES HSA_OVERRIDE_GFX_VERSION ZE_AFFINITY_MASK"
    " ONEAPI_DEVICE_SELECTOR GGML_VK_VISIBLE_DEVICES VK_ICD_FILENAMES VK_DRIVER_FILES".split()
)


class OrderError(ValueError):
    """The order cannot be followed; the text says which field and why."""


class Address:
    """Where the engine is to listen: a unix socket or a TCP port."""

    __slots__ = ("host", "kind", "path", "port")

    def __init__(self, value: dict[str, Any]) -> None:
        self.kind = _field(value, "kind", str)
        self.path = self.host = ""
        self.port = 0
        if self.kind == "unix":
            self.path = _absolute(value, "path")
        elif self.kind == "tcp":
            self.host = _field(value, "host", str)
            self.port = _number(value, "port", 65535)
        else:
            raise OrderError(f"`address.kind` is `{self.kind}`, expected `unix` or `tcp`")

    def to_json(self) -> dict[str, Any]:
        """Return the address as it stood in the order."""
        if self.kind == "unix":
            return {"kind": "unix", "path": self.path}
        return {"kind": "tcp", "host": self.host, "port": self.port}


class Order:
    """A session as ordered. All paths are absolute, all durations in milliseconds."""

    def __init__(self, value: dict[str, Any]) -> None:
        self.key = _matching(value, "key", r"[0-9a-f]{8}")
        self.token = _matching(value, "token", r"[0-9a-f]{32}")
        self.run_folder = _absolute(value, "runFolder")
        self.ledger_file = _absolute(value, "ledgerFile")
        self.log_file = _absolute(value, "logFile")
        self.keep_alive_ms = _number(value, "keepAliveMs", KEEP_ALIVE_MS_MAX)
        shutdown = _field(value, "shutdown", dict)
        name = _matching(shutdown, "signal", r"SIGTERM|SIGINT|SIGHUP|SIGQUIT")
        self.shutdown_signal = int(signal.Signals[name])
        self.grace_ms = _number(shutdown, "graceMs", GRACE_MS_MAX)
        self.executable: str | None = None
        if value.get("executable") is not None:
            self.executable = _absolute(value, "executable")
        self.argv = _strings(value.get("argv"), "argv")
        self.variables = dict(_pairs(value.get("environment", {})))
        self.address = Address(_field(value, "address", dict))
        self.about = value.get("about", {})

    def environment(self) -> dict[str, str]:
        """Return the engine's whole environment: allow-list, order, run token."""
        allowed = {
            name: text
            for name, text in os.environ.items()
            if name in ENVIRONMENT_ALLOWED or name.startswith("LC_")
        }
        if self.temporary is not None:
            allowed["TMPDIR"] = self.temporary
        return {**allowed, **self.variables, TOKEN_NAME: self.token}

    @property
    def temporary(self) -> str | None:
        """Return the session's own temporary folder, gone with it; `None` if its path is long."""
        path = os.path.join(self.run_folder, "tmp")
        return path if len(os.fsencode(path)) <= TEMPORARY_BYTES_MAX else None


def parse_order(line: bytes) -> Order:
    """Check the line and return the order.

    Raises:
        OrderError: naming the field that is missing or wrong.
    """
    value = decode(line)
    if value is None:
        raise OrderError("the first line on stdin is not a JSON object")
    return Order(value)


def _field(value: dict[str, Any], name: str, kind: type) -> Any:
    found = value.get(name)
    if not isinstance(found, kind):
        raise OrderError(f"`{name}` is missing or not a {kind.__name__}")
    return found


def _matching(value: dict[str, Any], name: str, pattern: str) -> str:
    found: str = _field(value, name, str)
    if re.fullmatch(pattern, found) is None:
        raise OrderError(f"`{name}` is `{found[:64]}`, expected {pattern}")
    return found


def _absolute(value: dict[str, Any], name: str) -> str:
    found: str = _field(value, name, str)
    if not os.path.isabs(found) or "\0" in found:
        raise OrderError(f"`{name}` is `{found[:64]}`, expected an absolute path")
    return found


def _number(value: dict[str, Any], name: str, most: int) -> int:
    found = value.get(name)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= most:
        raise OrderError(f"`{name}` is `{found}`, expected a whole number from 0 to {most}")
    return found


def _strings(value: object, name: str) -> list[str]:
    if isinstance(value, list) and all(isinstance(x, str) and "\0" not in x for x in value):
        return list(value)
    raise OrderError(f"`{name}` is not a list of strings")


def _pairs(value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        pairs = list(value.items())
        if all(isinstance(text, str) and "\0" not in name + text for name, text in pairs):
            return pairs
    raise OrderError("`environment` is not an object of strings")
