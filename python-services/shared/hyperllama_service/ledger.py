"""Write files so that a reader, or a crash at any moment, sees the old content or the new."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEMA = "hyperllama.session/1"


def write_atomically(path: str, value: dict[str, Any], *, is_durable: bool = True) -> None:
    """Replace the file at `path` in one step, 0600.

    Args:
        path: in a folder that is made when it is missing.
        value: written as JSON.
        is_durable: wait until it would survive the machine's end too (8 ms on a busy disk).
    """
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    temporary = os.path.join(folder, f".{os.path.basename(path)}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
            json.dump(value, file)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        remove_file(temporary)
        raise


def remove_file(path: str) -> None:
    """Remove the file; one that is gone already is no error."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
