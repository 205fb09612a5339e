"""The guard: a start from order to end, the engine's clean slate, what it refuses."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from guarded import DEADLINE_S, GUARD, Guarded, with_token

Make = Callable[..., Guarded]

REPORT = """
import os, sys
print("umask", oct(os.umask(0)), flush=True)
print("stdin", os.readlink("/proc/self/fd/0"), flush=True)
print("fds", len(os.listdir("/proc/self/fd")), flush=True)
print("environment", ",".join(sorted(os.environ)), flush=True)
print("folder", os.getcwd(), flush=True)
"""


def test_tells_a_whole_session_in_order_and_leaves_nothing(guarded: Make) -> None:
    session = guarded().start()
    first = session.wait("session")
    assert first["state"] == "starting"
    assert first["startMs"] is None
    assert first["leases"] == 1
    assert first["about"] == {"model": "x"}
    assert first["guardPid"] == session.process.pid
    assert session.wait("spawned")["pid"] == first["enginePid"]
    session.wait("listening")
    session.command("ready")
    assert session.wait("ready")["startMs"] >= 0
    session.command("status")
    now = session.wait("session", state="ready")
    assert now["isListening"]
    assert now["tail"] == ["listening"]
    session.command("stop")
    exited = session.wait("exited")
    assert (exited["code"], exited["signal"]) == (None, "SIGTERM")
    assert exited["isWanted"]
    assert not exited["isOom"]
    assert session.finish() == []
    assert session.process.returncode == 0
    assert not session.run_folder.exists()
    assert not Path(session.order["ledgerFile"]).exists()
    assert Path(session.order["logFile"]).read_text() == "listening\n"


def test_writes_a_private_ledger_that_follows_the_state(guarded: Make) -> None:
    session = guarded().start()
    session.wait("listening")
    path = Path(session.order["ledgerFile"])
    ledger = json.loads(path.read_text())
    assert ledger["schema"] == "hyperllama.session/1"
    assert ledger["state"] == "starting"
    assert ledger["token"] == session.token
    assert ledger["guard"]["pid"] == session.process.pid
    assert ledger["control"] == session.control
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(session.run_folder.stat().st_mode) == 0o700
    session.command("ready")
    session.wait("ready")
    session.command("status")
    session.wait("session")
    assert json.loads(path.read_text())["state"] == "ready"


def test_gives_the_engine_a_clean_slate(guarded: Make) -> None:
    os.environ["HYPERLLAMA_TEST_SECRET"] = "x"
    try:
        session = guarded(REPORT, environment={"EXTRA": "1"}).start()
    finally:
        del os.environ["HYPERLLAMA_TEST_SECRET"]
    session.wait("exited")
    lines = [event["line"] for event in session.seen if event["event"] == "log"]
    found = dict(line.split(" ", 1) for line in lines)
    assert found["umask"] == "0o77"
    assert found["stdin"] == "/dev/null"
    # 0, 1, 2 and the one that lists the folder.
    assert found["fds"] == "4"
    assert found["folder"] == str(session.run_folder)
    names = set(found["environment"].split(","))
    assert {"EXTRA", "PATH", "HYPERLLAMA_RUN_TOKEN"} <= names
    assert "HYPERLLAMA_TEST_SECRET" not in names


def test_resets_all_signals_of_the_engine(guarded: Make) -> None:
    # Not a Python: the interpreter sets some for itself again.
    session = guarded(executable="/bin/cat", argv=["/proc/self/status"]).start()
    session.wait("exited")
    lines = [event["line"] for event in session.seen if event["event"] == "log"]
    status = dict(line.split(":\t", 1) for line in lines)
    assert {status[name] for name in ("SigIgn", "SigBlk", "SigCgt")} == {"0" * 16}


def test_counts_an_exit_with_code_0_as_a_crash_while_wanted(guarded: Make) -> None:
    session = guarded("print('bye')").start()
    exited = session.wait("exited")
    assert (exited["code"], exited["isWanted"], exited["tail"]) == (0, False, ["bye"])
    session.finish()
    assert session.process.returncode == 1


def test_names_the_signal_of_an_engine_killed_by_a_person(guarded: Make) -> None:
    session = guarded().start()
    pid = session.wait("spawned")["pid"]
    session.wait("listening")
    os.kill(pid, 9)
    exited = session.wait("exited")
    assert (exited["signal"], exited["isOom"], exited["isWanted"]) == ("SIGKILL", False, False)


def test_says_which_program_cannot_be_executed(guarded: Make) -> None:
    session = guarded(executable="/nonexistent/llama-server").start()
    failed = session.wait("failed")
    assert failed["code"] == "HL_ENGINE_EXITED"
    assert "/nonexistent/llama-server" in failed["because"]
    session.finish()
    assert not session.run_folder.exists()
    assert not Path(session.order["ledgerFile"]).exists()


def test_gives_unready_holders_the_log_with_control_characters_escaped(guarded: Make) -> None:
    script = "import sys; sys.stdout.write('a\\x1b[31m\\tb\\rc\\n'); sys.stdout.write('z' * 9000)"
    session = guarded(script).start()
    assert session.wait("log")["line"] == "a\\x1b[31m\tb"
    assert session.wait("log")["line"] == "c"
    assert len(session.wait("log")["line"]) == 8192


def test_tells_how_quiet_a_starting_engine_is(guarded: Make) -> None:
    session = guarded("import time; time.sleep(60)").start()
    first, second = session.wait("alive"), session.wait("alive")
    assert first["rssBytes"] > 0
    third = session.wait("alive")
    assert second["quietMs"] < third["quietMs"]


def test_refuses_a_second_guard_of_the_same_session(guarded: Make) -> None:
    first, second = guarded(), guarded()
    first.start().wait("listening")
    second.start()
    assert second.wait("busy")
    assert second.finish() == []
    assert second.process.returncode == 75


def test_starts_one_engine_for_sixteen_starters(guarded: Make) -> None:
    sessions = [guarded().start() for _ in range(16)]
    firsts = [session.events.get(timeout=DEADLINE_S) for session in sessions]
    names = sorted(event["event"] for event in firsts if event is not None)
    assert names == ["busy"] * 15 + ["session"]


def test_removes_a_stale_socket_and_refuses_one_that_is_answered(guarded: Make) -> None:
    stale = guarded()
    stale.run_folder.mkdir(parents=True)
    left = socket.socket(socket.AF_UNIX)
    left.bind(stale.socket)
    left.close()
    stale.start().wait("listening")
    stale.command("stop")
    stale.wait("exited")
    stale.finish()

    answered = guarded()
    answered.run_folder.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(answered.socket)
        other.listen()
        failed = answered.start().wait("failed")
    assert failed["code"] == "HL_ENGINE_PORT_BUSY"
    assert Path(answered.socket).exists()


def test_ends_the_tree_when_a_stranger_has_the_port(guarded: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        address = {"kind": "tcp", "host": "127.0.0.1", "port": stranger.getsockname()[1]}
        session = guarded("import time; time.sleep(60)", address=address).start()
        session.wait("squatted")
        session.finish()
    assert "listening" not in session.names()
    assert with_token(session.token) == []


def test_tells_its_own_tcp_listener_from_a_stranger(guarded: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = f"import socket, time\ns = socket.create_server(('127.0.0.1', {port}))\ntime.sleep(60)"
    address = {"kind": "tcp", "host": "127.0.0.1", "port": port}
    session = guarded(script, address=address).start()
    session.wait("listening")
    assert "squatted" not in session.names()


def test_refuses_orders_it_cannot_follow_naming_the_field() -> None:
    cases = {
        "not json": "not a JSON object",
        "{}": "`key`",
        '{"key": "../../etc"}': "`key`",
        '{"key": "0123abcd", "token": "short"}': "`token`",
        "": "stdin ended",
    }
    for text, part in cases.items():
        done = subprocess.run(
            [sys.executable, "-c", GUARD],
            input=(text + "\n").encode() if text else b"",
            stdout=subprocess.PIPE,
            timeout=DEADLINE_S,
            check=False,
        )
        failed = json.loads(done.stdout)
        assert done.returncode == 2
        assert failed["code"] == "HL_OPTION_INVALID"
        assert part in failed["because"]


def test_refuses_a_run_folder_that_is_a_link(guarded: Make, short_path: Path) -> None:
    session = guarded()
    session.run_folder.parent.mkdir(parents=True)
    (short_path / "elsewhere").mkdir()
    session.run_folder.symlink_to(short_path / "elsewhere")
    assert session.start().wait("failed")["code"] == "HL_STATE_UNWRITABLE"


def test_imports_nothing_heavy_for_a_start() -> None:
    shared = str(Path(__file__).resolve().parent.parent)
    code = (
        f"import sys; sys.path.insert(0, {shared!r}); import hyperllama_service.serve;"
        "heavy = {'dataclasses', 'typing', 'pathlib', 'subprocess', 'inspect', 'asyncio',"
        " 'logging', 'importlib.metadata', 'shutil', 'ctypes'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
