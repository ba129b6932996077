"""Golden questions, and what became of each when the bot was asked.

A passage is right when its section was judged to answer (by readers of a pool of several systems' passages), or, for a question that was
not judged so finely, when its document is labelled. A question with neither is answered right when the bot says that it has no passage.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bot.chat import Bot
from bot.errors import InputError
from bot.records import Hit, Passage

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"
DEPTHS = (1, 3, 10)


@dataclass(frozen=True, slots=True)
class Question:
    """A golden question: what was asked, in which style, and which documents or sections (document id, number) answer it; neither: nothing does."""

    text: str
    style: str
    documents: frozenset[str]
    sections: frozenset[tuple[str, int]] = frozenset()
    note: str = ""

    @property
    def answerable(self) -> bool:
        """Whether the corpus answers it."""
        return bool(self.documents or self.sections)

    def answered_by(self, passage: Passage) -> bool:
        """Whether the passage was judged to answer."""
        if self.sections:
            return (passage.document_id, passage.section) in self.sections
        return passage.document_id in self.documents


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question.

    `place`: of the first right passage among ten (0: none). `answered`: passages were shown as an answer; a refusal that shows general
    ones beside it is none. `right`: one of those shown answers, or rightly none was. `first`: the first passage, document and section.
    """

    question: Question
    topic: str
    place: int
    gain: float
    answered: bool
    right: bool
    confidence: float
    milliseconds: float
    first: tuple[str, int] | None


def read_questions(half: str) -> list[Question]:
    """The questions of a part: `tune`, `calibration`, `test` or `fresh` (the newest, after whose figures nothing was changed).

    Raises InputError naming the file when there is none (a wheel carries no golden set).
    """
    path = GOLDEN / f"questions_{half}.jsonl"
    if not path.is_file():
        raise InputError(f"{path} is missing; the golden set comes with a checkout of the repository")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [
        Question(row["question"], row["style"], frozenset(row["documents"]), frozenset((name, number) for name, number in row.get("sections", ())), row["note"])
        for row in rows
    ]


def evaluate(bot: Bot, questions: Iterable[Question]) -> list[Outcome]:
    """Ask every question, as a search for its ranking and as a message for its answer."""
    return [_outcome(bot, question) for question in questions]


def _outcome(bot: Bot, question: Question) -> Outcome:
    began = time.perf_counter()
    reply = bot.reply(question.text)  # before the search, whose vector would be remembered
    milliseconds = 1000 * (time.perf_counter() - began)
    found = bot.search(question.text, limit=max(DEPTHS))
    ranking = [question.answered_by(hit.passage) for hit in found]
    answered = reply.action in ("answer", "caution") and bool(reply.hits)
    right = any(question.answered_by(hit.passage) for hit in reply.hits) if answered else not question.answerable
    place = ranking.index(True) + 1 if True in ranking else 0
    return Outcome(question, _topic(bot, question), place, gain(ranking), answered, right, bot.confidence(question.text), milliseconds, _first(found))


def _topic(bot: Bot, question: Question) -> str:
    names = sorted({name for name, _ in question.sections} or question.documents)
    return bot.documents[names[0]].topic if names else "none"


def _first(hits: Sequence[Hit]) -> tuple[str, int] | None:
    return (hits[0].passage.document_id, hits[0].passage.section) if hits else None


def gain(ranking: Sequence[bool]) -> float:
    """nDCG with one ideal right passage first: how many passages would be right beyond the judged pool is not known."""
    return next((1 / float(np.log2(place + 1)) for place, right in enumerate(ranking, start=1) if right), 0.0)
