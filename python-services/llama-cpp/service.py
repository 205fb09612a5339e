"""Start, describe and guard llama.cpp: the C++ server of `xllamacpp` in a child process.

Verbs: describe, check, prepare, serve, host. The contract stands in ../README.md.
"""

from __future__ import annotations

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "shared"))

DISTRIBUTION = "xllamacpp"


def main(argv: list[str]) -> int:
    """Do what the verb says and return the exit code."""
    verb = argv[1] if len(argv) > 1 else ""
    if verb == "serve":
        from hyperllama_service.serve import serve

        return serve(os.path.abspath(__file__))
    if verb == "host":
        from host import host

        return host(argv[3:] if argv[2:3] == ["--"] else argv[2:])
    if verb == "describe":
        from hyperllama_service.describe import describe

        return describe(DISTRIBUTION, build=DISTRIBUTION)
    if verb in ("check", "prepare"):
        import proof

        return proof.check() if verb == "check" else proof.prepare()
    sys.stderr.write("usage: service.py describe|check|prepare|serve|host [-- FLAGS]\n")
    return 2


if __name__ == "__main__":
    code = main(sys.argv)
    sys.stdout.flush()
    sys.stderr.flush()
    # Nothing here needs the interpreter's farewell, which takes a few milliseconds.
    os._exit(code)
