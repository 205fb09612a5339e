"""The verbs of every `service.py`: two are the same for all, others stand in files beside it."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# The module beside `service.py` that has a function of the verb's name. A service has the verbs
# whose module it has.
MODULES = {"check": "proof", "prepare": "proof", "host": "host", "convert": "convert"}
# These are given the arguments behind the verb.
WITH_ARGUMENTS = ("host", "convert")


def run_service(file: str, *, distribution: str) -> NoReturn:
    """Do what the first argument says and end the process.

    Args:
        file: path of the `service.py` itself.
        distribution: package whose version is the engine's, and the name of its build.
    """
    verb, arguments = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    folder = os.path.dirname(os.path.abspath(file))
    if verb == "serve":
        from .serve import serve

        code = serve(os.path.abspath(file))
    elif verb == "describe":
        from .describe import describe

        code = describe(distribution, build=distribution)
    elif os.path.isfile(os.path.join(folder, f"{MODULES.get(verb, '-')}.py")):
        from importlib import import_module

        do = getattr(import_module(MODULES[verb]), verb)
        given = arguments[1:] if arguments[:1] == ["--"] else arguments
        code = do(given) if verb in WITH_ARGUMENTS else do()
    else:
        sys.stderr.write("usage: service.py serve|describe|check|prepare|host [-- FLAGS]\n")
        code = 2
    sys.stdout.flush()
    sys.stderr.flush()
    # Nothing here needs the interpreter's farewell, which takes a few milliseconds.
    os._exit(code)
