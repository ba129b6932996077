"""Tunes the fusion weights on the tuning half and fits the confidence model on the calibration questions, which nothing else has learned from
(the tuning half is among the guardrails' examples); the test half is judged by `python -m bot evaluate`.

    python benchmarks/weights.py

Prints the best weights of a random search (for bot/settings.py), what a learned ranker would add in cross-validation, the logistic
regression to copy into bot/retrieval.py, and what each threshold gives in cross-validation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from bot import open_bot
from bot.chat import Bot
from bot.dialogue import resolve
from bot.evaluation import Question, read_questions
from bot.index import Features
from bot.retrieval import Signals, confidence_inputs, encoded, fuse, order
from bot.settings import Settings

NAMES = ("question_weight", "questions_weight", "sentence_weight", "lexical_weight")
DRAWS = 400
FOLDS = 5
Row = tuple[Question, list[Features], Signals]
Array = npt.NDArray[np.float64]


def rows(bot: Bot, half: str) -> list[Row]:
    """Each question of a half with the features of its candidates and what the guardrails' classifier makes of it."""
    found = []
    for question in read_questions(half):
        asked = resolve(question.text, None)
        words, vector = encoded(asked.text, asked.beside, bot.index, bot.settings)
        found.append((question, bot.index.candidates(words, vector), bot.signals(question.text)))
    return found


def matrix(row: Row) -> Array:
    """The features of a question's candidates, shape (candidates, 6)."""
    return np.array([[one.passage, one.question, one.questions, one.sentence, one.lexical, one.coverage] for one in row[1]])


def places(bot: Bot, data: list[Row], scores: list[Array]) -> Array:
    """Of each answerable question the place of its first right section (99: none)."""
    found = []
    for row, values in zip(data, scores, strict=True):
        if not row[0].answerable:
            continue
        seen: dict[tuple[str, int], bool] = {}
        for number in np.argsort(-values)[:40]:
            passage = bot.index.passages[row[1][number].number]
            seen.setdefault((passage.document_id, passage.section), row[0].answered_by(passage))
        right = list(seen.values())
        found.append(right.index(True) + 1 if True in right else 99)
    return np.array(found, dtype=float)


def figures(place: Array) -> str:
    """Hit@1, Hit@3 and MRR@10."""
    return f"Hit@1 {np.mean(place <= 1):.3f} Hit@3 {np.mean(place <= 3):.3f} MRR@10 {np.mean(np.where(place <= 10, 1 / place, 0)):.3f}"


def search(bot: Bot, data: list[Row]) -> Settings:
    """The best weights of a random search, judged by Hit@1 + Hit@3."""
    features = [matrix(row) for row in data]
    chance = np.random.default_rng(0)
    best = (0.0, bot.settings)
    for _ in range(DRAWS):
        _, question, questions, sentence, lexical = chance.dirichlet([1.0] * 5).round(2)
        weights = np.array([1 - question - questions - sentence - lexical, question, questions, sentence, lexical, 0.0])
        place = places(bot, data, [values @ weights for values in features])
        quality = float(np.mean(place <= 1) + np.mean(place <= 3))
        if quality > best[0]:
            named = dict(zip(NAMES, map(float, (question, questions, sentence, lexical)), strict=True))
            best = (quality, replace(bot.settings, **named))  # type: ignore[arg-type]  # every weight is a float
            print(f"{named} {figures(place)}")
    return best[1]


def learned(bot: Bot, data: list[Row]) -> None:
    """What a ranker learned over the features would give, questions of a fold held out."""
    there = [row for row in data if row[0].answerable]
    features = np.concatenate([matrix(row) for row in there])
    right = np.concatenate([[row[0].answered_by(bot.index.passages[one.number]) for one in row[1]] for row in there])
    groups = np.concatenate([[number] * len(row[1]) for number, row in enumerate(there)])
    rankers = {"logistic ranker": LogisticRegression(max_iter=1000), "boosted trees": HistGradientBoostingClassifier(max_depth=3, random_state=0)}
    for name, model in rankers.items():
        shares = cross_val_predict(model, features, right, groups=groups, cv=GroupKFold(FOLDS), method="predict_proba")[:, 1]
        print(f"{name}, cross-validated: {figures(places(bot, there, [shares[groups == number] for number in range(len(there))]))}")


def parents(bot: Bot, data: list[Row], settings: Settings) -> None:
    """What the parent document would add: a passage gets a share of the best score of another passage of its document."""
    for share in (0.0, 0.1, 0.2, 0.4):
        scores = []
        for row in data:
            own = np.array([fuse(one, settings) for one in row[1]])
            documents = np.array([bot.index.passages[one.number].document_id for one in row[1]])
            others = [own[(documents == documents[place]) & (np.arange(len(own)) != place)] for place in range(len(own))]
            scores.append(own + share * np.array([other.max() if len(other) else 0.0 for other in others]))
        print(f"parent document at {share}: {figures(places(bot, data, scores))}")


def confidence(bot: Bot, data: list[Row], settings: Settings) -> None:
    """Fit the confidence model: is one of the first three sections right?"""
    inputs, right, known = [], [], []
    for row in data:
        ranked = sorted(row[1], key=lambda one: -order(one, bot.index.passages[one.number], settings))
        place = places(bot, [row], [np.array([fuse(one, settings) for one in row[1]])])
        inputs.append(confidence_inputs(ranked[0], ranked[1:], bot.index.passages, settings, row[2]))
        right.append(bool(len(place) and place[0] <= 3))
        known.append(row[0].answerable)
    model = LogisticRegression(C=3.0, max_iter=1000)
    shares = cross_val_predict(model, inputs, right, cv=FOLDS, method="predict_proba")[:, 1]
    model.fit(inputs, right)
    print("CONFIDENCE =", tuple(round(float(value), 3) for value in (model.intercept_[0], *model.coef_[0])))
    there, correct = np.array(known), np.array(right)
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        given = shares >= threshold
        shown = (given[there].mean(), 1 - given[~there].mean(), 1 - correct[given].mean())
        print("threshold {}: answered {:.3f}, refused {:.3f}, wrong of the given {:.3f}".format(threshold, *shown))


def main() -> None:
    """Print everything."""
    bot = open_bot()
    data = rows(bot, "tune")
    print(f"in use: {figures(places(bot, data, [np.array([fuse(one, bot.settings) for one in row[1]]) for row in data]))}")
    settings = search(bot, data)
    parents(bot, data, settings)
    learned(bot, data)
    confidence(bot, rows(bot, "calibration"), settings)


if __name__ == "__main__":
    main()
