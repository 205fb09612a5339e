"""Shared memory that a killed process leaves behind: found while it lives, removed when unused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from guarded import Guarded, with_token
from hyperllama_service.shared_memory import remove_shared_memory, shared_memory_of

pytestmark = pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no /dev/shm here")

HOLDER = """
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
os.ftruncate(fd, 4096)
memory = mmap.mmap(fd, 4096)
print("mapped", flush=True)
sys.stdin.read()
"""


class Holder:
    """A process that has a segment mapped until it is killed."""

    def __init__(self, path: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"mapped\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=30)


@pytest.fixture
def path() -> Iterator[str]:
    path = f"/dev/shm/hyperllama-test-{os.getpid()}"
    yield path
    Path(path).unlink(missing_ok=True)


def test_what_a_killed_process_left_is_removed(path: str) -> None:
    holder = Holder(path)
    found = shared_memory_of([holder.process.pid])
    assert found == {path: os.stat(path).st_ino}
    holder.kill()
    assert remove_shared_memory(found) == [path]
    assert not os.path.exists(path)


def test_what_another_process_still_uses_stays(path: str) -> None:
    first, second = Holder(path), Holder(path)
    found = shared_memory_of([first.process.pid])
    first.kill()
    assert remove_shared_memory(found) == []
    assert os.path.exists(path)
    second.kill()


def test_a_new_segment_of_the_same_name_stays(path: str) -> None:
    holder = Holder(path)
    found = shared_memory_of([holder.process.pid])
    holder.kill()
    # The inode of the removed one may be given to the next: hold it while the new one is made.
    kept = os.open(path, os.O_RDONLY)
    os.unlink(path)
    Path(path).touch(mode=0o600)
    os.close(kept)
    assert remove_shared_memory(found) == []
    assert os.path.exists(path)


def test_a_process_that_is_gone_has_none() -> None:
    holder = subprocess.Popen(["true"])
    holder.wait(timeout=30)
    assert shared_memory_of([holder.pid]) == {}


SEMAPHORE = """
import multiprocessing, sys
lock = multiprocessing.get_context("spawn").Lock()
print("made", flush=True)
sys.stdin.read()
"""


def test_a_semaphore_is_removed_though_it_was_mapped_under_a_name_that_is_gone() -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", SEMAPHORE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"made\n"
    found = shared_memory_of([holder.pid])
    entries = [e.path for e in os.scandir("/dev/shm") if e.inode() in found.values()]
    assert len(entries) == 1
    assert entries[0] not in found
    # With the tracker of `multiprocessing`, which would remove it.
    os.killpg(holder.pid, signal.SIGKILL)
    holder.wait(timeout=30)
    assert remove_shared_memory(found) == entries


# An engine that is ended in its start: it makes its segment when it is told to end.
LATE = """
import mmap, os, signal, sys, time
def on_term(*_):
    fd = os.open(%r, os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(fd, 4096)
    globals()["memory"] = mmap.mmap(fd, 4096)
signal.signal(signal.SIGTERM, on_term)
print("listening", flush=True)
while True: time.sleep(60)
"""


def test_what_is_made_while_the_tree_is_ended_goes_too(
    guarded: Callable[..., Guarded], path: str
) -> None:
    session = guarded(LATE % path).start()
    session.wait("log", line="listening")
    session.leave()
    session.finish()
    assert with_token(session.token) == []
    assert not os.path.exists(path)
