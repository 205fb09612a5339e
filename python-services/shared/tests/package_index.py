"""A package index on loopback that serves stand-in wheels, and breaks as it is told."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = "stand_in"
VERSION = "1.2.3"
FILE = f"{NAME}-{VERSION}-py3-none-any.whl"


def wheel(content: bytes = b"model", *, compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a wheel with a module, a data file `stand_in/weights.bin` and its records."""
    info = f"{NAME}-{VERSION}.dist-info"
    files = {
        f"{NAME}/__init__.py": f'VERSION = "{VERSION}"\n'.encode(),
        f"{NAME}/weights.bin": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: stand-in\nVersion: {VERSION}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    records = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        records.append(f"{path},sha256={digest},{len(data)}\n")
    files[f"{info}/RECORD"] = ("".join(records) + f"{info}/RECORD,,\n").encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for path, data in files.items():
            # The same bytes each time: the clock would get into the archive.
            archive.writestr(zipfile.ZipInfo(path), data)
    return buffer.getvalue()


class PackageIndex:
    """Serves one wheel under `/simple/`; `hold` makes it stop in the middle of the file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.names_hash = True
        self.downloads = 0
        self.reached_middle = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.rstrip("/") == "/simple/stand-in":
                    self._send(index.page().encode(), "text/html")
                elif self.path == f"/files/{FILE}":
                    index.downloads += 1
                    self._send(index.data, "application/zip")
                else:
                    self.send_error(404)

            def do_HEAD(self) -> None:
                self.do_GET()

            def _send(self, body: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "HEAD":
                    return
                middle = len(body) // 2 if kind == "application/zip" else len(body)
                try:
                    self.wfile.write(body[:middle])
                    self.wfile.flush()
                    if middle < len(body):
                        index.reached_middle.set()
                        index.go_on.wait(60)
                    self.wfile.write(body[middle:])
                except OSError:
                    # The installer was killed, which is what some tests are about.
                    return

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def page(self) -> str:
        mark = f"#sha256={self.sha256}" if self.names_hash else ""
        return f'<!DOCTYPE html><html><body><a href="/files/{FILE}{mark}">{FILE}</a></body></html>'

    def hold(self) -> None:
        self.reached_middle.clear()
        self.go_on.clear()

    def close(self) -> None:
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()
