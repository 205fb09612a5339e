"""Find out within a second that the package index cannot be reached, before anything is fetched.

Only a refusal counts. Silence may be a slow line, and uv and pip have limits of their own for it.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import sys
import threading
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .install_tools import Tool

DEFAULT = "https://pypi.org/simple/"
# A refusal comes at once; the answer to a name that does not exist takes a round trip.
DEADLINE_S = 0.8
_INDEX = {"uv": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"), "pip": ("PIP_INDEX_URL",)}
# With another place for packages beside the index, a silent index says nothing.
_ELSEWHERE = {
    "uv": "UV_INDEX UV_EXTRA_INDEX_URL UV_FIND_LINKS UV_NO_INDEX UV_OFFLINE UV_CONFIG_FILE".split(),
    "pip": "PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_NO_INDEX".split(),
}
_REFUSALS = (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


def why_unreachable(tool: Tool, index: str | None, environment: dict[str, str]) -> str | None:
    """Return why the index that `tool` would ask refuses; `None` when it answers, or may yet."""
    address = _address(tool.name, index, environment)
    if address is None or not re.match(r"https?://", address):
        return None
    # A user and a password in it are for the tool; here anybody's answer will do.
    address = re.sub(r"://[^/@\s]+@", "://", address)
    found: list[str] = []
    asking = threading.Thread(target=_ask, args=(address, found), daemon=True)
    asking.start()
    asking.join(DEADLINE_S)
    return f"`{address}`: {found[0]}" if found else None


def _address(tool: str, index: str | None, environment: dict[str, str]) -> str | None:
    """Return the index, `None` when only the tool itself knows where it would look."""
    if index is not None:
        return index
    if any(environment.get(name) for name in _ELSEWHERE[tool]):
        return None
    for name in _INDEX[tool]:
        if environment.get(name):
            # uv takes `name=address` too.
            return re.sub(r"^[\w-]+=(?=http)", "", environment[name])
    return None if any(map(os.path.exists, _configurations(tool, environment))) else DEFAULT


def _configurations(tool: str, environment: dict[str, str]) -> list[Path]:
    """Return the files in which the tool may have been told another index."""
    home = Path(environment.get("HOME", "/"))
    own = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    if tool == "uv":
        if environment.get("UV_NO_CONFIG"):
            return []
        return [own / "uv" / "uv.toml", Path("/etc/uv/uv.toml"), Path("/etc/xdg/uv/uv.toml")]
    named = environment.get("PIP_CONFIG_FILE")
    if named is not None:
        # The null device means: no file at all.
        return [] if named == os.devnull else [Path(named)]
    usual = [own / "pip", home / ".pip", home / "Library" / "Application Support" / "pip"]
    system = [Path("/etc"), Path("/etc/xdg/pip"), Path(sys.prefix)]
    return [folder / "pip.conf" for folder in usual + system]


def _ask(address: str, found: list[str]) -> None:
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    try:
        # `why_unreachable` lets http and https through, and nothing else.
        request = Request(address, method="HEAD")  # noqa: S310
        with urlopen(request, timeout=DEADLINE_S):  # noqa: S310
            return
    except HTTPError:
        # Whatever it says, it answers.
        return
    except (URLError, OSError) as error:
        cause = getattr(error, "reason", error)
    except ValueError:
        return
    because = _refusal(cause)
    if because is not None:
        found.append(because)


def _refusal(cause: object) -> str | None:
    """Return the words for a refusal, `None` for anything that may pass."""
    if isinstance(cause, socket.gaierror):
        return cause.strerror or "its name does not resolve"
    if isinstance(cause, OSError) and cause.errno in _REFUSALS:
        return os.strerror(cause.errno)
    # What `http.client` says when a proxy turns a connection down.
    found = re.search(r"Tunnel connection failed: .*", str(cause))
    return found[0] if found else None
