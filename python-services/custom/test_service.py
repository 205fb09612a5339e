"""The service of custom engines: it guards, and has nothing to describe, check or prepare."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SERVICE = str(Path(__file__).resolve().parent / "service.py")


def run(*arguments: str, order: str = "") -> tuple[int, str, str]:
    done = subprocess.run(
        # As the command line starts it: without `site`, and without the caller's folder.
        [sys.executable, "-I", "-S", SERVICE, *arguments],
        input=order,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("arguments", [(), ("describe",), ("prepare",), ("serve", "more")])
def test_has_one_verb(arguments: tuple[str, ...]) -> None:
    assert run(*arguments) == (2, "", "usage: service.py serve\n")


def test_serve_reads_an_order_like_every_guard() -> None:
    code, output, _ = run("serve", order='{"key": "x"}\n')
    event = json.loads(output)
    assert (code, event["event"], event["code"]) == (2, "failed", "HL_OPTION_INVALID")
    assert "`key` is `x`" in event["because"]
