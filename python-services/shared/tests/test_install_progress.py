"""What the installer tells while it works: the bytes that have come, whatever the tool."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from guarded import DEADLINE_S, until
from hyperllama_service.install_job import UvCache
from hyperllama_service.install_run import source_bytes
from install_case import Install, Place
from package_index import wheel


def test_tells_progress_while_it_waits_for_bytes(place: Place) -> None:
    place.index.hold()
    install = place.start()
    assert place.index.reached_middle.wait(DEADLINE_S)
    first, second = install.wait("progress"), install.wait("progress")
    assert first["bytesTotal"] == 10_000
    assert 0 <= first["bytes"] <= second["bytes"] <= 10_000
    place.index.go_on.set()
    install.wait("installed")


def test_counts_packages_that_are_whole_while_the_next_one_comes(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (cache / "archive-v0" / "old").mkdir(parents=True)
    (cache / "archive-v0" / "old" / "file").write_bytes(bytes(1000))
    fetched = UvCache(str(cache))
    assert fetched.bytes_new() == 0
    coming = cache / ".tmpAbc" / "package"
    coming.mkdir(parents=True)
    (coming / "file").write_bytes(bytes(300))
    assert fetched.bytes_new() == 300
    # Once whole it is renamed into the archive, and the next one begins.
    coming.rename(cache / "archive-v0" / "new")
    assert fetched.bytes_new() == 300
    (cache / ".tmpAbc" / "file").write_bytes(bytes(50))
    assert fetched.bytes_new() == 350


def test_counts_modules_that_have_their_bytecode(tmp_path: Path) -> None:
    package = tmp_path / "package"
    (package / "__pycache__").mkdir(parents=True)
    (package / "one.py").write_text("a = 1\n")
    (package / "two.py").write_text("b = 2\nc = 3\n")
    (package / "data.bin").write_bytes(bytes(500))
    assert source_bytes(str(tmp_path)) == (0, 18)
    (package / "__pycache__" / "one.cpython-311.pyc").touch()
    assert source_bytes(str(tmp_path)) == (6, 18)


def test_sees_the_half_of_a_package_that_has_come(place: Place) -> None:
    size = 16_000_000
    place.index.data = wheel(secrets.token_bytes(size))
    place.write_lock()
    place.index.hold()
    install = place.start(bytesDownload=size, bytesOnDisk=size)
    assert place.index.reached_middle.wait(DEADLINE_S)
    # Both write in pieces of some size: a quarter of the whole is enough to have moved.
    seen = until_progress(install, size // 4)
    assert seen["bytes"] < size * 0.9
    place.index.go_on.set()
    install.wait("installed")


def until_progress(install: Install, least: int) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def has_come() -> bool:
        found.append(install.wait("progress"))
        return bool(found[-1]["bytes"] >= least)

    until(has_come, f"{least} bytes were not seen")
    return found[-1]
