"""Answer who listens at an address: our own tree, somebody else, or nobody yet."""

from __future__ import annotations

import os
import socket
import sys

from .processes import descendants

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .order import Address

_LISTEN = "0A"
_ACCEPTING = 0x10000


def find_listener(address: Address, guard: int) -> str:
    """Return `ours`, `theirs` or `nobody` for the listening socket at `address`."""
    inodes = _unix_inodes(address.path) if address.kind == "unix" else _tcp_inodes(address)
    if not inodes:
        return "nobody"
    owned = set()
    for process in descendants(guard):
        owned |= _socket_inodes(process.pid)
    mine = {inode: rank for inode, rank in inodes.items() if inode in owned}
    foreign = [rank for inode, rank in inodes.items() if inode not in owned]
    if not mine:
        # A unix socket whose file was replaced stays in the table under its old name: only TCP
        # proves that a stranger would answer.
        return "theirs" if address.kind == "tcp" else "nobody"
    # Connections go to the most specific listener; an equal stranger may get some of them.
    if foreign and max(foreign) >= max(mine.values()):
        return "theirs" if address.kind == "tcp" else "ours"
    return "ours"


def is_answered(path: str) -> bool:
    """Tell whether somebody listens on the unix socket file at `path`."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.setblocking(False)
        probe.connect(path)
    except BlockingIOError:
        # Its queue is full: there is a listener.
        return True
    except OSError:
        return False
    finally:
        probe.close()
    return True


def _unix_inodes(path: str) -> dict[str, int]:
    if not os.path.exists(path):
        return {}
    found = {}
    with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            # Num RefCount Protocol Flags Type St Inode Path
            fields = line.rstrip("\n").split(None, 7)
            if len(fields) == 8 and fields[7] == path and int(fields[3], 16) & _ACCEPTING:
                found[fields[6]] = 1
    return found


def _tcp_inodes(address: Address) -> dict[str, int]:
    """Return inode → 2 for a listener on the very address, 1 for one on every address."""
    found = {}
    exact = _hex_addresses(address.host)
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:
                lines = file.readlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            host, _, port = fields[1].partition(":")
            if fields[3] != _LISTEN or int(port, 16) != address.port:
                continue
            if host in exact:
                found[fields[9]] = 2
            elif set(host) == {"0"}:
                found[fields[9]] = 1
    return found


def _hex_addresses(host: str) -> set[str]:
    """Return the address as the kernel prints it: words of 4 bytes in the machine's order."""
    found = set()
    name = "127.0.0.1" if host == "localhost" else host
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            packed = socket.inet_pton(family, name)
        except OSError:
            continue
        if family == socket.AF_INET:
            found |= {_words(packed), _words(bytes(10) + b"\xff\xff" + packed)}
        else:
            found.add(_words(packed))
    return found


def _words(packed: bytes) -> str:
    step = 1 if sys.byteorder == "big" else -1
    return "".join(packed[i : i + 4][::step].hex() for i in range(0, len(packed), 4)).upper()


def _socket_inodes(pid: int) -> set[str]:
    found: set[str] = set()
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return found
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


if sys.platform == "darwin":
    from .darwin import find_listener  # noqa: F401
