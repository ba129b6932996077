"""Tunes the fusion weights and fits the confidence model on the tuning half, then judges both on the test half.

    python benchmarks/weights.py

Prints Hit@1/3 by document over a grid of weights, the logistic regression to copy into bot/retrieval.py, and what it gives on the test half.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from bot import open_bot
from bot.chat import Bot
from bot.index import Features
from bot.retrieval import _penalty, fuse
from bot.settings import Settings

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
Row = tuple[dict[str, object], list[Features]]


def rows(bot: Bot, half: str) -> list[Row]:
    """Each question of a half with the features of its candidates."""
    questions = [json.loads(line) for line in (GOLDEN / f"questions_{half}.jsonl").read_text("utf-8").splitlines()]
    return [(row, bot.index.candidates(row["question"], bot.index.vector(row["question"]))) for row in questions]


def ranked(bot: Bot, candidates: list[Features], settings: Settings) -> list[Features]:
    """Candidates best first, as retrieval orders them."""
    return sorted(candidates, key=lambda one: -(fuse(one, settings) - _penalty(bot.index.passages[one.number])))


def hit(bot: Bot, row: Row, settings: Settings, depth: int) -> bool:
    """Whether one of the first `depth` passages is of an expected document."""
    first = ranked(bot, row[1], settings)[:depth]
    return any(bot.index.passages[one.number].document_id in row[0]["documents"] for one in first)  # type: ignore[operator]  # JSON list


def inputs(features: Features, settings: Settings) -> list[float]:
    """What the confidence model reads."""
    return [fuse(features, settings), features.question, features.passage, features.lexical]


def main() -> None:
    """Print everything."""
    bot = open_bot()
    tune, test = rows(bot, "tune"), rows(bot, "test")
    answerable = [row for row in tune if row[0]["documents"]]
    best = (0.0, bot.settings)
    for question in (0.0, 0.2, 0.35, 0.5, 0.65, 0.8):
        for lexical in (0.0, 0.1, 0.2, 0.3, 0.4):
            settings = replace(bot.settings, question_weight=question, lexical_weight=lexical)
            figures = [np.mean([hit(bot, row, settings, depth) for row in answerable]) for depth in (1, 3)]
            print(f"question {question:.2f} lexical {lexical:.2f}: Hit@1 {figures[0]:.3f} Hit@3 {figures[1]:.3f}")
            best = max(best, (float(sum(figures)), settings), key=lambda pair: pair[0])
    settings = best[1]
    print(f"best on the tuning half: question_weight={settings.question_weight} lexical_weight={settings.lexical_weight}")
    tops = [ranked(bot, row[1], settings)[0] for row in tune]
    model = LogisticRegression(C=3.0).fit([inputs(top, settings) for top in tops], [bool(row[0]["documents"]) for row in tune])
    print("CONFIDENCE =", tuple(round(float(value), 3) for value in (model.intercept_[0], *model.coef_[0])))
    for name, half in (("tune", tune), ("test", test)):
        there = [row for row in half if row[0]["documents"]]
        hits = [np.mean([hit(bot, row, settings, depth) for row in there]) for depth in (1, 3, 10)]
        print(f"{name}: Hit@1 {hits[0]:.3f} Hit@3 {hits[1]:.3f} Hit@10 {hits[2]:.3f} on {len(there)} answerable")
        shares = model.predict_proba([inputs(ranked(bot, row[1], settings)[0], settings) for row in half])[:, 1]
        known = np.array([bool(row[0]["documents"]) for row in half])
        for threshold in (0.3, 0.4, 0.5, 0.6, 0.7):
            print(f"  threshold {threshold}: answered {np.mean(shares[known] >= threshold):.3f}, refused {np.mean(shares[~known] < threshold):.3f}")


if __name__ == "__main__":
    main()
