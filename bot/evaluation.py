"""How well the bot answers: golden questions in, figures with their intervals and the abstention certificate out.

    tests/golden/questions_{tune,test}.jsonl ─evaluate→ Report ─report_markdown→ docs/evaluation.md
                                                              └certificate→ index/certificate.json

A question is answered right when one of the passages shown is of a document labelled with it; a question without a document is answered
right when the bot says that it has no passage. The tuning half chooses the threshold, the test half bounds its error.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bot.chat import Bot
from bot.errors import InputError

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"
CONFIDENCE = 0.95
DEPTHS = (1, 3, 10)


@dataclass(frozen=True, slots=True)
class Question:
    """A golden question: what was asked, in which style, and the documents that answer it (none: nothing does)."""

    text: str
    style: str
    documents: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question: the place of the first right passage among ten (0: none), whether the bot answered, and milliseconds."""

    question: Question
    place: int
    gain: float
    answered: bool
    right: bool
    milliseconds: float


def read_questions(half: str) -> list[Question]:
    """The questions of a half, `tune` or `test`. Raises InputError naming the file when there is none (a wheel carries no golden set)."""
    path = GOLDEN / f"questions_{half}.jsonl"
    if not path.is_file():
        raise InputError(f"{path} is missing; the golden set comes with a checkout of the repository")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [Question(row["question"], row["style"], frozenset(row["documents"])) for row in rows]


def evaluate(bot: Bot, questions: Iterable[Question]) -> list[Outcome]:
    """Ask every question, as a search for its ranking and as a message for its answer."""
    outcomes = []
    for question in questions:
        ranking = [hit.passage.document_id in question.documents for hit in bot.search(question.text, limit=max(DEPTHS))]
        began = time.perf_counter()
        reply = bot.reply(question.text)
        milliseconds = 1000 * (time.perf_counter() - began)
        answered = bool(reply.hits)
        right = any(hit.passage.document_id in question.documents for hit in reply.hits) if answered else not question.documents
        place = ranking.index(True) + 1 if True in ranking else 0
        outcomes.append(Outcome(question, place, _gain(ranking), answered, right, milliseconds))
    return outcomes


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Hit@k, MRR@10 and nDCG@10 over the answerable, refusals over the others, each share with its 95 % interval."""
    there = [one for one in outcomes if one.question.documents]
    none = [one for one in outcomes if not one.question.documents]
    table: dict[str, Any] = {"answerable": len(there), "without an answer": len(none)}
    for depth in DEPTHS:
        table[f"Hit@{depth}"] = _share([0 < one.place <= depth for one in there])
    table["MRR@10"] = round(_mean([1 / one.place if one.place else 0.0 for one in there]), 3)
    table["nDCG@10"] = round(_mean([one.gain for one in there]), 3)
    table["answered, of the answerable"] = _share([one.answered for one in there])
    table["refused, of those without an answer"] = _share([not one.answered for one in none])
    table["milliseconds, median"] = round(median([one.milliseconds for one in outcomes] or [0.0]), 1)
    return table


def certificate(bot: Bot, outcomes: Sequence[Outcome], today: date) -> dict[str, Any]:
    """What may be claimed of answers that were given: how many were wrong, and the exact upper bound on that share (Clopper–Pearson)."""
    given = [one for one in outcomes if one.answered]
    wrong = sum(not one.right for one in given)
    return {
        "claim": "share of given answers none of whose passages is of a document that answers",
        "answers": len(given),
        "wrong": wrong,
        "share": round(wrong / len(given), 4) if given else None,
        "upper_bound": round(upper_bound(wrong, len(given)), 4) if given else None,
        "confidence": CONFIDENCE,
        "threshold": bot.settings.answer_threshold,
        "questions": "tests/golden/questions_test.jsonl",
        "date": today.isoformat(),
        "corpus": bot.index.manifest["corpus"],
        "index": bot.index.id,
    }


def upper_bound(errors: int, count: int, confidence: float = CONFIDENCE) -> float:
    """The largest share of errors that `errors` of `count` leave possible at this confidence, one-sided, exact."""
    from scipy.stats import beta

    return 1.0 if errors >= count else float(beta.ppf(confidence, errors + 1, count - errors))


def wilson(errors: int, count: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a share."""
    if not count:
        return 0.0, 1.0
    z, share = 1.96, errors / count
    centre, half = share + z * z / (2 * count), z * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    return (centre - half) / (1 + z * z / count), (centre + half) / (1 + z * z / count)


def report_markdown(halves: dict[str, list[Outcome]], claim: dict[str, Any]) -> str:
    """The report: both halves, each style of the test half, and the certificate."""
    columns = {name: figures(outcomes) for name, outcomes in halves.items()}
    names = list(next(iter(columns.values())))
    lines = ["# Evaluation", "", f"Made by `python -m bot evaluate` on {claim['date']} for index {claim['index'][:12]}.", ""]
    lines += _table("figure", list(columns), names, lambda name, column: columns[column].get(name, ""))
    styles = sorted({one.question.style for one in halves["test"]})
    by_style = {style: figures([one for one in halves["test"] if one.question.style == style]) for style in styles}
    shown = ["answerable", "Hit@1", "Hit@3", "answered, of the answerable", "refused, of those without an answer"]
    lines += ["", "## The test half by style", "", *_table("style", shown, styles, lambda style, name: by_style[style].get(name, ""))]
    lines += ["", "## Abstention certificate", ""]
    lines += [f"- {name.replace('_', ' ')}: {value}" for name, value in claim.items() if name not in ("corpus", "index")]
    lines += ["", "Shares stand with their 95 % Wilson interval. The bound is one-sided and exact (Clopper–Pearson).", ""]
    return "\n".join(lines)


def _table(corner: str, columns: Sequence[str], rows: Sequence[str], cell: Callable[[str, str], object]) -> list[str]:
    head = [f"| {corner} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    return head + [f"| {row} | {' | '.join(str(cell(row, column)) for column in columns)} |" for row in rows]


def _share(values: Sequence[bool]) -> str:
    if not values:
        return "–"
    low, high = wilson(sum(values), len(values))
    return f"{sum(values) / len(values):.3f} [{low:.3f}, {high:.3f}]"


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def _gain(ranking: Sequence[bool]) -> float:
    """nDCG with one ideal right passage first: labels name documents, so how many passages are right is not known."""
    return next((1 / float(np.log2(place + 1)) for place, right in enumerate(ranking, start=1) if right), 0.0)
