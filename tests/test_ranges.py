from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from bot.chat import Bot
from bot.corpus.ranges import range_of, read_range
from bot.errors import StoreError
from bot.records import Span


@pytest.fixture(scope="module")
def place(bot: Bot) -> Iterator[str]:
    """The corpus behind HTTP on this machine, by range, as an object store gives it; under /whole/ without ranges."""
    root = bot.settings.corpus

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, asked = root / self.path.removeprefix("/whole").lstrip("/"), re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
            if not path.is_file():
                self.send_error(404)
                return
            data = path.read_bytes()
            partial = asked and not self.path.startswith("/whole")
            self.send_response(206 if partial else 200)
            self.end_headers()
            self.wfile.write(data[int(asked[1]) : int(asked[2]) + 1] if asked and partial else data)

        def log_message(self, *given: object) -> None:
            """No line a request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_every_passage_is_the_same_from_its_bytes(bot: Bot, place: str) -> None:
    for number, passage in enumerate(bot.index.passages):
        document = bot.documents[passage.document_id]
        if not document.converted:
            wanted = range_of(document, Span(passage.start, passage.end))
            assert read_range(str(bot.settings.corpus), wanted) == passage.text
            if number % 50 == 0:
                assert read_range(place, wanted) == passage.text


def test_a_changed_byte_and_a_place_without_the_file_or_without_ranges_are_told(bot: Bot, place: str, tmp_path: Path) -> None:
    passage = bot.index.passages[0]
    wanted = range_of(bot.documents[passage.document_id], Span(passage.start, passage.end))
    with pytest.raises(StoreError, match=r"are not those that were indexed; run: python -m bot build"):
        read_range(place, replace(wanted, begin=wanted.begin + 1))
    for where in (f"{place}/nothing", f"{place}/whole", str(tmp_path), "http://127.0.0.1:9"):
        with pytest.raises(StoreError, match="cannot be read from"):
            read_range(where, wanted)
