"""One install under way: its staging folder, its children, its progress, its failures."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

from .events import decode, emit
from .install_failures import classify_failure
from .install_index import why_unreachable
from .install_run import (
    QUIET_LIMIT_S,
    Progress,
    StalledError,
    folder_bytes,
    run_child,
    source_bytes,
)
from .install_tools import NoInstallerError, Tool, child_environment, choose_tool

if TYPE_CHECKING:
    from .install_run import Caller
    from .install_tools import Place

ASK_DEADLINE_S = 10.0
# The words in which pip and uv say that everything has been fetched.
_FETCHED = re.compile(r"Installing collected|Prepared \d")
# uv says so when all files are in their place; what is left is bytecode.
_LINKED = re.compile(r"Installed \d")
# More than an environment without packages takes: uv has begun to put them there.
LINKED_BYTES_MIN = 1024 * 1024
QUIET_PHASES = ("prepare", "convert")
STALLED = {"download": "HL_DOWNLOAD_FAILED", "convert": "HL_CONVERSION_FAILED"}


class InstallError(Exception):
    """The install ended; `code` is one of the contract's, `because` a sentence."""

    def __init__(self, code: str, because: str) -> None:
        super().__init__(because)
        self.code = code
        self.because = because


class Job:
    """Works in a staging folder that only the holder of the lock touches."""

    def __init__(
        self, order: dict[str, Any], staging: str, *, caller: Caller, lock: int | None
    ) -> None:
        self.order = order
        self.staging = staging
        temporary = os.path.join(staging, ".tmp")
        os.makedirs(temporary, mode=0o700)
        self.environment = child_environment(temporary, order["index"])
        self.is_environment: bool = order["kind"] == "environment"
        self._caller = caller
        self._lock = lock
        self._phase = ""
        self._cache: UvCache | None = None
        self._progress = Progress(self._size, order["bytesDownload"])

    def choose_tool(self) -> Tool:
        """Find what installs.

        Raises:
            InstallError: there is nothing.
        """
        try:
            tool = choose_tool(self.environment, os.path.join(self.staging, ".pip"))
        except NoInstallerError as error:
            raise InstallError("HL_ENGINE_INSTALL_FAILED", str(error)) from error
        if tool.name == "uv":
            folder = _uv_cache(tool, self.environment)
            self._cache = None if folder is None else UvCache(folder)
        return tool

    def fetch(self, tool: Tool, lock: str, place: Place) -> None:
        """Install the locked packages at `place`; from uv's cache where the index refuses.

        Raises:
            InstallError: it failed.
        """
        index = self.order["index"]
        refusal = self.why_offline(tool)
        if refusal is not None and tool.name != "uv":
            raise InstallError("HL_OFFLINE", refusal)
        try:
            self.run(tool.install(lock, place, index, is_offline=refusal is not None))
        except InstallError as error:
            if refusal is None or error.code != "HL_OFFLINE":
                raise
            raise InstallError("HL_OFFLINE", refusal) from error

    def why_offline(self, tool: Tool) -> str | None:
        """Return why the index that `tool` would ask refuses, `None` when it may be asked."""
        return why_unreachable(tool, self.order["index"], self.environment)

    def enter(self, phase: str) -> None:
        """Say that a phase begins; its bytes count from the start."""
        if phase == self._phase:
            return
        self._phase = phase
        emit({"event": "phase", "name": phase})
        if phase in QUIET_PHASES:
            self._progress.stall_limit_s = QUIET_LIMIT_S
        totals = {"download": self.order["bytesDownload"], "install": self.order["bytesOnDisk"]}
        if phase == "compile":
            totals[phase] = source_bytes(self.staging)[1]
        self._progress.restart(totals.get(phase))

    def run(self, command: list[str], environment: dict[str, str] | None = None) -> list[str]:
        """Run a child of this install to its end and return what it printed.

        Raises:
            InstallError: it failed.
        """
        try:
            code, lines = run_child(
                command,
                self.environment if environment is None else environment,
                caller=self._caller,
                progress=self._progress,
                lock=self._lock,
                on_line=self._hear,
            )
        except StalledError as error:
            code_stalled = STALLED.get(self._phase, "HL_ENGINE_INSTALL_FAILED")
            raise InstallError(code_stalled, f"phase `{self._phase}`: {error}") from error
        if code != 0:
            raise InstallError(*self._failure(code, lines))
        return lines

    def _hear(self, line: str) -> None:
        if self._phase == "download" and _FETCHED.match(line):
            self.enter("install")
        if self._phase in ("download", "install") and _LINKED.match(line):
            self.enter("compile")

    def _size(self) -> int:
        if self._phase == "compile":
            return source_bytes(self.staging)[0]
        size = folder_bytes(self.staging)
        if self._phase != "download" or self._cache is None:
            return size
        if size > LINKED_BYTES_MIN:
            # Nothing was left to fetch, and uv says a word only after it has fetched something.
            self.enter("install")
            return size
        # uv unpacks while it downloads, so the bytes seen are unpacked ones.
        unpacked = self._cache.bytes_new()
        return int(unpacked * self.order["bytesDownload"] / max(1, self.order["bytesOnDisk"]))

    def _failure(self, code: int, lines: list[str]) -> tuple[str, str]:
        for line in reversed(lines):
            event = decode(line.encode())
            if event is not None and event.get("event") == "failed":
                code_said = str(event.get("code", "HL_ENGINE_INSTALL_FAILED"))
                return code_said, str(event.get("because"))
        name, because = classify_failure(lines, is_environment=self.is_environment)
        return name, because if code > 0 else f"it was ended by signal {-code}: {because}"


def _uv_cache(tool: Tool, environment: dict[str, str]) -> str | None:
    try:
        done = subprocess.run(
            [*tool.command, "cache", "dir"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASK_DEADLINE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode().strip() or None


class UvCache:
    """What uv has fetched since this began, by what came into its cache."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._sizes = dict.fromkeys(self._archives(), 0)

    def bytes_new(self) -> int:
        """Return the unpacked bytes of packages that are being fetched or were fetched."""
        # A package lies in `.tmp…` until it is whole; then it is renamed, and changes no more.
        size = folder_bytes(*(f"{self._folder}/{name}" for name in _names(self._folder, ".tmp")))
        for path in self._archives():
            if path not in self._sizes:
                self._sizes[path] = folder_bytes(path)
        return size + sum(self._sizes.values())

    def _archives(self) -> list[str]:
        folders = [f"{self._folder}/{name}" for name in _names(self._folder, "archive-")]
        return [f"{folder}/{name}" for folder in folders for name in _names(folder, "")]


def _names(folder: str, prefix: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.startswith(prefix)]
    except OSError:
        return []
