"""What is written: lines, logs, ledgers, locks; and the parts that macOS needs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from guarded import DEADLINE_S, SHARED, until
from hyperllama_service import darwin, log, memory_kills
from hyperllama_service.events import QUEUE_BYTES_MAX, LineReader, LineWriter
from hyperllama_service.ledger import write_atomically
from hyperllama_service.listeners import _hex_addresses
from hyperllama_service.locks import try_lock
from hyperllama_service.log import EngineLog, printable

KILLS = 15


def has_written(path: Path, least: int) -> bool:
    return path.exists() and json.loads(path.read_text())["n"] >= least


def test_a_ledger_is_whole_at_every_moment_of_being_killed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    script = (
        f"import sys; sys.path.insert(0, {SHARED!r})\n"
        "from hyperllama_service.ledger import write_atomically\n"
        "n = 0\n"
        "while True:\n"
        f"    write_atomically({str(path)!r}, {{'n': n, 'pad': 'x' * (n % 7) * 1000}}); n += 1\n"
    )
    for trial in range(KILLS):
        path.unlink(missing_ok=True)
        writer = subprocess.Popen([sys.executable, "-I", "-S", "-c", script])
        until(partial(has_written, path, trial), "it writes")
        writer.send_signal(signal.SIGKILL)
        writer.wait(DEADLINE_S)
        assert json.loads(path.read_text())["n"] >= trial


def test_a_ledger_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    write_atomically(str(path), {"n": 1})
    with pytest.raises(TypeError):
        write_atomically(str(path), {"n": object()})
    assert json.loads(path.read_text()) == {"n": 1}


def test_rotates_the_log_and_keeps_three_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "FILE_BYTES_MAX", 1000)
    path = tmp_path / "logs" / "x.log"
    engine_log = EngineLog(str(path))
    for number in range(100):
        engine_log.feed(b"%04d " % number + b"x" * 94 + b"\n")
    engine_log.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["x.log", "x.log.1", "x.log.2"]
    assert all(file.stat().st_size <= 1000 for file in path.parent.iterdir())
    assert path.read_text().startswith("0090")
    assert len(engine_log.tail()) == 20
    assert len(engine_log.tail(50)) == 50


def test_the_tail_is_bounded_in_bytes_as_well(tmp_path: Path) -> None:
    engine_log = EngineLog(str(tmp_path / "x.log"))
    for number in range(100):
        engine_log.feed(b"%04d " % number + b"x" * 4000 + b"\n")
    tail = engine_log.tail(100)
    assert [tail[0][:4], tail[-1][:4]] == ["0084", "0099"]


def test_the_ring_is_bounded(tmp_path: Path) -> None:
    engine_log = EngineLog(str(tmp_path / "x.log"))
    for _ in range(100):
        engine_log.feed(b"x" * 8000 + b"\n")
    assert engine_log._ring_bytes <= log.RING_BYTES_MAX


def test_joins_and_cuts_lines(tmp_path: Path) -> None:
    engine_log = EngineLog(str(tmp_path / "x.log"))
    assert engine_log.feed(b"on") == []
    assert engine_log.feed(b"e\ntwo\r\n\nthr") == ["one", "two"]
    assert engine_log.finish() == ["thr"]
    [cut] = engine_log.feed(b"y" * 9000)
    assert (len(cut), cut[-1]) == (8192, "…")
    assert engine_log.feed(b"y" * 9000 + b"\nnext\n") == ["next"]


def test_goes_on_without_a_file_and_counts_what_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    engine_log = EngineLog(str(tmp_path / "file" / "x.log"))
    assert engine_log.feed(b"line\n") == ["line"]
    assert engine_log.bytes_dropped == 5
    assert engine_log.tail() == ["line"]
    engine_log.close()


def test_drops_a_flood_instead_of_falling_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "FLOOD_BYTES_PER_SECOND", 1000)
    engine_log = EngineLog(str(tmp_path / "x.log"))
    kept = sum(len(engine_log.feed(b"x" * 99 + b"\n")) for _ in range(1000))
    assert kept < 1000
    assert engine_log.bytes_dropped == 100 * (1000 - kept)
    engine_log.close()
    assert "were dropped" in (tmp_path / "x.log").read_text()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain \xc3\xa9\t.", "plain é\t."),
        (b"\x1b[2J\x07\x00\x7f", "\\x1b[2J\\x07\\x00\\x7f"),
        ("\x9b31m".encode(), "\\x9b31m"),
        (b"\xff", "�"),
    ],
)
def test_escapes_what_could_move_a_terminal(raw: bytes, text: str) -> None:
    assert printable(raw) == text


def test_a_full_queue_drops_lines_but_never_splits_one() -> None:
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    writer = LineWriter(write_fd)
    for number in range(2000):
        writer.send({"n": number, "pad": "x" * 500})
    assert writer.dropped > 0
    assert writer._queued <= QUEUE_BYTES_MAX
    reader, numbers = LineReader(QUEUE_BYTES_MAX), []
    while not writer.is_empty:
        numbers += [json.loads(line)["n"] for line in reader.feed(os.read(read_fd, 65536))]
        writer.flush()
    os.close(write_fd)
    numbers += [json.loads(line)["n"] for line in reader.feed(os.read(read_fd, 1_000_000))]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) == 2000 - writer.dropped
    os.close(read_fd)


def test_one_line_always_fits_and_a_gone_reader_is_no_error() -> None:
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    writer = LineWriter(write_fd)
    writer.send({"about": "x" * 2 * QUEUE_BYTES_MAX})
    assert writer.dropped == 0
    assert not writer.is_empty
    os.close(read_fd)
    writer.flush()
    assert writer.is_broken
    writer.send({"event": "late"})
    assert writer.is_empty
    os.close(write_fd)


def test_a_lock_is_free_again_when_its_holder_was_killed(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    script = (
        f"import sys, time; sys.path.insert(0, {SHARED!r})\n"
        "from hyperllama_service.locks import try_lock\n"
        f"fd = try_lock({path!r}); print(fd, flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() != b"None\n"
    assert try_lock(path) is None
    holder.kill()
    holder.wait(DEADLINE_S)
    fd = try_lock(path)
    assert fd is not None
    os.close(fd)


def test_reads_the_out_of_memory_counters_of_both_generations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "counter"
    monkeypatch.setattr(memory_kills, "_counter_files", lambda _: iter([str(file)]))
    for text in ("low 0\noom 3\noom_kill 2\n", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"):
        file.write_text(text)
        before = memory_kills.kill_counts(os.getpid())
        assert before == {str(file): 2}
        assert not memory_kills.has_killed_since(before)
        file.write_text(text.replace("oom_kill 2", "oom_kill 3"))
        assert memory_kills.has_killed_since(before)


def test_knows_addresses_as_the_kernel_prints_them() -> None:
    if sys.byteorder == "little":
        assert "0100007F" in _hex_addresses("127.0.0.1")
        assert "0000000000000000FFFF00000100007F" in _hex_addresses("127.0.0.1")
        assert _hex_addresses("::1") == {"00000000000000000000000001000000"}


PS = """\
    1     0 Ss    12304   4:05.67 Fri Nov 20 09:41:00 2026
  812     1 S+   104880   0:01.50 Sat Nov 21 09:41:03 2026
  813   812 Z         0   0:00.00 Sat Nov 21 09:41:04 2026
  900     1 R      1000 1-02:03:04 Sat Nov 21 09:41:04 2026
"""


def test_reads_the_process_table_of_macos() -> None:
    first, second, third, fourth = darwin.parse_ps(PS)
    assert (second.pid, second.parent, second.rss_bytes) == (812, 1, 104880 * 1024)
    assert (first.cpu_ticks, second.cpu_ticks) == (24567, 150)
    assert fourth.cpu_ticks == (86_400 + 2 * 3600 + 3 * 60 + 4) * 100
    assert second.start_time - first.start_time == 86_403
    assert third.is_zombie
    assert darwin.parse_lsof("p812\nf5\np900\n") == {812, 900}


def test_takes_the_answers_of_macos_there() -> None:
    script = (
        f"import sys; sys.path.insert(0, {SHARED!r}); sys.platform = 'darwin'\n"
        "from hyperllama_service import darwin, listeners, processes\n"
        "assert processes.list_processes is darwin.list_processes\n"
        "assert processes.boot_id is darwin.boot_id\n"
        "assert processes.carries_token is darwin.carries_token\n"
        "assert listeners.find_listener is darwin.find_listener\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=DEADLINE_S)
