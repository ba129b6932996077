"""What a request may be before anything reads it: its size, its media type, how deep it is nested. Plain ASGI, so that it guards MCP too."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.service.problems import problem

MAX_BODY = 256 * 1024  # bytes: a long story with a long history; the engine reads 20,000 characters of a message
MAX_DEPTH = 16  # brackets: our own requests need 3, an MCP call 6
MARKS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)


class Limits:
    """Refuses a request that is too large (413), is no JSON (415) or is nested too deep (400); passes everything else on whole."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await _body(request)
        refusal = _refusal(request, body)
        if refusal:
            await problem(*refusal)(scope, receive, send)
            return
        await self.app(scope, _again(body or b"", receive), send)


def depth(body: bytes) -> int:
    """How deep a JSON text is nested, without parsing it; brackets inside strings do not count."""
    deepest = now = 0
    for mark in MARKS.finditer(body):
        first = mark.group()[:1]
        if first in b"[{":
            now += 1
            deepest = max(deepest, now)
        elif first in b"]}":
            now -= 1
    return deepest


async def _body(request: Request) -> bytes | None:
    """The whole body; None when it is larger than allowed, and the rest is then left unread."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_BODY:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


def _refusal(request: Request, body: bytes | None) -> tuple[int, str] | None:
    media = request.headers.get("content-type", "").split(";")[0].strip().casefold()
    if body is None:
        return 413, f"a request may have at most {MAX_BODY} bytes"
    if body and media != "application/json":
        return 415, "send JSON with the header Content-Type: application/json"
    if depth(body) > MAX_DEPTH:
        return 400, f"the JSON is nested deeper than {MAX_DEPTH} levels"
    return None


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands out the body once and then waits for the client to go."""
    left = [body]

    async def once() -> Message:
        return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

    return once
