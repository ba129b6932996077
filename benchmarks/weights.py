"""Tunes the fusion weights and fits the confidence model on the tuning half, then judges both on the test half.

    python benchmarks/weights.py [--plain]        --plain: without synonyms and mended typos

Prints Hit@1/3 by document over a grid of weights, the logistic regression to copy into bot/retrieval.py, and what it gives on the test half.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import product

import numpy as np
from sklearn.linear_model import LogisticRegression

from bot import open_bot
from bot.chat import Bot
from bot.evaluation import Question, read_questions
from bot.index import Features
from bot.language import language_of
from bot.retrieval import confidence_inputs, order
from bot.settings import Settings
from bot.synonyms import expand

EXPAND = "--plain" not in sys.argv
Row = tuple[Question, list[Features], float]


def rows(bot: Bot, half: str) -> list[Row]:
    """Each question of a half with the features of its candidates and how off-topic the guardrails hold it."""
    found = []
    for question in read_questions(half):
        words = expand(question.text, bot.index.vocabulary, language_of(question.text)) if EXPAND else question.text
        found.append((question, bot.index.candidates(words, bot.index.vector(words)), bot.off_topic(question.text)))
    return found


def ranked(bot: Bot, candidates: list[Features], settings: Settings) -> list[Features]:
    """Candidates best first, as retrieval orders them."""
    return sorted(candidates, key=lambda one: -order(one, bot.index.passages[one.number], settings))


def hit(bot: Bot, row: Row, settings: Settings, depth: int) -> bool:
    """Whether one of the first `depth` passages is of an expected document."""
    first = ranked(bot, row[1], settings)[:depth]
    return any(bot.index.passages[one.number].document_id in row[0].documents for one in first)


def main() -> None:
    """Print everything."""
    bot = open_bot()
    tune, test = rows(bot, "tune"), rows(bot, "test")
    answerable = [row for row in tune if row[0].documents]
    best = (0.0, bot.settings)
    for question, lexical in product((0.0, 0.2, 0.35, 0.5, 0.65, 0.8), (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)):
        settings = replace(bot.settings, question_weight=question, lexical_weight=lexical)
        figures = [np.mean([hit(bot, row, settings, depth) for row in answerable]) for depth in (1, 3)]
        print(f"question {question:.2f} lexical {lexical:.2f}: Hit@1 {figures[0]:.3f} Hit@3 {figures[1]:.3f}")
        best = max(best, (float(sum(figures)), settings), key=lambda pair: pair[0])
    settings = best[1]
    print(f"best on the tuning half: question_weight={settings.question_weight} lexical_weight={settings.lexical_weight}")
    inputs = [confidence_inputs(ranked(bot, row[1], settings)[0], settings, row[2]) for row in tune]
    model = LogisticRegression(C=3.0).fit(inputs, [bool(row[0].documents) for row in tune])
    print("CONFIDENCE =", tuple(round(float(value), 3) for value in (model.intercept_[0], *model.coef_[0])))
    for name, half in (("tune", tune), ("test", test)):
        there = [row for row in half if row[0].documents]
        hits = [np.mean([hit(bot, row, settings, depth) for row in there]) for depth in (1, 3, 10)]
        print(f"{name}: Hit@1 {hits[0]:.3f} Hit@3 {hits[1]:.3f} Hit@10 {hits[2]:.3f} on {len(there)} answerable")
        shares = model.predict_proba([confidence_inputs(ranked(bot, row[1], settings)[0], settings, row[2]) for row in half])[:, 1]
        known = np.array([bool(row[0].documents) for row in half])
        for threshold in (0.3, 0.4, 0.5, 0.6, 0.7):
            print(f"  threshold {threshold}: answered {np.mean(shares[known] >= threshold):.3f}, refused {np.mean(shares[~known] < threshold):.3f}")


if __name__ == "__main__":
    main()
