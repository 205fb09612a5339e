"""The MLX service, with a stand-in for mlx-lm: what is served from, and what ends the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from model_view import correct, servable
from service_case import read_lock

HERE = Path(__file__).resolve().parent
SERVICE = str(HERE / "service.py")
VERSION = "0.32.2"
LOCKS = sorted(HERE.glob("*.lock.txt"))

# As mlx-lm's: a thread that computes and is waited for at the interpreter's end, and a server.
SERVER = """
import json, os, sys, threading, time

class ResponseGenerator:
    def __init__(self):
        threading.Thread(target=self._run_generate).start()
    def _run_generate(self):
        try:
            self._generate()
        except Exception as error:
            print("generation thread died", error, file=sys.stderr)
    def _generate(self):
        GENERATE

def main():
    ResponseGenerator()
    SERVE
"""


def package(folder: Path, *, generate: str = "time.sleep(600)", serve: str) -> None:
    """Write a package `mlx_lm` whose server does these things, and its record."""
    text = SERVER.replace("GENERATE", generate).replace("SERVE", serve)
    (folder / "mlx_lm").mkdir()
    (folder / "mlx_lm" / "__init__.py").touch()
    (folder / "mlx_lm" / "server.py").write_text(text, encoding="utf-8")
    (folder / f"mlx_lm-{VERSION}.dist-info").mkdir()


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SERVICE, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def events(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def model(folder: Path, **config: Any) -> Path:
    path = folder / "weights"
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"model_type": "llama", **config}))
    (path / "model.safetensors").write_bytes(b"weights")
    return path


def test_a_model_it_reads_right_is_served_from_its_own_folder(tmp_path: Path) -> None:
    path = str(model(tmp_path, rope_theta=1e5, rope_parameters={"rope_theta": 1e5}))
    assert servable(path, str(tmp_path)) == path
    assert sorted(os.listdir(tmp_path)) == ["weights"]


def test_a_base_that_stands_deeper_is_served_from_a_view(tmp_path: Path) -> None:
    path = model(tmp_path, rope_parameters={"rope_theta": 1e5, "rope_type": "default"})
    before = (path / "config.json").read_text()
    view = Path(servable(str(path), str(tmp_path)))
    assert view.parent == tmp_path
    assert json.loads((view / "config.json").read_text())["rope_theta"] == 1e5
    assert os.readlink(view / "model.safetensors") == str(path / "model.safetensors")
    # The model's own folder is as it was.
    assert (path / "config.json").read_text() == before
    # A second start beside what a killed one left.
    assert servable(str(path), str(tmp_path)) != str(view)


def test_a_folder_without_a_configuration_is_left_to_the_engine(tmp_path: Path) -> None:
    assert servable(str(tmp_path), str(tmp_path)) == str(tmp_path)


YARN = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e6, "partial_rotary_factor": 0.5}
SCALING = {k: v for k, v in YARN.items() if k != "rope_theta"}
BY_LAYER = {"full_attention": {"rope_theta": 1e6}, "sliding_attention": {"rope_theta": 1e4}}


@pytest.mark.parametrize(
    ("config", "added"),
    [
        ({}, {}),
        ({"rope_theta": 7.0}, {}),
        ({"rope_parameters": {"rope_theta": 1e5}}, {"rope_theta": 1e5}),
        ({"rope_theta": None, "rope_parameters": {"rope_theta": 1e5}}, {"rope_theta": 1e5}),
        # Two answers: nobody knows which is right, and mlx-lm's own choice is the upper one.
        ({"rope_theta": 7.0, "rope_parameters": {"rope_theta": 1e5}}, {}),
        (
            {"rope_parameters": YARN},
            {"rope_theta": 1e6, "rope_scaling": SCALING, "partial_rotary_factor": 0.5},
        ),
        ({"rope_parameters": BY_LAYER}, {}),
        ({"rope_parameters": None}, {}),
        (
            {"text_config": {"rope_parameters": {"rope_theta": 1e5}}},
            {"text_config": {"rope_parameters": {"rope_theta": 1e5}, "rope_theta": 1e5}},
        ),
    ],
)
def test_only_what_is_missing_is_added(config: dict[str, Any], added: dict[str, Any]) -> None:
    before = json.dumps(config)
    assert correct(config) == {**config, **added}
    assert json.dumps(config) == before


def test_serves_with_the_flags_it_was_given_and_the_corrected_folder(tmp_path: Path) -> None:
    package(tmp_path, serve="print(json.dumps(sys.argv)); sys.stdout.flush(); os._exit(0)")
    path = str(model(tmp_path, rope_parameters={"rope_theta": 1e5}))
    home = str(tmp_path / "home")
    words = ["--model", path, "--port", "1", "--draft-model", path]
    done = run(tmp_path, "host", "--", *words, HF_HOME=home)
    program, *served = json.loads(done.stdout)
    assert (program, served[::2]) == ("mlx_lm.server", words[::2])
    view, port, draft_view = served[1::2]
    assert port == "1"
    # Both: a draft with the wrong base proposes what the model never says.
    assert {Path(view).parent, Path(draft_view).parent} == {tmp_path}
    # Else its list of models is an empty answer.
    assert (tmp_path / "home" / "hub").is_dir()


def test_ends_when_the_port_is_taken_though_a_thread_goes_on(tmp_path: Path) -> None:
    package(tmp_path, serve="raise OSError(98, 'Address already in use')")
    done = run(tmp_path, "host", "--")
    last = "service.py host: OSError: [Errno 98] Address already in use"
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, last)


def test_ends_when_the_thread_that_computes_has_died(tmp_path: Path) -> None:
    package(
        tmp_path, generate="raise ValueError('no such model\\nand more')", serve="time.sleep(600)"
    )
    done = run(tmp_path, "host", "--")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        "service.py host: ValueError: no such model and more",
    )
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_at_once_by_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    package(tmp_path, serve="print('up', flush=True); time.sleep(600)")
    process = subprocess.Popen(
        [sys.executable, SERVICE, "host", "--"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        assert process.wait(60) == -number


def test_describes_from_package_names_alone(tmp_path: Path) -> None:
    (described,) = events(run(tmp_path, "describe"))
    assert described["code"] == "HL_ENGINE_NOT_INSTALLED"
    package(tmp_path, serve="pass")
    (described,) = events(run(tmp_path, "describe"))
    assert (described["version"], described["build"]) == (VERSION, "mlx-lm")


def test_prepare_refuses_a_build_that_dies_on_this_cpu(tmp_path: Path) -> None:
    (tmp_path / "mlx").mkdir()
    dies = "import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n"
    (tmp_path / "mlx" / "core.py").write_text(dies)
    done = run(tmp_path, "prepare")
    (failed,) = events(done)
    assert (done.returncode, failed["code"]) == (1, "HL_ENGINE_INSTALL_FAILED")
    assert "ended with SIGILL" in failed["because"]


def test_check_names_the_missing_module(tmp_path: Path) -> None:
    (tmp_path / "mlx").mkdir()
    (tmp_path / "mlx" / "core.py").write_text("import a_library_that_is_not_there\n")
    done = run(tmp_path, "check")
    findings = {event["code"]: event for event in events(done)}
    assert (done.returncode, findings["package"]["ok"], findings["decode"]["ok"]) == (
        0,
        False,
        False,
    )
    assert "a_library_that_is_not_there" in findings["decode"]["because"]
    assert "engines install mlx" in findings["decode"]["hint"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_line_of_a_lock_is_an_exact_version_with_hashes(lock: Path) -> None:
    wrong, lines = read_lock(lock)
    assert (wrong, len(lines) > 20) == ([], True)
    text = lock.read_text(encoding="utf-8")
    assert f"mlx-lm=={VERSION}" in text
    # A lock must work with every mirror: it names no host.
    assert "://" not in text


def test_there_is_a_lock_for_cpus_and_one_for_apple_silicon() -> None:
    assert [lock.name for lock in LOCKS] == ["cpu.lock.txt", "metal.lock.txt"]
    # Where the computing is done.
    assert "\nmlx-cpu==" in (HERE / "cpu.lock.txt").read_text()
    assert "\nmlx-metal==" in (HERE / "metal.lock.txt").read_text()
