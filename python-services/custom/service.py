"""Guard a custom engine: a program of the user's own, named in the configuration.

It has one verb, `serve`; the order names the program (`executable`). Nothing is installed, so that
there is nothing to describe, check or prepare. The contract stands in ../README.md.
"""

from __future__ import annotations

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "shared"))

from hyperllama_service.serve import serve  # noqa: E402


def main(argv: list[str]) -> int:
    """Do what the verb says and return the exit code."""
    if argv[1:] == ["serve"]:
        return serve(os.path.abspath(__file__))
    sys.stderr.write("usage: service.py serve\n")
    return 2


if __name__ == "__main__":
    code = main(sys.argv)
    sys.stdout.flush()
    sys.stderr.flush()
    # Nothing here needs the interpreter's farewell, which takes a few milliseconds.
    os._exit(code)
