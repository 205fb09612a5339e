"""The llama.cpp service: its flags, its proof, its locks; with the engine itself where it is."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import flags
import pytest
from guarded import DEADLINE_S, Guarded, until, with_token
from proof_model import write_proof_model

HERE = Path(__file__).resolve().parent
SERVICE = str(HERE / "service.py")
VERSION = "2026.10.11549"
needs_engine = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed here"
)


class Words:
    """An enum that has every name; the name is the value."""

    def __getattr__(self, name: str) -> str:
        return name


@pytest.fixture
def params() -> SimpleNamespace:
    parts = ("model", "cpuparams", "cpuparams_batch", "sampling", "mmproj")
    draft = SimpleNamespace(mparams=SimpleNamespace())
    return SimpleNamespace(
        hostnames=[],
        lora_adapters=[],
        speculative=SimpleNamespace(draft=draft),
        **{part: SimpleNamespace() for part in parts},
    )


def apply(params: object, *argv: str) -> None:
    module = SimpleNamespace(
        ggml_type=Words(),
        llama_flash_attn_type=Words(),
        llama_load_mode=Words(),
        llama_pooling_type=Words(),
        llama_split_mode=Words(),
        common_reasoning_format=Words(),
        common_speculative_type=Words(),
        CommonAdapterLoraInfo=SimpleNamespace,
    )
    flags.apply_flags(module, params, list(argv))


def test_listens_also_with_a_release_that_knows_one_address(params: SimpleNamespace) -> None:
    del params.hostnames
    apply(params, "--host", "/run/e.sock")
    assert params.hostname == "/run/e.sock"


def test_sets_the_attribute_behind_each_flag(params: SimpleNamespace) -> None:
    apply(
        params,
        *("--model", "/m.gguf", "--host", "/run/e.sock", "--port=0", "--alias", "a,b"),
        *("--ctx-size", "4096", "--parallel", "4", "--threads", "2", "--threads-batch", "3"),
        *("--flash-attn", "auto", "--cache-type-k", "q8_0", "--load-mode", "none", "--metrics"),
        *("--n-gpu-layers", "all", "--no-cache-prompt", "--no-ui", "--seed", "7", "--fit", "off"),
    )
    assert params.model.path == "/m.gguf"
    assert params.hostnames == ["/run/e.sock"]
    assert (params.port, params.n_ctx, params.n_parallel) == (0, 4096, 4)
    assert params.model_alias == {"a", "b"}
    assert (params.cpuparams.n_threads, params.cpuparams_batch.n_threads) == (2, 3)
    assert params.flash_attn_type == "LLAMA_FLASH_ATTN_TYPE_AUTO"
    assert params.cache_type_k == "GGML_TYPE_Q8_0"
    assert params.load_mode == "LLAMA_LOAD_MODE_NONE"
    assert (params.endpoint_metrics, params.cache_prompt, params.ui) == (True, False, False)
    assert (params.n_gpu_layers, params.sampling.seed, params.fit_params) == (-2, 7, False)


def test_sets_what_is_loaded_beside_the_model(params: SimpleNamespace) -> None:
    apply(
        params,
        *("--spec-type", "draft-simple", "--spec-draft-model", "/d.gguf"),
        *("--spec-draft-n-max", "3", "--spec-draft-ngl", "all"),
        *("--lora", "/a.gguf", "--lora", "/b.gguf"),
    )
    assert params.speculative.types == ["COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE"]
    draft = params.speculative.draft
    assert (draft.mparams.path, draft.n_max, draft.n_gpu_layers) == ("/d.gguf", 3, -2)
    adapters = [(adapter.path, adapter.scale) for adapter in params.lora_adapters]
    assert adapters == [("/a.gguf", 1.0), ("/b.gguf", 1.0)]


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["--ctxsize", "1"], "unknown flag `--ctxsize`"),
        (["-c", "1"], "unknown flag `-c`"),
        (["stray"], "unknown flag `stray`"),
        (["--metrics=on"], "unknown flag `--metrics=on`"),
        (["--ctx-size"], "`--ctx-size` needs a value"),
        (["--ctx-size", "many"], "`--ctx-size` got `many`"),
        (["--threads", "0"], "expected 1 or more"),
        (["--flash-attn", "yes"], "expected one of on, off, auto"),
        (["--cache-type-k", "q5"], "expected one of f32"),
        (["--spec-type", "magic"], "expected one of draft-simple"),
    ],
)
def test_refuses_a_flag_it_would_have_to_drop(
    params: SimpleNamespace, argv: list[str], part: str
) -> None:
    with pytest.raises(flags.FlagError, match=re.escape(part)):
        apply(params, *argv)


def test_pins_one_version_everywhere() -> None:
    for name in ("cpu", "cuda", "rocm", "vulkan"):
        text = (HERE / f"{name}.lock.txt").read_text()
        pins = re.findall(r"^[^#\s]\S*", text, re.M)
        assert pins == [f"xllamacpp=={VERSION}"], name
    assert f"xllamacpp=={VERSION}" in (HERE / "pyproject.toml").read_text()
    hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}", (HERE / "cpu.lock.txt").read_text())
    assert len(hashes) == len(set(hashes)) > 4
    # A lock must work with every mirror: it names no host.
    assert "://" not in (HERE / "cpu.lock.txt").read_text()


def test_describes_from_package_names_alone(tmp_path: Path) -> None:
    (tmp_path / "xllamacpp-2031.1.1.dist-info").mkdir()
    code = (
        f"import sys; sys.argv = [{SERVICE!r}, 'describe']; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import os, runpy\n"
        "def leave(code):\n"
        "    heavy = {'xllamacpp', 'importlib.metadata', 'subprocess', 'ctypes', 'email'}\n"
        "    sys.stderr.write(str(sorted(heavy & set(sys.modules)))); sys.exit(code)\n"
        "os._exit = leave\n"
        f"runpy.run_path({SERVICE!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout) == {
        "event": "described",
        "version": "2031.1.1",
        "build": "xllamacpp",
        "devices": ["cpu"],
    }
    assert (done.stderr, done.returncode) == ("[]", 0)


def test_describe_says_when_nothing_is_installed() -> None:
    command = [sys.executable, "-I", "-S", SERVICE, "describe"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    failed = json.loads(done.stdout)
    assert (failed["code"], done.returncode) == ("HL_ENGINE_NOT_INSTALLED", 1)


def test_names_the_devices_of_the_recipe() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(HERE.parent / 'shared')!r})\n"
        "from hyperllama_service.describe import devices; print(','.join(devices()))"
    )
    for recipe, words in {"cuda": "cpu,nvidia", "rocm": "cpu,amd", "cpu": "cpu"}.items():
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "HYPERLLAMA_RECIPE": recipe},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == words


def test_refuses_a_verb_it_does_not_know() -> None:
    done = subprocess.run(
        [sys.executable, SERVICE, "dance"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage" in done.stderr


def test_writes_the_same_small_proof_model_each_time(tmp_path: Path) -> None:
    first, second = tmp_path / "a.gguf", tmp_path / "b.gguf"
    write_proof_model(first)
    write_proof_model(second)
    data = first.read_bytes()
    assert data == second.read_bytes()
    assert struct.unpack("<4sIQ", data[:16]) == (b"GGUF", 3, 12)
    assert len(data) < 1_000_000


@needs_engine
def test_every_flag_sets_what_the_installed_engine_has() -> None:
    import xllamacpp

    examples = {
        "--flash-attn": "on",
        "--cache-type-k": "q8_0",
        "--cache-type-v": "f16",
        "--load-mode": "mmap",
        "--pooling": "mean",
        "--reasoning-format": "none",
        "--split-mode": "layer",
        "--fit": "off",
        "--spec-type": "draft-simple",
    }
    for flag in flags.VALUED:
        value = examples.get(flag, "1")
        flags.apply_flags(xllamacpp, xllamacpp.CommonParams(), [flag, value])
    for flag in flags.SWITCHES:
        flags.apply_flags(xllamacpp, xllamacpp.CommonParams(), [flag])


@needs_engine
def test_every_word_of_a_flag_is_known_to_the_installed_engine() -> None:
    import xllamacpp

    words = {
        "--flash-attn": flags._FLASH,
        "--cache-type-k": flags._CACHE_TYPES,
        "--load-mode": flags._LOAD,
        "--pooling": flags._POOLING,
        "--reasoning-format": flags._REASONING,
        "--split-mode": flags._SPLIT,
        "--spec-type": flags._SPECULATIVE,
    }
    for flag, table in words.items():
        for word in table:
            flags.apply_flags(xllamacpp, xllamacpp.CommonParams(), [flag, word])


@needs_engine
def test_proves_a_build_by_one_decode() -> None:
    for verb in ("prepare", "check"):
        done = subprocess.run(
            [sys.executable, SERVICE, verb], stdout=subprocess.PIPE, check=True, timeout=120
        )
        events = [json.loads(line) for line in done.stdout.splitlines()]
        if verb == "prepare":
            assert events == [{"event": "prepared"}]
        else:
            assert [event["code"] for event in events] == ["package", "decode"]
            assert all(event["ok"] for event in events)


@needs_engine
def test_a_build_that_cannot_decode_is_named_with_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    import proof

    monkeypatch.setattr(proof, "write_proof_model", lambda path: path.write_bytes(b"GGUF junk"))
    problem = proof.prove_decode()
    assert problem is not None
    assert "a test decode ended with" in problem


Host = Callable[..., Guarded]


@pytest.fixture
def host(guarded: Host, short_path: Path) -> Host:
    """Guards the real engine with the proof model."""
    model = short_path / "proof.gguf"
    write_proof_model(model)

    def make(*more: str) -> Guarded:
        session = guarded()
        argv = ["--model", str(model), "--host", session.socket, "--threads", "1"]
        argv += ["--threads-batch", "1", "--ctx-size", "256", "--parallel", "1", *more]
        session.order.update(executable=sys.executable, argv=[SERVICE, "host", "--", *argv])
        return session

    return make


def request(path: str, body: dict[str, Any] | None = None) -> bytes:
    text = b"" if body is None else json.dumps(body).encode()
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: x\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


def ask(session: Guarded, path: str, body: dict[str, Any] | None = None) -> bytes:
    """Return status line, headers and the beginning of the body."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE_S)
        connection.connect(session.socket)
        connection.sendall(request(path, body))
        return connection.recv(65536)


def is_healthy(session: Guarded) -> bool:
    try:
        return b" 200 " in ask(session, "/health")
    except OSError:
        return False


@needs_engine
def test_serves_on_a_unix_socket_and_leaves_none_behind(host: Host) -> None:
    session = host("--metrics").start()
    session.wait("listening")
    until(lambda: is_healthy(session), "the server is not healthy")
    body = {"prompt": "x", "max_tokens": 1}
    assert b" 200 " in ask(session, "/v1/completions", body)
    session.command("ready")
    session.wait("ready")
    session.command("stop")
    assert session.wait("exited")["isWanted"]
    session.finish()
    assert not session.run_folder.exists()
    assert with_token(session.token) == []


@needs_engine
def test_ends_in_the_middle_of_a_stream_when_asked(host: Host) -> None:
    # Room for a stream of minutes; the grace is longer than the test may take.
    session = host("--ctx-size", "65536")
    session.order["shutdown"] = {"signal": "SIGTERM", "graceMs": 600_000}
    session.start().wait("listening")
    until(lambda: is_healthy(session), "the server is not healthy")
    body = {"prompt": "x", "max_tokens": 60_000, "ignore_eos": True, "stream": True}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE_S)
        connection.connect(session.socket)
        connection.sendall(request("/v1/completions", body))
        stream = b""
        while b"data: " not in stream:
            stream += connection.recv(4096)
        session.command("stop")
        assert session.wait("exited")["signal"] == "SIGTERM"
        while data := connection.recv(65536):
            stream += data
    assert b" 200 " in stream
    assert b"[DONE]" not in stream


@needs_engine
def test_a_start_that_fails_says_why_in_its_last_lines(host: Host, short_path: Path) -> None:
    junk = short_path / "junk.gguf"
    junk.write_bytes(b"not a model")
    exited = host("--model", str(junk)).start().wait("exited")
    assert (exited["code"], exited["isWanted"]) == (1, False)
    assert any("magic" in line for line in exited["tail"])


@needs_engine
def test_an_unknown_flag_ends_the_start_with_2(host: Host) -> None:
    exited = host("--n-ctx", "1").start().wait("exited")
    assert exited["code"] == 2
    assert exited["tail"] == ["service.py host: unknown flag `--n-ctx`"]
