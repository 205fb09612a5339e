"""Run mlx-lm's server in this process, and end the process whenever the server is of no use."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import Any

from model_view import servable

# A missing weight is named with all others that are missing.
REASON_CHARACTERS_MAX = 300


def host(argv: list[str]) -> int:
    """Serve with the flags in `argv`; returns only when the start fails."""
    home = os.environ.get("HF_HOME")
    if home:
        # Without this folder `/v1/models` answers 200 with an empty body.
        os.makedirs(os.path.join(home, "hub"), exist_ok=True)
    try:
        sys.argv = ["mlx_lm.server", *_with_servable_models(argv)]
        from mlx_lm import server

        _end_with_generation(server.ResponseGenerator)
        # The interpreter's own handler would wait for a thread that waits for requests.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        server.main()
    except Exception as error:
        # A port in use, for one: the generation thread would keep the process alive for ever.
        _report(error)
    return 1


def _with_servable_models(argv: list[str]) -> list[str]:
    # The working directory is the session's run folder: what is made here goes with it.
    return [
        servable(word, os.getcwd()) if before in ("--model", "--draft-model") else word
        for before, word in zip(["", *argv], argv, strict=False)
    ]


def _end_with_generation(generator: Any) -> None:
    """End the process with the thread that computes.

    mlx-lm 0.32 notes its death in the log and answers 503 to every request from then on.
    """
    generate = generator._generate

    def generate_or_end(self: Any) -> None:
        try:
            generate(self)
        except Exception as error:
            _report(error)
            os._exit(1)

    generator._generate = generate_or_end


def _report(error: Exception) -> None:
    """Write the trace and, as the last line, the reason: the log's tail is what a person sees."""
    traceback.print_exception(error)
    words = " ".join(f"{type(error).__name__}: {error}".split())
    sys.stderr.write(f"service.py host: {words[:REASON_CHARACTERS_MAX]}\n")
    sys.stderr.flush()
