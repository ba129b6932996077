"""A folder behind HTTP on this machine, by range, as an object store gives its files; under /whole/ without ranges."""

from __future__ import annotations

import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


class ObjectStore:
    """Serves from `start` to `stop`, and may be started again under the same address. `asked`: the paths so far."""

    def __init__(self, root: Path) -> None:
        self.root, self.asked, self._port = root, list[str](), 0
        self._server: ThreadingHTTPServer | None = None
        self.start()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen."""
        root, asked = self.root, self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                path, given = root / self.path.removeprefix("/whole").lstrip("/"), re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
                if not path.is_file():
                    self.send_error(404)
                    return
                data = path.read_bytes()
                partial = given and not self.path.startswith("/whole")
                self.send_response(206 if partial else 200)
                self.end_headers()
                self.wfile.write(data[int(given[1]) : int(given[2]) + 1] if given and partial else data)

            def log_message(self, *_: object) -> None:
                """No line a request."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Refuse every connection."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
