"""Write a model's weights in another format. No engine: nothing is served here.

Verbs: describe, check, prepare, convert. The contract stands in README.md.
"""

from __future__ import annotations

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "shared"))

from hyperllama_service.service import run_service  # noqa: E402

# The package that reads and writes GGUF; its version names the environment.
DISTRIBUTION = "gguf"


def _convert(argv: list[str]) -> int:
    from convert import main

    return main(argv)


def _check(_: list[str]) -> int:
    from proof import check

    return check()


def _prepare(_: list[str]) -> int:
    from proof import prepare

    return prepare()


if __name__ == "__main__":
    verbs = {"check": _check, "prepare": _prepare, "convert": _convert}
    run_service(__file__, distribution=DISTRIBUTION, build=DISTRIBUTION, verbs=verbs)
