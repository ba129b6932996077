"""Questions that got no answer, kept in a file of the host's own where it switched that on, and read back in groups for an editor.

    question ─personal data out→ {day, question} in gaps.jsonl ─alike together→ Gap, the most asked first

What is kept leaves out names, addresses and numbers before it is written. Rules find them, so some may slip through: treat the file as private.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bot.errors import InputError
from bot.retention import expire, locked

# Cosine from which two questions are one gap. Of two questions of one section 0.13 are as near (0.24 at 0.5, 0.06 at 0.7), of two of different sections
# 0.0003 (0.001, 0.00004), 150 sections: better two rows for one gap than one row for two.
ALIKE = 0.6
MAX_QUESTION = 300  # characters kept: a question, not a life story
MAX_FILE = 10_000_000  # bytes, about 80,000 questions: a stranger's script can fill no disk

# What is taken out, and what stands in its place, in this order.
PERSONAL = (
    (re.compile(r"\b[\w.+-]{1,64}\s?(?:@|\(at\)|\[at\])\s?[\w-]+(?:\.[\w-]+)+", re.IGNORECASE), "[e-mail]"),
    (re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE), "[link]"),
    (re.compile(r"(?<!\w)@\w{2,}"), "[name]"),
    (re.compile(r"\b\d{1,4}[./-]\d{1,2}[./-]\d{2,4}\b"), "[date]"),
    (re.compile(r"\+?\(?\d(?:[\s().-]{0,2}\d){5,}"), "[number]"),  # telephone, card, insurance and account numbers
    (re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b|\b\d{5}(?:-\d{4})?\b"), "[number]"),  # post codes
    (re.compile(r"\b\d+[a-z]? (?:[A-Z][\w'-]+ ){1,3}(?i:street|st|road|rd|avenue|ave|lane|ln|drive|boulevard|blvd|way|court|ct|close)\b\.?"), "[address]"),
    (re.compile(r"\b((?i:my (?:\w+ )?name is|i am called|i'?m called)) +\w[\w'-]*(?: [A-Z][\w'-]+)*"), r"\1 [name]"),
    (re.compile(r"\b((?i:name'?s|call me|signed|regards,?|this is|i'?m|i am|hi|hello)) +(?!I\b)[A-Z][a-z][\w'-]*(?: [A-Z][\w'-]+)*"), r"\1 [name]"),
    (re.compile(r"\b((?i:mr|mrs|ms|miss|dr|prof|doctor|nurse)\.?) [A-Z][\w'-]+(?: [A-Z][\w'-]+)?"), r"\1 [name]"),
    (
        re.compile(r"\b((?i:husband|wife|son|daughter|brother|sister|mother|father|mom|mum|dad|friend|partner|boss)),? [A-Z][a-z][\w'-]*(?: [A-Z][\w'-]+)?"),
        r"\1 [name]",
    ),
    (re.compile(r"\b((?i:i live in|i'?m from|i am from)) [A-Z][\w'-]+(?:,? [A-Z][\w'-]+)*"), r"\1 [place]"),
)


@dataclass(frozen=True, slots=True)
class Gap:
    """One subject that people asked about and nothing answered. `id` names it in a command as long as its question stays the one asked most."""

    id: str
    question: str
    count: int
    first: str
    last: str
    questions: tuple[str, ...]


class Gaps:
    """The door to the file of unanswered questions."""

    def __init__(self, path: Path, days: int = 0) -> None:
        """`days`: lines older than this are deleted, now and with the first question of each day; 0 keeps them."""
        self._path, self._days, self._lock = path, days, threading.Lock()
        self._expired = datetime.now(UTC).date()
        expire(path, days)

    def keep(self, question: str) -> None:
        """Add one line, without personal data: the day and the question. A file that is full or cannot be written takes no more, and nobody's answer fails."""
        row = {"day": datetime.now(UTC).date().isoformat(), "question": without_personal(question[: 4 * MAX_QUESTION])[:MAX_QUESTION]}
        line = json.dumps(row, ensure_ascii=False) + "\n"
        try:
            self._expire()
            with self._lock, locked(self._path):
                if self._path.exists() and self._path.stat().st_size + len(line.encode("utf-8")) > MAX_FILE:
                    return
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(line)
        except OSError:
            return

    def _expire(self) -> None:
        today = datetime.now(UTC).date()
        if today != self._expired:
            self._expired = today
            expire(self._path, self._days)

    def read(self) -> list[tuple[str, str]]:
        """(day, question), oldest first; none where nothing was kept yet. Raises InputError naming the line that is broken."""
        if not self._path.is_file():
            return []
        rows = []
        for number, line in enumerate(self._path.read_text("utf-8").split("\n"), start=1):
            if not line:
                continue
            try:
                row = json.loads(line)
                rows.append((str(row["day"]), str(row["question"])))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{self._path}:{number} is not a line that the bot wrote ({error}); delete it") from error
        return rows


def without_personal(text: str) -> str:
    """The text without names, addresses and numbers that could tell who wrote it, on one line."""
    for pattern, instead in PERSONAL:
        text = pattern.sub(instead, text)
    return " ".join(text.split())


def grouped(rows: Sequence[tuple[str, str]], encode: Callable[[Sequence[str]], npt.NDArray[np.float32]]) -> list[Gap]:
    """The questions in groups that ask alike, the most asked first. `encode`: texts to unit vectors, shape (texts, dimension)."""
    asked = Counter(question.casefold() for _, question in rows)
    questions = sorted(asked, key=lambda text: (-asked[text], text))
    if not questions:
        return []
    vectors = encode(questions)
    leaders: list[int] = []
    members: dict[int, list[int]] = {}
    for number in range(len(questions)):
        near = vectors[leaders] @ vectors[number] if leaders else np.zeros(0, dtype=np.float32)
        leader = leaders[int(near.argmax())] if near.size and near.max() >= ALIKE else number
        if leader == number:
            leaders.append(number)
        members.setdefault(leader, []).append(number)
    gaps = [_gap([questions[number] for number in group], asked, rows) for group in members.values()]
    return sorted(gaps, key=lambda gap: (-gap.count, gap.question))


def _gap(questions: Sequence[str], asked: Counter[str], rows: Sequence[tuple[str, str]]) -> Gap:
    days = sorted(day for day, question in rows if question.casefold() in questions)
    name = hashlib.sha256(questions[0].encode()).hexdigest()[:6]
    return Gap(name, questions[0], sum(asked[question] for question in questions), days[0], days[-1], tuple(questions))
