"""serve and mcp: the doors that stay open."""

from __future__ import annotations

import argparse
import os
import socket
from pathlib import Path
from typing import Any

from bot.commands.shared import DONE, WRONG, progress_bar
from bot.errors import BotError


def add(commands: Any) -> None:
    """The parsers of this group."""
    serve = commands.add_parser("serve", help="the web chat, and JSON for programs on the same port (/docs)")
    serve.add_argument("--port", type=int, help="where to listen (7860)")
    serve.add_argument("--no-page", action="store_true", help="JSON for programs alone, without the page")
    serve.set_defaults(run=_serve)

    mcp = commands.add_parser("mcp", help="a Model Context Protocol server on standard input and output, for an assistant on this machine")
    mcp.set_defaults(run=_mcp)


def _serve(options: argparse.Namespace) -> int:
    import runpy

    if options.port is not None:
        os.environ["KRATOM_FAQ_PORT"] = os.environ["GRADIO_SERVER_PORT"] = str(options.port)  # the option goes before what either was set to
    if options.no_page:
        return _serve_json()
    app = Path(__file__).resolve().parents[2] / "app.py"
    if not app.is_file():
        raise BotError(f"{app} is not here: the page comes with a checkout; run: python -m bot serve --no-page  (the JSON service), or clone the repository")
    runpy.run_path(str(app), run_name="__main__")
    return DONE


def _serve_json() -> int:
    """The JSON service alone. It listens at once and answers 503 until the index is in service; a bot that cannot be opened ends it."""
    from concurrent.futures import Future, ThreadPoolExecutor

    import uvicorn

    from bot.chat import Bot
    from bot.logs import configure
    from bot.metrics import Metrics
    from bot.pipeline import open_bot
    from bot.service import create_service
    from bot.service.guard import GRACE, Guard
    from bot.settings import Settings

    settings, counters = Settings().with_environment(), Metrics()
    configure(settings.log, words=settings.log_messages)
    with _bound(settings.host, settings.port) as port, ThreadPoolExecutor(1, "opening") as opener:
        opening: Future[Bot] = opener.submit(open_bot, settings, progress_bar())
        app = Guard(create_service(opening, counters), counters, settings)
        server = uvicorn.Server(uvicorn.Config(app, settings.host, settings.port, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE))
        opening.add_done_callback(lambda done: setattr(server, "should_exit", server.should_exit or done.exception() is not None))
        server.run([port])
    opening.result()
    return DONE if server.started else WRONG


def _bound(host: str, port: int) -> socket.socket:
    """The port, taken before a build begins, which nothing could stop then."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048)
    except (OSError, OverflowError) as error:
        raise BotError(f"port {port} of {host} cannot be used ({error}); try: python -m bot serve --no-page --port 7861") from error


def _mcp(options: argparse.Namespace) -> int:
    from bot.pipeline import open_bot

    del options
    try:
        from bot.mcp_server import create_mcp
    except ImportError as error:
        raise BotError(f"MCP needs {error.name}; run: pip install 'kratom-faq[mcp]'") from error
    create_mcp(open_bot(progress=progress_bar())).run("stdio")
    return DONE
