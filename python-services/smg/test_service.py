"""The smg service, with a stand-in for the package: what is started, and what a proof finds."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from service_case import read_lock, run_verb, write_modules

HERE = Path(__file__).resolve().parent
SERVICE = str(HERE / "service.py")
LOCKS = sorted(HERE.glob("*.lock.txt"))
WHOLE = {"__main__.py": "", "launch_router.py": "", "smg_rs.py": "get_version_string = str"}


def package(folder: Path, files: dict[str, str]) -> None:
    """Write a package `smg` of these files, and its record."""
    write_modules(folder, {f"smg/{name}": text for name, text in files.items()})
    (folder / "smg-1.13.0.dist-info").mkdir()


run = partial(run_verb, SERVICE)


def test_says_when_nothing_is_installed(site: Path) -> None:
    code, events, _ = run(site, "describe")
    assert (code, events[0]["code"]) == (1, "HL_ENGINE_NOT_INSTALLED")


def test_describes_itself_by_its_record(site: Path) -> None:
    package(site, WHOLE)
    assert run(site, "describe")[1][0]["version"] == "1.13.0"


def test_becomes_the_router_and_keeps_the_run_token_readable(site: Path) -> None:
    text = "import os, sys\nprint(sys.argv[1:], os.environ['SPT_NOENV'], os.getpid())"
    package(site, {"__main__.py": text})
    process = subprocess.Popen(
        [sys.executable, SERVICE, "host", "--", "--worker-urls", "http://a", "http://b"],
        env={**os.environ, "PYTHONPATH": str(site)},
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = process.communicate(timeout=60)
    # The same pid: the guard sees the router itself end, not something around it.
    words = ["launch", "--worker-urls", "http://a", "http://b"]
    assert output.strip() == f"{words} 1 {process.pid}"


def test_prepare_passes_when_its_router_loads(site: Path) -> None:
    package(site, WHOLE)
    assert run(site, "prepare")[:2] == (0, [{"event": "prepared"}])


def test_prepare_refuses_a_build_that_dies_on_this_cpu(site: Path) -> None:
    dies = "import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n"
    package(site, {**WHOLE, "smg_rs.py": dies})
    code, events, _ = run(site, "prepare")
    assert (code, events[-1]["code"]) == (1, "HL_ENGINE_INSTALL_FAILED")
    assert "ended with SIGILL" in events[-1]["because"]


def test_check_names_the_missing_module(site: Path) -> None:
    package(site, {**WHOLE, "launch_router.py": "import grpc_that_is_not_there\n"})
    code, events, _ = run(site, "check")
    findings = {event["code"]: event for event in events}
    assert code == 0
    assert findings["import"]["ok"] is False
    assert "grpc_that_is_not_there" in findings["import"]["because"]
    assert "engines install smg" in findings["import"]["hint"]


def test_every_line_of_the_lock_is_an_exact_version_with_hashes() -> None:
    assert [lock.name for lock in LOCKS] == ["cpu.lock.txt"]
    wrong, lines = read_lock(LOCKS[0])
    assert (wrong, any(line.startswith("smg==1.13.0 ") for line in lines)) == ([], True)
