"""Say in our codes why uv or pip failed, from what they printed."""

from __future__ import annotations

import re

LINE_CHARS_MAX = 300

_DISK = re.compile(r"no space left on device|os error 28\b|errno 28\b|disk quota exceeded", re.I)
_HASH = re.compile(r"hash mismatch|do not match the hashes|hashes are required", re.I)
_OFFLINE = re.compile(
    r"name resolution|failed to resolve|name or service not known|nodename nor servname"
    r"|dns error|could not resolve|failed to lookup address|connection refused"
    r"|network is unreachable|network is down|no route to host|timed out|timeout"
    r"|failed to establish a new connection"
    r"|error trying to connect|tcp connect error|client error \(connect\)|proxyerror"
    r"|tunnel connection failed|unsuccessful tunnel|network was disabled|network connectivity"
    r"|newconnectionerror|connection reset",
    re.I,
)
# Words that say what went wrong, as opposed to hints, tracebacks and progress.
_TELLING = re.compile(r"error|failed|cannot|could not|no matching|mismatch|because|caused by", re.I)
_NOISE = re.compile(r"new release of pip|hint:|WARNING: Retrying", re.I)


def classify_failure(lines: list[str], *, is_environment: bool) -> tuple[str, str]:
    """Return the code and the sentence for an installer that printed `lines` and failed."""
    text = "\n".join(lines)
    because = _telling_line(lines)
    if _DISK.search(text):
        return "HL_DISK_FULL", because
    if _HASH.search(text):
        code = "HL_ENGINE_INSTALL_FAILED" if is_environment else "HL_MODEL_CORRUPT"
        return code, f"the index serves other bytes than the lock names: {because}"
    if _OFFLINE.search(text):
        return "HL_OFFLINE", _why_offline(lines)
    return ("HL_ENGINE_INSTALL_FAILED" if is_environment else "HL_DOWNLOAD_FAILED"), because


def _telling_line(lines: list[str]) -> str:
    telling = [line for line in lines if _TELLING.search(line) and not _NOISE.search(line)]
    for pattern in (_DISK, _HASH):
        found = _first(telling, pattern)
        if found:
            return found
    # uv puts the cause last, pip the summary.
    line = (telling or lines or ["it printed nothing"])[-1]
    return _clean(line)


def _why_offline(lines: list[str]) -> str:
    """Return the address and the innermost cause: uv prints that last, pip inside an object."""
    cause = [line for line in lines if _OFFLINE.search(line)][-1]
    inside = re.search(r"0x[0-9a-f]+>: (.*?)'\)", cause)
    address = re.search(r"https?://[^\s`)]+", "\n".join(lines))
    words = _clean(
        inside[1] if inside else re.sub(r"^\s*(cause|caused by): ", "", cause, flags=re.I)
    )
    return words if address is None else f"`{_clean(address[0])}`: {words}"


def _first(lines: list[str], pattern: re.Pattern[str]) -> str | None:
    found = next((line for line in lines if pattern.search(line)), None)
    return None if found is None else _clean(found)


def _clean(line: str) -> str:
    # Addresses may hold a user and a password for the index.
    text = re.sub(r"://[^/@\s]+@", "://***@", line).strip(" ×╰─▶├│\t")
    return text if len(text) <= LINE_CHARS_MAX else text[: LINE_CHARS_MAX - 1] + "…"
