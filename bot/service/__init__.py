"""The doors for programs over HTTP: typed JSON under /v1, /docs, /healthz, /metrics, and MCP under /mcp where `mcp` is installed.

request ─Limits→ size, type, depth ─schema→ typed request ─Bot→ Reply → JSON;   an error anywhere → problem details

One FastAPI app. `python -m bot serve --no-page` serves it alone; the page's server passes `PATHS` on to it. It holds nothing between two calls.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any

import anyio
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot import __version__
from bot.chat import Bot
from bot.errors import BotError
from bot.metrics import Metrics
from bot.schema import Problem
from bot.service.limits import MAX_BODY, MAX_DEPTH, Limits
from bot.service.problems import handle_problems
from bot.service.routes import router
from bot.settings import cores

__all__ = ["create_service", "opened", "routes"]

log = logging.getLogger(__name__)
SPARE = 1  # calls that are read or written while others compute
PATHS = ("/v1/{rest:path}", "/healthz", "/metrics", "/docs", "/openapi.json", "/mcp")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
ABOUT = f"""Verbatim passages about kratom and pain care, each with source, evidence tier and date, and fixed safety texts. Nothing is generated.

General information, not medical advice. Show safety texts first and unchanged, and passages word for word.

A request may have {MAX_BODY} bytes and {MAX_DEPTH} levels of nesting. Errors are problem details (RFC 9457). No call is remembered: bring the history."""


def opened(bot: Bot) -> Future[Bot]:
    """A bot that is open already, as `create_service` takes it."""
    future: Future[Bot] = Future()
    future.set_result(bot)
    return future


def create_service(opening: Future[Bot], metrics: Metrics | None = None) -> FastAPI:
    """The app around a bot that may still be opening: it answers 503 until then. Its lifespan must be run for /mcp to answer.

    `metrics`: the counters of /metrics, where another door counts with them too.
    """
    app = FastAPI(title="Kratom & pain care FAQ", version=__version__, description=ABOUT, docs_url=None, redoc_url=None, lifespan=_lifespan)
    app.state.opening, app.state.metrics = opening, metrics or Metrics()
    app.include_router(router)
    app.add_middleware(Limits)
    app.add_middleware(Measured, metrics=app.state.metrics)
    handle_problems(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend its document
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """MCP is in service while the server is, from the moment that the bot is open. As many calls at once as there are processors: the others wait."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = cores() + SPARE
    in_service = asyncio.Event()
    serving = asyncio.create_task(_serve_mcp(app, in_service))
    if app.state.opening.done():
        await in_service.wait()
    yield
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def _serve_mcp(app: FastAPI, in_service: asyncio.Event) -> None:
    """Serve /mcp until cancelled; in a task of its own, since what it opens must be closed by the task that opened it."""
    try:
        bot = await asyncio.shield(asyncio.wrap_future(app.state.opening))  # a server that stops does not cancel the opening
        from bot.mcp_server import create_mcp

        server = create_mcp(bot, app.state.metrics)
        [route] = server.streamable_http_app().routes
        async with server.session_manager.run():
            app.router.routes.append(route)
            in_service.set()
            try:
                await asyncio.Event().wait()
            finally:
                app.router.routes.remove(route)
    except (BotError, ImportError) as error:  # no bot, which /healthz says; or no `mcp`, and then there is no such door
        log.info("there is no /mcp: %s", error)
    except Exception:
        log.exception("/mcp is out of service; everything else answers")
    finally:
        in_service.set()  # a server that starts waits for it


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document with our problem shape in place of its own error shapes."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs"), Problem=problem)
        app.openapi_schema = document
    return app.openapi_schema


class Measured:
    """Counts each request with its route, status and time."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-content-type-options", b"nosniff")]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.metrics.request(method, getattr(scope.get("route"), "path", "none"), status, time.perf_counter() - began)


def routes(service: FastAPI) -> list[Route]:
    """The service's paths as routes of another server, passed on whole."""
    return [Route(path, service) for path in PATHS]
