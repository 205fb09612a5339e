"""How an install ends: stopped, killed in any phase, stalled, or beside another one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from guarded import DEADLINE_S, SHARED, until
from hyperllama_service import install_job
from hyperllama_service.install_run import Caller, Progress, StalledError
from install_case import Place


def test_stops_when_its_caller_leaves(place: Place) -> None:
    place.index.hold()
    install = place.start()
    assert place.index.reached_middle.wait(DEADLINE_S)
    install.leave()
    assert install.wait("failed")["code"] == "HL_CANCELLED"
    assert install.process.wait(DEADLINE_S) == 1
    assert place.leftovers() == []
    assert not place.target.exists()


def test_stops_when_it_is_asked_by_a_signal(any_place: Place) -> None:
    any_place.index.hold()
    install = any_place.start()
    assert any_place.index.reached_middle.wait(DEADLINE_S)
    install.process.send_signal(signal.SIGTERM)
    assert install.wait("failed")["code"] == "HL_CANCELLED"
    assert any_place.leftovers() == []


def test_a_killed_installer_blocks_nobody_and_leaves_nothing_for_long(place: Place) -> None:
    place.index.hold()
    install = place.start()
    assert place.index.reached_middle.wait(DEADLINE_S)
    install.process.kill()
    install.process.wait(DEADLINE_S)
    assert len(place.leftovers()) == 1
    place.index.go_on.set()
    assert place.start().wait("installed")["was"] == "new"
    assert place.leftovers() == []


@pytest.mark.parametrize("phase", ["install", "prepare", "describe"])
def test_killed_in_any_phase_it_leaves_nothing_that_is_used(any_place: Place, phase: str) -> None:
    service = any_place.service.read_text()
    reached, go_on = any_place.folder / "reached", any_place.folder / "go-on"
    wait = f"""
import pathlib, time
pathlib.Path({str(reached)!r}).touch()
while not pathlib.Path({str(go_on)!r}).exists(): time.sleep(0.01)
"""
    if phase == "install":
        # Bytecode is compiled at the end of that phase: by then everything has been put there.
        install = any_place.start()
        install.wait("phase")
        assert install.wait("phase")["name"] == "install"
    else:
        verb = "prepare" if phase == "prepare" else "describe"
        gate = "".join(f"    {line}\n" for line in wait.strip().splitlines())
        any_place.service.write_text(f"import sys\nif sys.argv[1] == {verb!r}:\n{gate}" + service)
        install = any_place.start()
        until(reached.exists, f"`{verb}` was not reached")
    install.process.kill()
    install.process.wait(DEADLINE_S)
    assert not (any_place.target / "hyperllama-environment.json").exists()
    any_place.service.write_text(service)
    go_on.touch()
    assert any_place.start().wait("installed")["was"] == "new"
    assert any_place.leftovers() == []


def test_killed_between_its_last_two_steps_it_is_made_again(any_place: Place) -> None:
    assert any_place.start().wait("installed")["was"] == "new"
    marker = any_place.target / "hyperllama-environment.json"
    marker.unlink()
    assert any_place.start().wait("installed")["was"] == "new"
    assert marker.exists()


def test_sweeps_what_nobody_works_in_and_nothing_else(any_place: Place) -> None:
    any_place.index.hold()
    install = any_place.start()
    assert any_place.index.reached_middle.wait(DEADLINE_S)
    folder = any_place.target.parent
    stale = folder / "1.0.0-cpu.staging-4711"
    (stale / "environment").mkdir(parents=True)
    whole = folder / "0.9.0-cpu"
    whole.mkdir()
    sweep = [sys.executable, "-m", "hyperllama_service.sweep", str(folder), str(folder / "none")]
    done = subprocess.run(sweep, env=any_place.environment, capture_output=True, check=True)
    removed = [json.loads(line)["path"] for line in done.stdout.splitlines()]
    assert removed == [str(stale)]
    assert whole.exists()
    any_place.index.go_on.set()
    assert install.wait("installed")["was"] == "new"


@pytest.mark.parametrize("part", ["bin/python", "lib"])
def test_makes_an_environment_again_whose_python_is_gone(any_place: Place, part: str) -> None:
    assert any_place.start().wait("installed")["was"] == "new"
    (any_place.target / part).rename(any_place.target / "gone")
    assert any_place.start().wait("installed")["was"] == "new"
    assert not (any_place.target / "gone").exists()


@pytest.mark.parametrize(
    ("phase", "code"),
    [
        ("download", "HL_DOWNLOAD_FAILED"),
        ("prepare", "HL_ENGINE_INSTALL_FAILED"),
        ("convert", "HL_CONVERSION_FAILED"),
    ],
)
def test_says_in_which_phase_nothing_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str, code: str
) -> None:
    limits: list[float] = []

    def stall(*_: object, progress: Progress, **__: object) -> None:
        limits.append(progress.stall_limit_s)
        raise StalledError("nothing happened")

    monkeypatch.setattr(install_job, "run_child", stall)
    order = {"kind": "environment", "index": None, "bytesDownload": 1, "bytesOnDisk": 1}
    job = install_job.Job(order, str(tmp_path), caller=Caller(), lock=None)
    job.enter(phase)
    with pytest.raises(install_job.InstallError) as caught:
        job.run([])
    assert (caught.value.code, phase in caught.value.because) == (code, True)
    proofs = "".join(path.read_text() for path in Path(SHARED).parent.glob("*/proof.py"))
    deadlines = [float(text) for text in re.findall(r"_DEADLINE_S = ([\d.]+)", proofs)]
    # A proof that takes too long says so itself.
    assert (limits[0] > max(deadlines)) == (phase != "download")


def test_two_at_once_make_one_environment(any_place: Place) -> None:
    any_place.index.hold()
    first = any_place.start()
    assert any_place.index.reached_middle.wait(DEADLINE_S)
    second = any_place.start()
    second.wait("waiting")
    any_place.index.go_on.set()
    assert first.wait("installed")["was"] == "new"
    assert second.wait("installed")["was"] == "present"
    assert any_place.index.downloads == 1


def test_the_lock_is_held_by_the_running_tool_too(any_place: Place) -> None:
    any_place.index.hold()
    install = any_place.start()
    assert any_place.index.reached_middle.wait(DEADLINE_S)
    lock = f"{any_place.target}.lock"

    def holders() -> int:
        found = 0
        for fds in Path("/proc").glob("[0-9]*/fd"):
            try:
                found += lock in [os.readlink(fd) for fd in fds.iterdir()]
            except OSError:
                continue
        return found

    if sys.platform == "linux":
        until(lambda: holders() >= 2, "the tool does not hold the lock")
    install.leave()
    install.wait("failed")
