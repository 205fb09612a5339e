"""A minimal holder of a session, to be killed: starts a guard, proves a token, streams an answer.

Does what the CLI does with a guard, in a process that starts in 20 ms. Reads one JSON line on
stdin: `{"service": PATH, "order": {…}, "maxTokens": 64}`; writes the guard's lines and its own
(`{"phase": …}`) to stdout; then waits to be killed.
"""

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time

# The test kills us long before; a forgotten starter ends itself.
LIFE_SECONDS = 120
lock = threading.Lock()


def say(line: bytes) -> None:
    with lock:
        os.write(1, line.rstrip(b"\n") + b"\n")


def phase(name: str, **more: object) -> None:
    say(json.dumps({"phase": name, **more}).encode())


def connect(address: dict) -> socket.socket:
    if address["kind"] == "unix":
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(address["path"])
    else:
        sock = socket.create_connection((address["host"], address["port"]))
    return sock


def is_healthy(address: dict) -> bool:
    try:
        with connect(address) as sock:
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            return sock.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def generate(address: dict, max_tokens: int, on_first: str | None) -> bool:
    """Stream an answer; True when it came to its end."""
    body = json.dumps(
        {
            "stream": True,
            "max_tokens": max_tokens,
            "messages": [{"role": "user", "content": "hi"}],
        }
    ).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    text = b""
    try:
        with connect(address) as sock:
            sock.sendall(head % len(body) + body)
            while data := sock.recv(65536):
                text += data
                if on_first is not None and b'"content": "' in text:
                    phase(on_first)
                    on_first = None
    except OSError as problem:
        phase("broken", because=str(problem))
        return False
    return b"[DONE]" in text


def tell(guard: subprocess.Popen, value: dict) -> None:
    try:
        guard.stdin.write(json.dumps(value).encode() + b"\n")
        guard.stdin.flush()
    except BrokenPipeError:
        # The test has killed the guard already: its end is reported in the main loop.
        pass


def use(address: dict, guard: subprocess.Popen, max_tokens: int) -> None:
    phase("load")
    while not is_healthy(address):
        if guard.poll() is not None:
            return
        time.sleep(0.002)
    phase("warm-up")
    if not generate(address, 1, None):
        phase("not-warm")
        return
    tell(guard, {"command": "ready"})
    phase("prefill")
    generate(address, max_tokens, "decode")
    phase("done")


def main() -> None:
    plan = json.loads(sys.stdin.readline())
    # As the CLI starts it: the guard needs the standard library only.
    command = [sys.executable, "-I", "-S", plan["service"], "serve"]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    phase("spawn", guardPid=guard.pid)
    order = plan["order"]
    tell(guard, order)
    end = time.monotonic() + LIFE_SECONDS
    is_used = False
    rest = b""
    while time.monotonic() < end:
        if not select.select([guard.stdout], [], [], 1)[0]:
            continue
        data = os.read(guard.stdout.fileno(), 65536)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            say(line)
            if b'"listening"' in line and not is_used and plan["maxTokens"] > 0:
                is_used = True
                arguments = (order["address"], guard, plan["maxTokens"])
                threading.Thread(target=use, args=arguments, daemon=True).start()
    code = guard.wait(timeout=LIFE_SECONDS)
    phase("guard-gone", code=code)
    # The test decides when this process ends.
    time.sleep(max(0.0, end - time.monotonic()))


main()
