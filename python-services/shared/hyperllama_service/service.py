"""The verbs of every `service.py`: two are the same for all engines, the others are its own."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    Verb = Callable[[list[str]], int]


def run_service(file: str, *, distribution: str, build: str, verbs: dict[str, Verb]) -> NoReturn:
    """Do what the first argument says and end the process.

    Args:
        file: path of the `service.py` itself.
        distribution: package whose version is the engine's.
        build: name of the build that `describe` reports.
        verbs: `check`, `prepare` and `host`, each called with the arguments behind it.
    """
    verb, arguments = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if verb == "serve":
        from .serve import serve

        code = serve(os.path.abspath(file))
    elif verb == "describe":
        from .describe import describe

        code = describe(distribution, build=build)
    elif verb in verbs:
        code = verbs[verb](arguments[1:] if arguments[:1] == ["--"] else arguments)
    else:
        sys.stderr.write(f"usage: service.py serve|describe|{'|'.join(verbs)} [-- FLAGS]\n")
        code = 2
    sys.stdout.flush()
    sys.stderr.flush()
    # Nothing here needs the interpreter's farewell, which takes a few milliseconds.
    os._exit(code)
