"""The MAX service, with a stand-in for the package: what is started, and what a proof finds."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from service_case import read_lock, run_verb, write_modules

HERE = Path(__file__).resolve().parent
SERVICE = str(HERE / "service.py")
LOCK = HERE / "all.lock.txt"
SERVER = "_entrypoints/pipelines.py"


def package(folder: Path, files: dict[str, str]) -> None:
    """Write a package `max` of these files, and its record."""
    write_modules(folder, {f"max/{name}": text for name, text in files.items()})
    (folder / "max-26.7.0.dist-info").mkdir()


run = partial(run_verb, SERVICE)


def test_describes_the_package_without_importing_it(site: Path) -> None:
    assert run(site, "describe")[1][0]["code"] == "HL_ENGINE_NOT_INSTALLED"
    package(site, {SERVER: "raise SystemExit('imported')"})
    code, events, _ = run(site, "describe")
    assert (code, events[0]["version"], events[0]["build"]) == (0, "26.7.0", "max")


def test_one_environment_computes_on_every_device(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(site, {})
    monkeypatch.setenv("HYPERLLAMA_RECIPE", "all")
    devices = run(site, "describe")[1][0]["devices"]
    assert {"cpu", "nvidia", "amd"} <= set(devices)


def test_starts_the_server_of_the_package_in_its_own_process(site: Path) -> None:
    text = "import os, sys\nif __name__ == '__main__': print(sys.argv[1:], os.getpid())"
    package(site, {SERVER: text})
    process = subprocess.Popen(
        [sys.executable, SERVICE, "host", "--", "--model", "/m", "--port", "1"],
        env={**os.environ, "PYTHONPATH": str(site)},
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = process.communicate(timeout=60)
    # The same pid: the guard sees the server itself end, not something around it.
    assert output.strip() == f"['serve', '--model', '/m', '--port', '1'] {process.pid}"


def test_prepare_refuses_a_build_that_dies_on_this_cpu(site: Path) -> None:
    package(site, {SERVER: "import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n"})
    code, events, _ = run(site, "prepare")
    assert (code, events[-1]["code"]) == (1, "HL_ENGINE_INSTALL_FAILED")
    assert "ended with SIGILL" in events[-1]["because"]


def test_check_names_the_missing_module(site: Path) -> None:
    package(site, {SERVER: "import compiler_that_is_not_there\n"})
    code, events, _ = run(site, "check")
    findings = {event["code"]: event for event in events}
    assert code == 0
    assert findings["package"]["ok"] is True
    assert findings["import"]["ok"] is False
    assert "compiler_that_is_not_there" in findings["import"]["because"]
    assert "engines install max" in findings["import"]["hint"]


def test_every_line_of_the_lock_is_an_exact_version_with_hashes() -> None:
    wrong, lines = read_lock(LOCK)
    assert (wrong, len(lines) > 50) == ([], True)
