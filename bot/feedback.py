"""Thumbs and reports, kept in a file of the host's own where it switched that on: which passage, which button, the day."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

from bot.errors import InputError
from bot.retention import expire, locked

THUMBS = ("helpful", "unhelpful")
REASONS = ("wrong", "outdated", "off", "unclear")  # all that a report can say: no words of the person's own, so nothing private by mistake
MAX_MESSAGE = 2000  # characters kept of a message, where messages are kept at all
MAX_FILE = 10_000_000  # bytes, about 60,000 lines: a stranger's script can fill no disk


class Feedback:
    """The door to the feedback file. `known`: the passages there are, as (document, key); `index`: id of the index in service."""

    def __init__(self, path: Path, known: Collection[tuple[str, str]], index: str, *, keeps_message: bool = False, days: int = 0) -> None:
        """`days`: lines older than this are deleted, now and on the first line of each day; 0 keeps them."""
        self._path, self._known, self._index, self._keeps_message = path, frozenset(known), index, keeps_message
        self._lock = threading.Lock()
        self._days, self._expired = days, datetime.now(UTC).date()
        expire(path, days)

    def keep(self, given: object) -> None:
        """Add one line for {"kind", "document", "passage"}; "message" is kept only where the host said so. InputError when it is anything else."""
        if not isinstance(given, Mapping):
            raise InputError(f"feedback is a JSON object, not {type(given).__name__}")
        kind, document, passage = (given.get(name) for name in ("kind", "document", "passage"))
        if kind not in (*THUMBS, *REASONS):
            raise InputError(f"kind is one of {', '.join((*THUMBS, *REASONS))}")
        if not isinstance(document, str) or not isinstance(passage, str) or (document, passage) not in self._known:
            raise InputError("document and passage name no passage of this index; read them from the library page")
        row = {"day": datetime.now(UTC).date().isoformat(), "kind": kind, "document": document, "passage": passage, "index": self._index}
        message = given.get("message")
        if self._keeps_message and isinstance(message, str) and message.strip():
            row["message"] = message[:MAX_MESSAGE]
        line = json.dumps(row, ensure_ascii=False) + "\n"
        today = datetime.now(UTC).date()
        if today != self._expired:
            self._expired = today
            expire(self._path, self._days)
        with self._lock, locked(self._path):
            if self._path.exists() and self._path.stat().st_size + len(line.encode("utf-8")) > MAX_FILE:
                raise InputError(f"{self._path.name} is full; move it away")
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line)
