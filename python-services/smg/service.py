"""Start, describe and guard smg: the router of `smg launch`, as a child.

Verbs: describe, check, prepare, serve, host. The contract stands in ../README.md.
"""

from __future__ import annotations

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "shared"))

from hyperllama_service.service import run_service  # noqa: E402

DISTRIBUTION = "smg"


def _host(argv: list[str]) -> int:
    from host import host

    return host(argv)


def _check(_: list[str]) -> int:
    from proof import check

    return check()


def _prepare(_: list[str]) -> int:
    from proof import prepare

    return prepare()


if __name__ == "__main__":
    verbs = {"check": _check, "prepare": _prepare, "host": _host}
    run_service(__file__, distribution=DISTRIBUTION, build=DISTRIBUTION, verbs=verbs)
