"""Leases: who keeps an engine, who ends it, and that no holder can block it."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from guarded import DEADLINE_S, Guarded, Lease, is_alive, until, with_token

# Many times the keep-alive of the test that uses them.
LOOKS_MAX = 300
LOOK_STEP_S = 0.1

Make = Callable[..., Guarded]

# Says when it was asked to stop, and goes on until the file in its second argument is there.
DRAIN = """
import os, signal, sys, time
def drain(*_):
    # Not `print`: the signal may come while "up" is being printed, which Python refuses.
    os.write(1, b"draining\\n")
    while not os.path.exists(sys.argv[2]): time.sleep(0.01)
    os._exit(0)
signal.signal(signal.SIGTERM, drain)
print("up", flush=True)
while True: time.sleep(60)
"""

LINES = """
import time
for i in range(200): print(f'{i:04} ' + 'y' * 1000, flush=True)
while True: time.sleep(60)
"""

# Writes 8 MiB of log and then a file, to show that nothing stopped it.
CHATTER = """
import os, sys, time
for i in range(8 * 1024):
    os.write(1, b"%06d " % i + b"x" * 1016 + b"\\n")
open(sys.argv[2], "w").close()
while True: time.sleep(60)
"""


def test_outlives_its_starter_while_another_holds_it(guarded: Make) -> None:
    session = guarded().start()
    session.wait("listening")
    lease = Lease(session.control)
    assert (lease.wait("session"))["leases"] == 2
    session.leave()
    lease.command("status")
    while lease.wait("session")["leases"] != 1:
        lease.command("status")
    assert len(with_token(session.token)) == 1
    lease.command("stop")
    assert lease.wait("exited")["isWanted"]
    assert lease.read() is None
    lease.close()


def test_ends_with_its_last_lease(guarded: Make) -> None:
    session = guarded().start()
    session.wait("listening")
    session.command("release")
    assert session.wait("exited")["isWanted"]
    session.finish()
    assert session.process.returncode == 0


def test_waits_the_keep_alive_after_the_last_lease(guarded: Make) -> None:
    session = guarded(keepAliveMs=3_600_000).start()
    session.wait("listening")
    session.command("ready")
    session.wait("ready")
    session.leave()
    lease = Lease(session.control)
    first = lease.wait("session")
    assert (first["state"], first["isListening"]) == ("ready", True)
    lease.command("stop")
    assert lease.wait("exited")["isWanted"]
    lease.close()


def test_a_keep_alive_lengthens_what_another_asked_for_and_never_shortens_it(guarded: Make) -> None:
    session = guarded(keepAliveMs=60_000).start()
    session.wait("session")
    for asked, kept in ((5_000, 60_000), (120_000, 120_000), (60_000, 120_000), (0, 120_000)):
        session.command("keep-alive", ms=asked)
        session.command("status")
        assert session.wait("session")["keepAliveMs"] == kept
    session.command("stop")
    assert session.wait("exited")["isWanted"]


def test_keeps_no_engine_whose_start_was_given_up(guarded: Make) -> None:
    session = guarded(keepAliveMs=3_600_000).start()
    session.wait("listening")
    session.command("release")
    assert session.wait("exited")["isWanted"]


def look(control: str) -> Lease | None:
    """Connect, take the state, and leave as one who only looked; `None` when nobody is there."""
    try:
        lease = Lease(control)
        lease.command("look")
    except OSError:
        # It ended before we came, or between the two.
        return None
    return lease


def test_a_new_lease_ends_the_lingering(guarded: Make) -> None:
    session = guarded(keepAliveMs=300).start()
    session.wait("listening")
    session.command("ready")
    session.wait("ready")
    session.command("release")
    lease = Lease(session.control)
    lease.wait("session")
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 0.5, "time passes")
    lease.command("status")
    assert lease.wait("session")["state"] == "ready"
    lease.close()


def test_a_look_does_not_prolong_the_lingering(guarded: Make) -> None:
    session = guarded(keepAliveMs=1500).start()
    session.wait("listening")
    session.command("ready")
    session.wait("ready")
    session.command("release")
    looks = 0
    while (lease := look(session.control)) is not None:
        lease.close()
        looks += 1
        assert looks < LOOKS_MAX, "every look prolonged it"
        time.sleep(LOOK_STEP_S)
    assert looks > 1


def test_stops_if_idle_only_when_nobody_else_holds_it(guarded: Make) -> None:
    session = guarded(keepAliveMs=3_600_000).start()
    session.wait("listening")
    session.command("ready")
    session.wait("ready")
    user, asker = Lease(session.control), Lease(session.control)
    session.command("release")
    asker.wait("session")
    asker.command("stop-if-idle")
    assert asker.wait("held")["leases"] == 1
    user.wait("session")
    user.command("stop-if-idle")
    assert user.wait("held")["leases"] == 1
    user.command("release")
    assert user.read() is None
    asker.command("stop-if-idle")
    assert asker.wait("exited")["isWanted"]
    for lease in (user, asker):
        lease.close()


def test_refuses_new_leases_while_it_stops(guarded: Make, short_path: Path) -> None:
    may_go = short_path / "may-go"
    session = guarded()
    session.order["argv"] = ["-c", DRAIN, session.socket, str(may_go)]
    session.start().wait("log", line="up")
    session.command("stop")
    session.wait("log", line="draining")
    late = Lease(session.control)
    first = late.read()
    assert first is not None
    assert (first["event"], first["state"]) == ("session", "stopping")
    assert late.read() is None
    late.close()
    may_go.touch()
    assert session.wait("exited")["code"] == 0


def test_gives_a_released_engine_its_grace_and_a_killed_holder_none(
    guarded: Make, short_path: Path
) -> None:
    gentle, hurried = guarded(key="00000001"), guarded(key="00000002")
    for session in (gentle, hurried):
        session.order["shutdown"] = {"signal": "SIGTERM", "graceMs": 60_000}
        session.order["argv"] = ["-c", DRAIN, session.socket, str(short_path / "go")]
        session.start().wait("log", line="up")
    gentle.command("release")
    hurried.leave()
    assert hurried.process.wait(DEADLINE_S) == 0
    assert with_token(hurried.token) == []
    assert gentle.process.poll() is None
    (short_path / "go").touch()
    assert gentle.wait("exited")["code"] == 0


def test_a_killed_last_holder_cuts_an_end_under_way_short(guarded: Make, short_path: Path) -> None:
    session = guarded()
    session.order["shutdown"] = {"signal": "SIGTERM", "graceMs": 60_000}
    session.order["argv"] = ["-c", DRAIN, session.socket, str(short_path / "never")]
    session.start().wait("log", line="up")
    session.command("stop")
    session.leave()
    assert session.process.wait(DEADLINE_S) == 0
    assert with_token(session.token) == []


def test_a_reader_that_never_reads_does_not_block_the_engine(
    guarded: Make, short_path: Path
) -> None:
    done = short_path / "done"
    session = guarded()
    session.order["argv"] = ["-c", CHATTER, session.socket, str(done)]
    session.start(is_read=False)
    until(done.exists, "the engine was blocked by a reader that does not read")
    lease = Lease(session.control)
    assert lease.wait("session")["state"] == "starting"
    lease.close()


def test_a_stopped_lease_holder_does_not_block_the_others(guarded: Make, short_path: Path) -> None:
    done = short_path / "done"
    session = guarded()
    session.order["argv"] = ["-c", CHATTER, session.socket, str(done)]
    session.start()
    session.wait("session")
    silent = Lease(session.control)
    until(done.exists, "the engine was blocked")
    session.command("ready")
    session.wait("ready")
    session.command("stop")
    session.wait("exited")
    session.finish()
    silent.close()


def test_survives_a_reader_whose_stdout_is_closed(guarded: Make) -> None:
    session = guarded().start(is_read=False)
    assert session.process.stdout is not None
    session.process.stdout.readline()
    session.process.stdout.close()
    lease = Lease(session.control)
    assert lease.wait("session")["leases"] == 2
    session.command("stop")
    assert lease.wait("exited")["isWanted"]
    lease.close()


def test_passes_over_commands_that_make_no_sense(guarded: Make) -> None:
    session = guarded().start()
    session.wait("listening")
    lease = Lease(session.control)
    lease.wait("session")
    lease.socket.sendall(b"\n[]\nnull\n{\n" + b"[" * 5000 + b"\n" + b'{"command": 7}\n')
    lease.command("keep-alive", ms=-1)
    lease.command("keep-alive", ms="60")
    lease.command("unheard-of")
    lease.command("status")
    assert lease.wait("session")["keepAliveMs"] == 0
    # A line without an end closes the connection; the session goes on.
    try:
        lease.socket.sendall(b"x" * 1_000_000)
    except (BrokenPipeError, ConnectionResetError):
        pass
    session.command("status")
    while session.wait("session")["leases"] != 1:
        session.command("status")
    lease.close()


def test_ends_the_tree_when_the_guard_is_asked_by_a_signal(guarded: Make) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        session = guarded().start()
        session.wait("listening")
        os.kill(session.process.pid, number)
        assert session.wait("exited")["isWanted"]
        session.finish()
        assert with_token(session.token) == []


def test_frees_the_stderr_of_its_caller(guarded: Make) -> None:
    session = guarded().start()
    session.wait("listening")
    log = Path(f"/proc/{session.process.pid}/fd/2").resolve()
    assert log == Path(session.order["logFile"])


def test_a_slow_reader_gets_every_line_it_has_room_for(guarded: Make) -> None:
    session = guarded(LINES).start(is_read=False)
    until(
        lambda: (
            Path(session.order["logFile"]).exists()
            and "0199" in Path(session.order["logFile"]).read_text()
        ),
        "the engine has written",
    )
    stdout = session.process.stdout
    assert stdout is not None
    lines: list[str] = []

    def read() -> None:
        while len(lines) < 200:
            event = json.loads(stdout.readline())
            if event["event"] == "log":
                lines.append(event["line"][:4])

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(DEADLINE_S)
    assert lines == [f"{i:04}" for i in range(200)]


def test_is_idle_once_it_is_ready(guarded: Make) -> None:
    session = guarded().start()
    session.wait("listening")
    session.command("ready")
    session.wait("ready")
    # The ledger is written, and waited for, before the answer to the next command.
    session.command("status")
    session.wait("session")
    before = Path(f"/proc/{session.process.pid}/status").read_text()
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 0.3, "time passes")
    after = Path(f"/proc/{session.process.pid}/status").read_text()

    def wakeups(text: str) -> int:
        line = next(x for x in text.splitlines() if x.startswith("voluntary_ctxt_switches"))
        return int(line.split()[1])

    assert wakeups(after) - wakeups(before) <= 3
    assert is_alive(session.process.pid)


def test_lets_a_released_holder_go_when_others_hold_the_session(guarded: Make) -> None:
    session = guarded().start()
    session.wait("listening")
    first, second = Lease(session.control), Lease(session.control)
    second.wait("session")
    first.command("release")
    while first.read() is not None:
        pass
    second.command("status")
    assert second.wait("session")["leases"] == 2
    for lease in (first, second):
        lease.close()
