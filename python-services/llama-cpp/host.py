"""Run the C++ server of `xllamacpp` in this process until somebody ends it."""

from __future__ import annotations

import signal
import sys

from flags import FlagError, apply_flags

EXIT_USAGE = 2


def host(argv: list[str]) -> int:
    """Serve with the flags in `argv`; returns only when the start fails."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    try:
        apply_flags(xllamacpp, params, argv)
    except FlagError as error:
        sys.stderr.write(f"service.py host: {error}\n")
        return EXIT_USAGE
    # The interpreter's handler would wait for the main thread, and a drain outlives every grace:
    # the default action ends the process at once, mid-stream.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        server = xllamacpp.Server(params)
    except Exception as error:
        # One generic exception for every cause; the cause itself is in the lines above it.
        sys.stderr.write(f"service.py host: {error}\n")
        return 1
    sys.stderr.write(f"service.py host: listening on {server.listening_address}\n")
    sys.stderr.flush()
    while True:
        signal.pause()
