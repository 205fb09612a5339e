"""Write down a session so that a later command can find and end what a killed guard left."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEMA = "hyperllama.session/1"


def write_atomically(path: str, value: dict[str, Any]) -> None:
    """Replace the file at `path` in one step; a reader or a crash sees the old or the new."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    temporary = os.path.join(folder, f".{os.path.basename(path)}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def remove_file(path: str) -> None:
    """Remove the file; one that is gone already is no error."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def remove_run_folder(folder: str) -> None:
    """Remove a session's folder, its lock last: until then no other guard may start in it.

    Only for the holder of `<folder>/lock`.
    """
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in sorted(names, key=lambda name: name == "lock"):
        path = os.path.join(folder, name)
        if os.path.isdir(path) and not os.path.islink(path):
            # Rare, and the import costs more than all the rest of a start.
            from shutil import rmtree

            rmtree(path, ignore_errors=True)
        else:
            remove_file(path)
    try:
        os.rmdir(folder)
    except OSError:
        # Another guard has made its lock here in the meantime.
        pass
