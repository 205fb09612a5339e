"""The SGLang service, with a stand-in for the package: what is started, and what a proof finds."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from guarded import Guarded
from service_case import read_lock, run_verb, write_modules

HERE = Path(__file__).resolve().parent
SERVICE = str(HERE / "service.py")
LOCK = HERE / "cuda.lock.txt"
DRIVER_MISSING = 'raise ImportError("libcuda.so.1: cannot open shared object file")\n'
# As much of torch as the proof touches.
TORCH = """
bfloat16 = "bfloat16"

class cuda:
    @staticmethod
    def get_device_name(device):
        return "NVIDIA Stand-in"

def device(name):
    return name

class _Ones:
    def __matmul__(self, other):
        return self

    def __getitem__(self, at):
        return PRODUCT

def ones(shape, device, dtype):
    return _Ones()

PRODUCT = 8.0
"""


def package(folder: Path, files: dict[str, str], torch: str = TORCH) -> None:
    """Write packages `sglang` of these files and `torch`, and the record of `sglang`."""
    write_modules(folder, {f"sglang/{name}": text for name, text in files.items()})
    (folder / "torch.py").write_text(torch, encoding="utf-8")
    record = folder / "sglang-0.5.23.dist-info"
    record.mkdir()
    metadata = "Metadata-Version: 2.1\nName: sglang\nVersion: 0.5.23\n"
    (record / "METADATA").write_text(metadata, encoding="utf-8")


run = partial(run_verb, SERVICE)


def test_says_when_nothing_is_installed(site: Path) -> None:
    code, events, _ = run(site, "describe")
    assert (code, events[0]["code"]) == (1, "HL_ENGINE_NOT_INSTALLED")


def test_describes_itself_without_an_import(site: Path) -> None:
    package(site, {"__init__.py": DRIVER_MISSING})
    code, events, _ = run(site, "describe")
    assert (code, events[0]["version"], events[0]["build"]) == (0, "0.5.23", "sglang")


def test_starts_the_server_of_the_package_and_keeps_the_run_token_readable(site: Path) -> None:
    text = "import os, sys\nprint(sys.argv[1:], os.environ['SPT_NOENV'], os.getpid())"
    package(site, {"launch_server.py": text})
    process = subprocess.Popen(
        [sys.executable, SERVICE, "host", "--", "--model-path", "/m"],
        env={**os.environ, "PYTHONPATH": str(site)},
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = process.communicate(timeout=60)
    # The same pid: the guard sees the server itself end, not something around it.
    assert output.strip() == f"['--model-path', '/m'] 1 {process.pid}"


# Listens as the plan says, and tells its arguments; the guard asks for nothing more.
LISTENER = """
import socket, sys, time
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
s = socket.socket()
s.bind((words["--host"], int(words["--port"])))
s.listen()
print("serving", words["--model-path"], flush=True)
time.sleep(600)
"""


def test_serve_guards_the_server_from_its_order_to_its_end(
    site: Path, guarded: Callable[..., Guarded]
) -> None:
    package(site, {"launch_server.py": LISTENER})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    session = guarded(
        executable=None,
        argv=["--model-path", "/m", "--host", "127.0.0.1", "--port", str(port)],
        environment={"PYTHONPATH": str(site)},
        address={"kind": "tcp", "host": "127.0.0.1", "port": port},
    ).start(service=SERVICE)
    pid = session.wait("spawned")["pid"]
    session.wait("listening")
    session.command("ready")
    session.wait("ready")
    session.command("stop")
    exited = session.wait("exited")
    assert (exited["signal"], exited["isWanted"]) == ("SIGTERM", True)
    assert "serving /m" in exited["tail"]
    session.finish()
    assert not Path(f"/proc/{pid}").exists()


def test_prepare_names_the_card_it_computed_on(site: Path) -> None:
    package(site, {"srt/model_loader.py": ""})
    code, events, _ = run(site, "prepare")
    assert (code, events[-1]) == (0, {"event": "prepared", "device": "NVIDIA Stand-in"})


def test_prepare_refuses_a_machine_without_the_driver(site: Path) -> None:
    package(site, {"srt/model_loader.py": DRIVER_MISSING})
    code, events, _ = run(site, "prepare")
    assert (code, events[-1]["code"]) == (1, "HL_ENGINE_INSTALL_FAILED")
    assert "libcuda.so.1" in events[-1]["because"]


def test_prepare_refuses_a_card_that_computes_wrongly(site: Path) -> None:
    package(site, {"srt/model_loader.py": ""}, TORCH.replace("PRODUCT = 8.0", "PRODUCT = 7.0"))
    code, events, _ = run(site, "prepare")
    assert (code, events[-1]["code"]) == (1, "HL_ENGINE_INSTALL_FAILED")


def test_check_names_what_is_missing(site: Path) -> None:
    package(site, {"srt/model_loader.py": DRIVER_MISSING})
    code, events, _ = run(site, "check")
    findings = {event["code"]: event for event in events}
    assert code == 0
    assert findings["package"]["ok"] is True
    assert "libcuda.so.1" in findings["import"]["because"]
    assert findings["device"]["ok"] is False


def test_every_line_of_the_lock_is_an_exact_version_with_hashes() -> None:
    wrong, lines = read_lock(LOCK)
    assert (wrong, len(lines) > 100) == ([], True)
    assert any(line.startswith("sglang==0.5.23") for line in lines)
