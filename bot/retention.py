"""How long the feedback file and the file of unanswered questions keep their lines, and what deletes them. No other file holds anything of anybody's.

A file is rewritten beside itself and put in place with one rename, under a lock that the server takes too: no line is lost, none comes back.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock

from bot.errors import InputError


def locked(path: Path) -> FileLock:
    """The lock of such a file, for whoever writes it; to be held with `with`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(f"{path.name}.lock"))


def forget(files: Sequence[str], *, before: str | None = None, containing: str | None = None, everything: bool = False) -> str:
    """Delete lines of the files and say how many of each. Raises InputError when no file is set or `before` is no date."""
    if not any(files):
        raise InputError("no feedback or gaps file is set, so nothing is stored; name it: KRATOM_FAQ_FEEDBACK=feedback.jsonl python -m bot forget --all")
    day = _day(before) if before else None
    wanted = (containing or "").casefold()
    if not (everything or day or wanted.strip()):
        raise InputError("say what is to be deleted: python -m bot forget --all, --before 2026-11-22, or --containing 'some words'")

    def goes(row: dict[str, Any]) -> bool:
        old = day is not None and str(row.get("day", "")) < day.isoformat()
        told = str(row.get("message", row.get("question", ""))).casefold()
        return everything or old or bool(wanted and wanted in told)

    done = {file: _without(Path(file), goes, damaged=everything) for file in files if file}
    return "\n".join(f"deleted {deleted} lines of {file}, {left} are left" for file, (deleted, left) in done.items())


def expire(path: Path, days: int) -> int:
    """Delete lines older than `days` (0 keeps them all); how many went. A line dated in the future waits for its time."""
    if days <= 0 or not path.is_file():
        return 0
    oldest = (datetime.now(UTC).date() - timedelta(days=days)).isoformat()
    try:
        return _without(path, lambda row: str(row.get("day", oldest)) < oldest, damaged=False)[0]
    except OSError:  # a folder that cannot be written takes no more lines either
        return 0


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text!r} is no day; give one such as 2026-11-22") from error


def _without(path: Path, goes: Callable[[dict[str, Any]], bool], *, damaged: bool) -> tuple[int, int]:
    """(lines deleted, lines left). A line that is no JSON object goes only where `damaged` lines do."""
    if not path.is_file():
        return 0, 0
    with locked(path):
        lines = [line for line in path.read_text("utf-8", errors="replace").split("\n") if line]  # not every break that Unicode knows
        left = [line for line in lines if line.strip() and not (damaged if (row := _row(line)) is None else goes(row))]
        if len(left) < len(lines):
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in left)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
    return len(lines) - len(left), len(left)


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
