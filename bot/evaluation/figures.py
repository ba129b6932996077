"""Outcomes to figures, each with its 95 % interval, and to the abstention certificate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import numpy as np

from bot.chat import Bot
from bot.evaluation.golden import DEPTHS, Outcome

CONFIDENCE = 0.95
TARGET = 0.05  # the share of wrong answers that the certificate should exclude
RESAMPLES = 1000  # of the bootstrap: its limits move by less than a point from run to run, and the seed is fixed


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Hit@k, MRR@10 and nDCG@10 over the answerable, refusals over the others, latency over all; each with its 95 % interval."""
    there = [one for one in outcomes if one.question.answerable]
    none = [one for one in outcomes if not one.question.answerable]
    far = [one for one in none if one.question.note.startswith("far")]
    table: dict[str, Any] = {"answerable": len(there), "without an answer": len(none)}
    for depth in DEPTHS:
        table[f"Hit@{depth}"] = share([0 < one.place <= depth for one in there])
    table["MRR@10"] = _interval([1 / one.place if one.place else 0.0 for one in there], np.mean)
    table["nDCG@10"] = _interval([one.gain for one in there], np.mean)
    table["answered, of the answerable"] = share([one.answered for one in there])
    table["refused, of those without an answer"] = share([not one.answered for one in none])
    table["refused, of the far ones"] = share([not one.answered for one in far])
    table["milliseconds, median"] = _interval([one.milliseconds for one in outcomes], np.median, digits=1)
    table["milliseconds, 95th percentile"] = _interval([one.milliseconds for one in outcomes], lambda values: np.percentile(values, 95), digits=1)
    return table


def certificate(bot: Bot, outcomes: Sequence[Outcome], today: date) -> dict[str, Any]:
    """What may be claimed of answers that were given: how many were wrong, and the exact upper bound on that share (Clopper–Pearson)."""
    given = [one for one in outcomes if one.answered]
    wrong = sum(not one.right for one in given)
    return {
        "claim": "share of given answers none of whose passages answers the question",
        "answers": len(given),
        "wrong": wrong,
        "share": round(wrong / len(given), 4) if given else None,
        "upper_bound": round(upper_bound(wrong, len(given)), 4) if given else None,
        "confidence": CONFIDENCE,
        "target": TARGET,
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


def share(values: Sequence[bool]) -> str:
    """A share with its 95 % Wilson interval."""
    if not values:
        return "–"
    low, high = wilson(sum(values), len(values))
    return f"{sum(values) / len(values):.3f} [{low:.3f}, {high:.3f}]"


def _interval(values: Sequence[float], statistic: Callable[[Any], Any], digits: int = 3) -> str:
    """A statistic with its percentile-bootstrap interval."""
    if not values:
        return "–"
    drawn = np.random.default_rng(0).choice(np.asarray(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile([float(statistic(row)) for row in drawn], [2.5, 97.5])
    return f"{float(statistic(values)):.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
