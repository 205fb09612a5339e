"""Answer whether the kernel killed for lack of memory, by the counters of the control groups."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def kill_counts(pid: int) -> dict[str, int]:
    """Return the out-of-memory kills so far, by counter file, as far as they can be seen.

    cgroup v2 counts in `memory.events`, v1 in `memory.oom_control`, and a process in the root
    group only in `/proc/vmstat`, which counts for the whole machine.
    """
    found = {}
    for path in (*_counter_files(pid), "/proc/vmstat"):
        count = _read_count(path)
        if count is not None:
            found[path] = count
            break
    return found


def has_killed_since(before: dict[str, int]) -> bool:
    """Tell whether a counter of `kill_counts` has risen; the process itself may be gone."""
    return any((_read_count(path) or 0) > count for path, count in before.items())


def _counter_files(pid: int) -> Iterator[str]:
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
            groups = [line.rstrip("\n").split(":", 2) for line in file]
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            mounts = [line.split(" ") for line in file]
    except OSError:
        return
    for hierarchy, controllers, path in groups:
        is_v1 = "memory" in controllers.split(",")
        if not is_v1 and hierarchy != "0":
            continue
        for mount in mounts:
            dash = mount.index("-")
            kind, options = mount[dash + 1], mount[dash + 3].strip().split(",")
            is_wanted = kind == "cgroup" and "memory" in options if is_v1 else kind == "cgroup2"
            root, point = mount[3], mount[4]
            # In a container the group may be named as the host sees it, below the mount's root.
            if is_wanted and path.startswith(root.rstrip("/")):
                inside = path[len(root.rstrip("/")) :].rstrip("/")
                name = "memory.oom_control" if is_v1 else "memory.events"
                yield f"{point}{inside}/{name}"


def _read_count(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
    except (OSError, ValueError):
        return None
    return None
