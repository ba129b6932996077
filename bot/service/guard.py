"""Around a whole server, page and JSON alike: an id for each request, its headers, and no more work at once than the machine can do.

    request ─id→ known path? ─size, time→ often enough? ─a place free?→ the app → headers → one line in the log

Who is turned away gets the fixed text "busy" with the numbers to call. Plain ASGI, so that nothing in the app can go around it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.headers import COMMON, data_policy, own_policy
from bot.logs import REQUEST
from bot.metrics import Metrics
from bot.service.problems import failed, fixed_text, problem
from bot.service.rate import Rate
from bot.settings import Settings

WORKING = 4  # answered at once: a reply is one thread's work, and more threads than cores only wait for each other
WAITING = 64  # may wait for a place; the page's queue has as many
MAX_BODY = 8 * 1024 * 1024  # bytes of any request: Gradio's page sends the whole chat back with each message
BODY_SECONDS = 20.0  # from one piece of a request to the next: a phone in a tunnel, but not a client that trickles on purpose
ANSWER_SECONDS = 30.0  # not tuned: at load 13 the longest message with as long a history took 49 s, and is then told "busy"
GRACE = 20  # seconds for what has begun when the server is told to stop: Docker waits ten by default, set stop_grace_period
SAFE_ID = re.compile(r"[0-9a-fA-F-]{16,36}")  # a caller's own request id: too plain to hold a word
WORK = re.compile(r"/(v1/(reply|search)|mcp|feedback|gradio_api/(queue/join|call|run|api)(/.*)?)/?")
LATER = re.compile(r"/gradio_api/(queue/join|call(/.*)?)")  # only puts work into Gradio's own queue, which has its own bound

log = logging.getLogger(__name__)


class TooLargeError(Exception):
    """A request has more bytes than are read."""


class Guard:
    """The server's outermost layer. `known`: the only paths that exist, where the app has others; `script`: that of our own pages."""

    def __init__(self, app: ASGIApp, metrics: Metrics, settings: Settings, *, known: re.Pattern[str] | None = None, script: str = "") -> None:
        self.app, self._metrics, self._settings, self._known = app, metrics, settings, known
        self._page_policy = own_policy(script, settings.frames)
        self._rate = Rate(settings.rate)
        self._places = asyncio.Semaphore(WORKING)
        self._waiting = 0
        self._left: set[asyncio.Task[None]] = set()  # late answers that nobody waits for any more; a task needs a holder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; anything that is no HTTP request goes through untouched."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        scope.setdefault("state", {})["region"] = self._settings.region
        name = given if SAFE_ID.fullmatch(given) else uuid.uuid4().hex
        token, began = REQUEST.set(name), time.perf_counter()
        answer = _Answer(scope, send, self._headers(name))
        try:
            await self._answered(scope, receive, answer)
        finally:
            told = {"method": scope["method"] if scope["method"].isalpha() and len(scope["method"]) < 8 else "other", "route": _route(scope)}
            log.info(
                "request", extra={**told, "status": answer.status, "milliseconds": round(1000 * (time.perf_counter() - began), 1), "refused": answer.refused}
            )
            REQUEST.reset(token)

    async def _answered(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        path, work = scope["path"], scope["method"] == "POST" and WORK.fullmatch(scope["path"])
        searched = path == "/library" and scope["query_string"]
        wait = (
            self._rate.wait((scope["client"] or ("", 0))[0], time.monotonic(), forwarded=any(name == b"x-forwarded-for" for name, _ in scope["headers"]))
            if work or searched
            else 0.0
        )
        if self._known and not self._known.fullmatch(path):
            await self._refuse(answer, "unknown", problem(HTTPStatus.NOT_FOUND, "there is nothing under this address"))
        elif wait:
            await self._refuse(answer, "rate", busy(HTTPStatus.TOO_MANY_REQUESTS, wait, Request(scope)))
        elif not (work or searched) or LATER.fullmatch(path):
            answer.busy = (
                busy(HTTPStatus.TOO_MANY_REQUESTS, 5, Request(scope)) if path.endswith("/queue/join") else None
            )  # Gradio's page shows its own words for 503
            await self._passed(scope, receive, answer)
            if answer.shut and answer.busy:
                await self._refuse(answer, "queue", answer.busy)
        elif self._places.locked() and self._waiting >= WAITING:
            await self._refuse(answer, "full", busy(HTTPStatus.SERVICE_UNAVAILABLE, 5, Request(scope)))
        else:
            await self._worked(scope, receive, answer)

    async def _worked(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """A place for the request, then its answer, or "busy" once it takes too long; a place is free only when the work has ended."""
        self._waiting += 1
        self._metrics.waiting.set(self._waiting)
        try:
            await asyncio.wait_for(self._places.acquire(), ANSWER_SECONDS)
        except TimeoutError:
            await self._refuse(answer, "slow", busy(HTTPStatus.SERVICE_UNAVAILABLE, 5, Request(scope)))
            return
        finally:
            self._waiting -= 1
            self._metrics.waiting.set(self._waiting)
        task = asyncio.create_task(self._passed(scope, receive, answer))
        task.add_done_callback(lambda _: self._places.release())
        try:
            await asyncio.wait({task}, timeout=ANSWER_SECONDS)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            task.result()
            return
        self._left.add(task)
        task.add_done_callback(self._left.discard)
        if not answer.started:
            answer.shut = True  # what the app still says comes too late
            await self._refuse(answer, "slow", busy(HTTPStatus.SERVICE_UNAVAILABLE, 5, Request(scope)))

    async def _passed(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            await self.app(scope, _Bounded(receive, Headers(scope=scope)), answer.from_app)
        except TimeoutError:
            if not answer.started:
                await self._refuse(answer, "trickle", problem(HTTPStatus.REQUEST_TIMEOUT, f"the request did not come within {BODY_SECONDS:g} seconds"))
        except TooLargeError:
            if not answer.started:
                await self._refuse(answer, "large", problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request may have at most {MAX_BODY} bytes"))
        except Exception:
            log.exception("a request failed")
            if not answer.started:
                await self._refuse(answer, "failed", failed(Request(scope)))

    async def _refuse(self, answer: _Answer, why: str, response: Response) -> None:
        self._metrics.refused(why)
        answer.refused = why
        await response(answer.scope, _nothing, answer.send)

    def _headers(self, name: str) -> dict[str, str]:
        return {**COMMON, "x-request-id": name, "page-policy": self._page_policy, "origins": self._settings.origins}


class _Answer:
    """The way back to the client: what is sent gets our headers, and it is remembered what was sent."""

    def __init__(self, scope: Scope, send: Send, headers: dict[str, str]) -> None:
        self.scope, self._send, self._headers = scope, send, headers
        self.status, self.refused, self.started = 0, "", False
        self.shut = False  # nothing of the app's is sent any more
        self.busy: Response | None = None  # sent in place of the app's own 503

    async def from_app(self, message: Message) -> None:
        """What the app sends."""
        if self.busy and message["type"] == "http.response.start" and message["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
            self.shut = True
        if not self.shut:
            await self.send(message)

    async def send(self, message: Message) -> None:
        """Send one ASGI message."""
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            message = {**message, "headers": self._with_ours(MutableHeaders(raw=list(message.get("headers", []))))}
        await self._send(message)

    def _with_ours(self, headers: MutableHeaders) -> list[tuple[bytes, bytes]]:
        for name in [name for name in headers if name.startswith("access-control-")]:
            del headers[name]  # Gradio lets any other site read; ours names who may
        origin = Headers(scope=self.scope).get("origin", "")
        if origin and origin in self._headers["origins"].split():
            headers["access-control-allow-origin"] = origin
            headers["access-control-allow-headers"] = "content-type"
            headers.add_vary_header("origin")
        for name, value in self._headers.items():
            if name not in ("page-policy", "origins"):
                headers[name] = value
        html = headers.get("content-type", "").startswith("text/html")
        headers.setdefault("content-security-policy", self._headers["page-policy"] if html else data_policy())
        return headers.raw


class _Bounded:
    """`receive` that gives up on a request that is too large or comes too slowly; after its end it waits as long as it takes."""

    def __init__(self, receive: Receive, headers: Headers) -> None:
        self._receive, self._bytes, self._whole = receive, 0, False
        length = headers.get("content-length", "")
        self._too_large = length.isdecimal() and (len(length) > 12 or int(length) > MAX_BODY)

    async def __call__(self) -> Message:
        if self._too_large:
            raise TooLargeError
        if self._whole:
            return await self._receive()
        message = await asyncio.wait_for(self._receive(), BODY_SECONDS)
        self._bytes += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._bytes > MAX_BODY:
            raise TooLargeError
        return message


def busy(status: HTTPStatus, seconds: float, request: Request) -> JSONResponse:
    """The answer of a server that cannot answer: the fixed text "busy" and the region's numbers, as problem details."""
    return problem(status, fixed_text(("busy",), request), headers={"Retry-After": str(max(1, round(seconds + 0.5)))})


def _route(scope: dict[str, Any] | Scope) -> str:
    """The template of the route, so that no name a caller chose is logged; of our pages the part before the name."""
    return str(getattr(scope.get("route"), "path", "none"))


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
