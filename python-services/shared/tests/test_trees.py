"""Ending trees: nothing survives a killed starter or a killed guard, and no stranger is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from guarded import DEADLINE_S, SHARED, TREE, Guarded, is_alive, until, with_token
from hyperllama_service import processes
from hyperllama_service.reap import reap_ledger

Make = Callable[..., Guarded]

# Enough to meet a race now and then; the full counts run from the repository's own test suite.
TRIALS = 5
V1 = Path("/sys/fs/cgroup/memory")
V2 = Path("/sys/fs/cgroup")


def reap(folder: Path) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", "hyperllama_service.reap", str(folder)],
        env={**os.environ, "PYTHONPATH": SHARED},
        stdout=subprocess.PIPE,
        timeout=DEADLINE_S,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("trial", range(TRIALS))
def test_leaves_nothing_of_a_stubborn_tree_when_its_starter_is_gone(
    guarded: Make, trial: int
) -> None:
    session = guarded(TREE).start()
    session.wait("log", line="grown")
    assert len(with_token(session.token)) == 4
    session.leave()
    session.finish()
    assert with_token(session.token) == []
    assert not is_alive(session.process.pid)
    assert not session.run_folder.exists()


@pytest.mark.parametrize("how", ["children", "many threads", "parents"])
def test_descendants_are_the_whole_tree_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how != "parents" and not processes._LISTS_CHILDREN:
        pytest.skip("this kernel lists no children")
    monkeypatch.setattr(processes, "_LISTS_CHILDREN", how != "parents")
    if how == "many threads":
        monkeypatch.setattr(processes, "LISTED_THREADS_MAX", 2)
    assert processes.descendants(os.getpid()) == []
    command = ["sh", "-c", "sleep 30 & (sleep 30 & wait) & echo grown; wait"]
    shell = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    try:
        until(lambda: len(processes.descendants(os.getpid())) == 4, "the tree did not grow")
        if how != "parents":
            is_refused = processes._below_by_children(os.getpid()) is None
            assert is_refused == (how == "many threads")
        parents = {os.getpid()}
        for process in processes.descendants(os.getpid()):
            assert process.parent in parents, "parents come first"
            parents.add(process.pid)
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.communicate()
    assert processes.descendants(os.getpid()) == []


def test_leaves_nothing_of_a_tree_whose_engine_crashed(guarded: Make) -> None:
    session = guarded(TREE).start()
    pid = session.wait("spawned")["pid"]
    session.wait("log", line="grown")
    os.kill(pid, signal.SIGSEGV)
    assert session.wait("exited")["signal"] == "SIGSEGV"
    session.finish()
    assert with_token(session.token) == []


def test_the_engine_dies_with_a_killed_guard_and_the_reaper_ends_the_rest(
    guarded: Make, short_path: Path
) -> None:
    session = guarded(TREE).start()
    pid = session.wait("spawned")["pid"]
    session.wait("log", line="grown")
    os.kill(session.process.pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), "the engine outlived its guard")
    left = with_token(session.token)
    assert len(left) == 3
    events = reap(short_path / "sessions")
    assert events[0]["event"] == "reaped"
    assert sorted(left) == events[0]["pids"]
    assert events[1] == {"event": "done", "sessions": 1, "processes": 3}
    assert with_token(session.token) == []
    assert not session.run_folder.exists()
    assert reap(short_path / "sessions") == [{"event": "done", "sessions": 0, "processes": 0}]


def test_a_new_guard_ends_what_the_killed_one_left(guarded: Make) -> None:
    first = guarded(TREE).start()
    first.wait("log", line="grown")
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait(DEADLINE_S)
    second = guarded().start()
    second.wait("listening")
    assert with_token(first.token) == []


@pytest.fixture
def decoys(guarded: Make) -> Iterator[tuple[Guarded, list[subprocess.Popen[bytes]]]]:
    """A live session, and processes that look like ours without being it."""
    session = guarded().start()
    session.wait("listening")
    token = session.token
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    looks: list[tuple[list[str], dict[str, str]]] = [
        (sleep, {}),
        (sleep, {"HYPERLLAMA_RUN_TOKEN": "f" * 32}),
        (sleep, {"HYPERLLAMA_RUN_TOKEN": token + "0"}),
        (sleep, {"HYPERLLAMA_RUN_TOKEN": token[:-1]}),
        (sleep, {"OTHER_HYPERLLAMA_RUN_TOKEN": token}),
        ([*sleep, f"HYPERLLAMA_RUN_TOKEN={token}"], {}),
        ([*sleep, "service.py", "host"], {}),
    ]
    started = [subprocess.Popen(argv, env={**os.environ, **more}) for argv, more in looks]
    yield session, started
    for process in started:
        process.kill()
        process.wait()


def test_the_reaper_touches_no_stranger_and_no_live_session(
    decoys: tuple[Guarded, list[subprocess.Popen[bytes]]], short_path: Path
) -> None:
    session, strangers = decoys
    sessions = short_path / "sessions"
    assert reap(sessions) == [{"event": "done", "sessions": 0, "processes": 0}]
    assert is_alive(session.process.pid)
    path = Path(session.order["ledgerFile"])
    ledger = json.loads(path.read_text())
    # The pid of a stranger, as if the guard were dead and its pid had been given away.
    ledger["guard"] = {"pid": strangers[0].pid, "startTime": 1}
    ledger["engine"] = {"pid": strangers[1].pid, "startTime": 1}
    # The run folder's lock is held by the live guard: that alone must hold the reaper back.
    path.write_text(json.dumps(ledger))
    assert reap(sessions) == [{"event": "done", "sessions": 0, "processes": 0}]
    os.kill(session.process.pid, signal.SIGKILL)
    session.process.wait(DEADLINE_S)
    reap(sessions)
    assert with_token(session.token) == []
    assert [process.poll() for process in strangers] == [None] * len(strangers)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": "hyperllama.session/1"}',
        '{"schema": "hyperllama.session/1", "key": "x", "token": "", "bootId": "",'
        ' "guard": {"pid": 1, "startTime": 0}, "control": "/etc/c.sock"}',
    ],
)
def test_the_reaper_passes_over_files_that_are_no_ledgers(tmp_path: Path, text: str) -> None:
    path = tmp_path / "0123abcd.json"
    path.write_text(text)
    assert reap_ledger(str(path)) is None
    assert path.exists()


def test_the_reaper_removes_no_folder_but_the_session_s_own(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    path = tmp_path / "0123abcd.json"
    ledger = {
        "schema": "hyperllama.session/1",
        "key": "0123abcd",
        "token": "e" * 32,
        "bootId": "another boot",
        "guard": {"pid": 1, "startTime": 0},
        "control": str(precious / "c.sock"),
    }
    path.write_text(json.dumps(ledger))
    assert reap_ledger(str(path)) is None
    assert (precious / "file").exists()


def test_a_signal_never_reaches_a_process_that_got_the_pid_later() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        seen = processes.read_process(child.pid)
        assert seen is not None
        seen.start_time -= 1
        assert not processes.send_signal(seen, signal.SIGKILL)
        seen.start_time += 1
        assert not processes.send_signal(seen, signal.SIGKILL, token="a" * 32)
        assert child.poll() is None
        assert processes.send_signal(seen, signal.SIGKILL)
        assert child.wait(DEADLINE_S) == -signal.SIGKILL
        assert not processes.send_signal(seen, signal.SIGKILL)
    finally:
        child.kill()
        child.wait()


@pytest.fixture
def memory_group() -> Iterator[Path]:
    """A control group of 64 MiB."""
    if os.geteuid() != 0:
        pytest.skip("a memory control group needs root")
    is_v1 = (V1 / "memory.limit_in_bytes").exists()
    folder = (V1 if is_v1 else V2) / f"hyperllama-test-{os.getpid()}"
    try:
        folder.mkdir()
        limit = "memory.limit_in_bytes" if is_v1 else "memory.max"
        (folder / limit).write_text(str(64 * 1024 * 1024))
        if not is_v1:
            (folder / "memory.swap.max").write_text("0")
    except OSError as error:
        if folder.exists():
            folder.rmdir()
        pytest.skip(f"no memory control group can be made: {error}")
    yield folder
    until(lambda: not (folder / "cgroup.procs").read_text().split(), "the group is in use")
    folder.rmdir()


GREEDY = "data = []\nwhile True: data.append(bytearray(b'x') * 1024 * 1024)"
# The kernel kills the child; the engine then ends by itself.
GREEDY_CHILD = f"""
import subprocess, sys
sys.exit(1 if subprocess.call([sys.executable, "-c", {GREEDY!r}]) else 0)
"""


@pytest.mark.parametrize(
    ("script", "ending"), [(GREEDY, (None, "SIGKILL")), (GREEDY_CHILD, (1, None))]
)
def test_names_a_lack_of_memory_as_such(
    guarded: Make, memory_group: Path, script: str, ending: tuple[int | None, str | None]
) -> None:
    enter = f'echo $$ > {memory_group}/cgroup.procs && exec "$@"'
    session = guarded(script).start(prefix=("/bin/sh", "-c", enter, "sh"))
    exited = session.wait("exited")
    assert (exited["code"], exited["signal"]) == ending
    assert exited["isOom"]
    session.finish()


def test_a_kill_by_a_person_in_a_group_is_no_lack_of_memory(
    guarded: Make, memory_group: Path
) -> None:
    enter = f'echo $$ > {memory_group}/cgroup.procs && exec "$@"'
    session = guarded().start(prefix=("/bin/sh", "-c", enter, "sh"))
    pid = session.wait("spawned")["pid"]
    session.wait("listening")
    os.kill(pid, signal.SIGKILL)
    assert not session.wait("exited")["isOom"]
    session.finish()


def test_removes_what_a_killed_guard_was_writing_and_not_what_is_being_written(
    tmp_path: Path,
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(timeout=DEADLINE_S)
    half_written = tmp_path / f".0123abcd.json.{gone.pid}"
    being_written = tmp_path / f".0123abcd.json.{os.getpid()}"
    stranger = tmp_path / ".0123abcd.json.txt"
    for path in (half_written, being_written, stranger):
        path.write_text("{")
    reap(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([being_written, stranger])
