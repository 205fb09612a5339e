"""The Dynamo service, with a stand-in for the package: what is started, and what a proof finds."""

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
SAYS = "import os, sys\nprint({!r}, sys.argv[1:], os.getpid())"
WHOLE = {"dynamo/runtime.py": "", "dynamo/llm.py": "", "uvloop.py": ""}


def package(folder: Path, files: dict[str, str]) -> None:
    """Write these modules, and the record of `ai-dynamo`."""
    write_modules(folder, files)
    (folder / "ai_dynamo-1.6.1.dist-info").mkdir()


run = partial(run_verb, SERVICE)


def test_says_when_nothing_is_installed(site: Path) -> None:
    code, events, _ = run(site, "describe")
    assert (code, events[0]["code"]) == (1, "HL_ENGINE_NOT_INSTALLED")


@pytest.mark.parametrize("module", ["dynamo.frontend", "dynamo.mocker"])
def test_becomes_the_process_it_is_asked_for(site: Path, module: str) -> None:
    file = module.replace(".", "/") + ".py"
    package(site, {file: SAYS.format(module)})
    process = subprocess.Popen(
        [sys.executable, SERVICE, "host", "--", module, "--flag", "1"],
        env={**os.environ, "PYTHONPATH": str(site)},
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = process.communicate(timeout=60)
    assert output.strip() == f"{module} ['--flag', '1'] {process.pid}"


def test_runs_no_other_module(site: Path) -> None:
    package(site, {"dynamo/other.py": SAYS.format("other")})
    code, _, output = run(site, "host", "--", "dynamo.other")
    assert (code, "expected one of dynamo.frontend, dynamo.mocker" in output) == (2, True)


def test_prepare_passes_when_its_runtime_loads(site: Path) -> None:
    package(site, WHOLE)
    assert run(site, "prepare")[:2] == (0, [{"event": "prepared"}])


def test_prepare_names_a_module_that_it_needs_and_does_not_declare(site: Path) -> None:
    package(site, {**WHOLE, "uvloop.py": "import loop_that_is_not_there\n"})
    code, events, _ = run(site, "prepare")
    assert (code, events[-1]["code"]) == (1, "HL_ENGINE_INSTALL_FAILED")
    assert "loop_that_is_not_there" in events[-1]["because"]


def test_every_line_of_the_lock_is_an_exact_version_with_hashes() -> None:
    assert [lock.name for lock in LOCKS] == ["cpu.lock.txt"]
    wrong, lines = read_lock(LOCKS[0])
    names = {line.split("==")[0] for line in lines}
    assert (wrong, {"ai-dynamo", "uvloop"} - names) == ([], set())
