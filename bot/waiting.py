"""A page on the bot's own address while the index is built: help lines at once, how far it is, and the chat as soon as it is ready."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bot.headers import COMMON, own_policy
from bot.index import Progress
from bot.pages import Frame

log = logging.getLogger(__name__)
AGAIN = 5  # seconds until the page asks again: often enough to feel alive, seldom enough to cost nothing


class _State:
    """How far the build is, written by the builder and read by whoever asks."""

    done, total = 0, 0


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke; http.server would print who it was."""
        del request, client_address
        log.info("a request for the waiting page failed: %s", type(sys.exception()).__name__)


@contextmanager
def waiting_page(frame: Frame, host: str, port: int, progress: Progress) -> Iterator[Progress]:
    """Answer every address with 503 and the page until the block ends; yields `progress`, listened to. A taken port is none of its business."""
    state = _State()

    def listened(what: str, done: int, total: int) -> None:
        state.done, state.total = done, total
        progress(what, done, total)

    kind = {"Content-Type": "text/html; charset=utf-8", "Retry-After": str(AGAIN)}
    headers = {**COMMON, **kind, "Content-Security-Policy": own_policy(frame.script, "")}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server calls
            body = waiting_html(frame, state.done, state.total, wants_help="help=" in self.path).encode("utf-8")
            self.send_response(503)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's own name; who asks is in no log
            pass

    try:
        server = _Server((host, port), Answer)
    except OSError as error:
        log.info("no page while waiting: %s", error)
        yield progress
        return
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield listened
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def waiting_html(frame: Frame, done: int, total: int, *, wants_help: bool = False) -> str:
    """The page, `done` of `total` steps done; without numbers where nothing is counted yet. `wants_help`: the help texts need no index."""
    label = frame.texts.labels
    notices = frame.notices((*(("emergency", "crisis") if wants_help else ()), "starting"))
    share = f' max="{total}" value="{done}"' if total else ""
    bar = f'<p><label for="kf-progress">{escape(label["loading"])}</label> <progress id="kf-progress"{share}></progress></p>'
    head = f'<meta http-equiv="refresh" content="{AGAIN}">'
    return frame.page("chat", label["title"], f"<h1>{escape(label['title'])}</h1>{notices}{bar}", head)
