"""What a server writes about itself: one line an event, with the id of the request it belongs to, and no word of any message.

    KRATOM_FAQ_LOG=json     one JSON object a line, each request among them; KRATOM_FAQ_LOG=text (default) shows warnings for people

An error is told by its kind and the places in the code it went through. What it says may repeat what somebody typed, so that is left out
unless the host set KRATOM_FAQ_LOG_MESSAGES=1.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from bot.errors import BotError, InputError

REQUEST: ContextVar[str] = ContextVar("request", default="-")  # id of the request being answered
FIELDS = ("method", "route", "status", "milliseconds", "refused")  # what a request's line holds beside its id
LIBRARIES = ("uvicorn", "uvicorn.error", "uvicorn.access", "gradio", "mcp", "asyncio")  # they bring handlers of their own

log = logging.getLogger("bot")


class Line(logging.Formatter):
    """A record as one line of text or JSON. `words`: also what an error says, which may repeat a message."""

    def __init__(self, style: str, *, words: bool = False) -> None:
        super().__init__()
        self._json, self._words = style == "json", words

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a line break of its own."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "request": REQUEST.get(),
            "event": self._event(record),
        }
        told |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info and record.exc_info[1]:
            told["error"] = self._error(record.exc_info[1])
        if self._json:
            return json.dumps(told, ensure_ascii=False)
        rest = " ".join(f"{name}={value}" for name, value in told.items() if name not in ("time", "level", "logger", "event"))
        return f"{told['time']} {told['level']} {told['logger']}: {told['event']} [{rest}]"

    def _event(self, record: logging.LogRecord) -> str:
        """What our own code says, which never holds a message; of a library's line with values in it, the line without them."""
        ours = record.name == "bot" or record.name.startswith(("bot.", "__main__"))
        plain = ours or self._words or (not record.args and not record.exc_info and record.levelno < logging.WARNING)
        return record.getMessage() if plain else f"{record.module}.py:{record.lineno}"

    def _error(self, error: BaseException) -> str:
        """Kind and places of an error and of what it came from."""
        if self._words:
            return "".join(traceback.format_exception(error))
        told: list[str] = []
        seen: BaseException | None = error
        while seen is not None and len(told) < 5:  # an error behind five others explains nothing more
            frames = traceback.extract_tb(seen.__traceback__)[-8:]
            places = " > ".join(
                f"{frame.filename.rsplit('/', 2)[-2]}/{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames if "/" in frame.filename
            )
            told.append(f"{type(seen).__name__} at {places}")
            seen = seen.__cause__ or seen.__context__
        return " <- ".join(told)


def configure(style: str = "text", *, words: bool = False) -> None:
    """Send every log line, uncaught error and printed traceback of this process through `Line`, to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(Line(style, words=words))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(logging.INFO if style == "json" else logging.WARNING)
    take_over()
    sys.excepthook = _crashed
    threading.excepthook = lambda told: _crashed(told.exc_type, told.exc_value, told.exc_traceback)
    traceback.print_exc = _printed  # Gradio prints each error of an event with it, the error's words among them


def take_over() -> None:
    """Let the libraries' loggers write through ours; a server that configures them when it starts calls this afterwards."""
    for name in LIBRARIES:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)


def _printed(*_args: object, **_options: object) -> None:
    log.error("an error was caught", exc_info=True)


def _crashed(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    if isinstance(error, BotError) and not isinstance(error, InputError):
        log.critical("%s", error)  # ours says what to mend, and no message of anybody's
        return
    log.critical("an error was not caught", exc_info=(kind, error or kind(), trace))
