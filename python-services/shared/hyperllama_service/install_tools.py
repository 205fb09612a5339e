"""Choose what talks to the package index: uv, this Python's pip, or a pip of our own venv."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

# The first uv whose `pip install` takes all the flags below; tried with 0.4.0 and 0.13.8.
UV_VERSION_MIN = (0, 4)
# `uv --version` takes 10 ms and `pip --version` 300 ms; a cold network disk is slower.
ASK_DEADLINE_S = 30.0
# Seconds without a byte before a download counts as stalled, unless the user says otherwise.
HTTP_DEADLINE_S = "30"

_PASSED = frozenset(
    "PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE"
    " CURL_CA_BUNDLE NETRC LD_LIBRARY_PATH".split()
)
_PASSED_PREFIXES = ("LC_", "XDG_", "PIP_", "UV_")
# These change where or how something is installed, which is ours to say.
_WITHHELD = frozenset(
    "PIP_TARGET PIP_PREFIX PIP_ROOT PIP_USER PIP_PYTHON PIP_REQUIRE_VIRTUALENV PIP_NO_BINARY"
    " PIP_ONLY_BINARY PIP_REQUIRE_HASHES PIP_CONSTRAINT PIP_REQUIREMENT PIP_NO_COMPILE PIP_DRY_RUN"
    " PIP_LOG PIP_REPORT PIP_QUIET PIP_VERBOSE UV_PYTHON UV_SYSTEM_PYTHON UV_TARGET UV_PREFIX"
    " UV_NO_BINARY UV_NO_BUILD UV_CONSTRAINT UV_OVERRIDE UV_REQUIRE_HASHES UV_NO_VERIFY_HASHES"
    " UV_COMPILE_BYTECODE UV_PROJECT_ENVIRONMENT UV_PYTHON_DOWNLOADS".split()
)
# Other places for packages. Where an order names the index, a build of the same version from
# elsewhere (for the CPU, say) must not slip in.
_OTHER_INDEXES = frozenset(
    "PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_NO_INDEX UV_INDEX UV_INDEX_URL"
    " UV_DEFAULT_INDEX UV_EXTRA_INDEX_URL UV_FIND_LINKS UV_NO_INDEX".split()
)
PIP_QUIET = ("--no-input", "--disable-pip-version-check")


class NoInstallerError(Exception):
    """Neither uv nor pip can be had; the text says what to install."""


class Place:
    """Where packages go: the folder of modules, and the interpreter they are for."""

    def __init__(self, folder: str, python: str, *, is_environment: bool) -> None:
        self.folder = folder
        self.python = python
        self.is_environment = is_environment


class Tool:
    """One way to install: `uv` or `pip`, with the command line it needs."""

    def __init__(self, name: str, version: str, command: list[str]) -> None:
        self.name = name
        self.version = version
        self.command = command

    def install(
        self, requirements: str, place: Place, index: str | None, *, is_offline: bool = False
    ) -> list[str]:
        """Return the command that installs the locked `requirements` file at `place`.

        Args:
            requirements: path of the lock.
            place: where the packages go.
            index: the only one to ask, `None` = the configured one.
            is_offline: take what an earlier install has kept; uv alone can do that.
        """
        flags = ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
        flags += ["--requirement", requirements]
        if index is not None:
            flags += ["--index-url", index]
        if self.name == "uv":
            flags += ["--python", place.python, "--no-progress", "--compile-bytecode"]
            if not place.is_environment:
                flags += ["--target", place.folder]
            if is_offline:
                flags.append("--offline")
            return [*self.command, "pip", "install", *flags]
        # The environment has no pip of its own, and pip before 22.3 cannot work on another one.
        flags += ["--target", place.folder]
        return [*self.command, "install", *PIP_QUIET, "--no-warn-script-location", *flags]

    def download(self, requirements: str, folder: str, index: str | None) -> list[str]:
        """Return the command that fetches the wheels of pinned `requirements` into `folder`."""
        flags = ["--no-deps", "--only-binary", ":all:", "--requirement", requirements]
        if index is not None:
            flags += ["--index-url", index]
        return [*self.command, "download", *PIP_QUIET, "--dest", folder, *flags]


def choose_tool(environment: dict[str, str], spare_folder: str) -> Tool:
    """Return the first that works; `spare_folder` may take a venv with a pip of our own.

    Raises:
        NoInstallerError: none does.
    """
    return find_uv(environment) or find_pip(environment, spare_folder)


def find_uv(environment: dict[str, str]) -> Tool | None:
    """Return uv when it is on PATH and new enough."""
    path = shutil.which("uv", path=environment.get("PATH"))
    found = path and re.match(r"uv (\d+)\.(\d+)\S*", _ask([path, "--version"], environment))
    if not path or not found or (int(found[1]), int(found[2])) < UV_VERSION_MIN:
        return None
    return Tool("uv", found[0][3:], [path])


def find_pip(environment: dict[str, str], spare_folder: str) -> Tool:
    """Return this Python's pip, else one in a venv made for it.

    Raises:
        NoInstallerError: this Python has neither pip nor the means to make one.
    """
    for python in (sys.executable, _venv_with_pip):
        command = python if isinstance(python, str) else python(environment, spare_folder)
        found = re.match(r"pip (\S+)", _ask([command, "-m", "pip", "--version"], environment))
        if found:
            return Tool("pip", found[1], [command, "-m", "pip"])
    raise NoInstallerError(
        f"neither `uv` nor `pip` was found for `{sys.executable}`; {_how_to_get_pip()}"
    )


def child_environment(temporary: str, index: str | None) -> dict[str, str]:
    """Return the environment of installers: proxies, certificates, PIP_* and UV_* pass."""
    withheld = _WITHHELD if index is None else _WITHHELD | _OTHER_INDEXES
    passed = {
        name: text
        for name, text in os.environ.items()
        if (name in _PASSED or name.startswith(_PASSED_PREFIXES) or name.lower().endswith("_proxy"))
        and name not in withheld
    }
    fixed = {
        # A small /tmp must not end an install that has room, and progress is seen there.
        "TMPDIR": temporary,
        "UV_PYTHON_DOWNLOADS": "never",
        # A configuration file may say `user = true`, which contradicts a target.
        "PIP_USER": "0",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    usual = {
        "UV_HTTP_TIMEOUT": HTTP_DEADLINE_S,
        "PIP_DEFAULT_TIMEOUT": HTTP_DEADLINE_S,
        # Whoever is offline wants to hear it within seconds.
        "UV_HTTP_RETRIES": "1",
        "PIP_RETRIES": "1",
    }
    return {**usual, **passed, **fixed}


def _venv_with_pip(environment: dict[str, str], folder: str) -> str:
    """Make a venv with pip from what this Python carries; return its interpreter."""
    _ask([sys.executable, "-m", "venv", folder], environment, deadline_s=120.0)
    return os.path.join(folder, "bin", "python")


def _ask(
    command: list[str], environment: dict[str, str], deadline_s: float = ASK_DEADLINE_S
) -> str:
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=deadline_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def _how_to_get_pip() -> str:
    if sys.platform == "darwin":
        return "run `brew install python` or `brew install uv`"
    try:
        names = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        names = ""
    found = re.search(
        r"^ID(?:_LIKE)?=.*\b(debian|ubuntu|fedora|rhel|suse|arch|alpine)", names, re.M
    )
    commands = {
        "debian": "apt install python3-pip python3-venv",
        "ubuntu": "apt install python3-pip python3-venv",
        "fedora": "dnf install python3-pip",
        "rhel": "dnf install python3-pip",
        "suse": "zypper install python3-pip",
        "arch": "pacman -S python-pip",
        "alpine": "apk add py3-pip",
    }
    command = commands[found[1]] if found else "python3 -m ensurepip --user"
    return f"run `{command}`, or install uv"
