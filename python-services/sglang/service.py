"""Start, describe and guard SGLang: its own OpenAI server, as a child.

Verbs: describe, check, prepare, serve, host. The contract stands in ../README.md.
"""

from __future__ import annotations

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "shared"))

from hyperllama_service.service import run_service  # noqa: E402

if __name__ == "__main__":
    run_service(__file__, distribution="sglang")
