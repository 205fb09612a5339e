"""Remove what killed installs left: `python -m hyperllama_service.sweep FOLDER…`.

Only what no running install holds: each staging folder is removed under the lock of its target.
"""

from __future__ import annotations

import os
import shutil
import sys

from .events import emit
from .locks import try_lock

MARK = ".staging-"


def sweep_folder(folder: str) -> None:
    """Remove the staging folders in `folder` that nobody works in, and say so."""
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        target, mark, _ = name.partition(MARK)
        if not mark:
            continue
        lock = try_lock(os.path.join(folder, f"{target}.lock"))
        if lock is None:
            continue
        try:
            path = os.path.join(folder, name)
            shutil.rmtree(path)
            emit({"event": "removed", "path": path})
        finally:
            os.close(lock)


if __name__ == "__main__":
    for place in sys.argv[1:]:
        sweep_folder(place)
