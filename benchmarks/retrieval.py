"""Our retrieval beside what a user would pick instead, on the same golden questions, the same passages and the same model, in one run.

    python benchmarks/retrieval.py

Rows: BM25 alone (over passages and their questions), MiniLM + FAISS on passages, their reciprocal rank fusion, the question index alone,
and ours with each part taken away.
A question counts as hit when a passage of an expected document is among the first k.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot import open_bot
from bot.chat import Bot
from bot.evaluation import Question, read_questions, wilson
from bot.index import Features
from bot.language import language_of
from bot.retrieval import order
from bot.synonyms import expand

RRF = 60  # the constant of the original paper
Scorer = Callable[[list[Features]], list[float]]


def reciprocal(candidates: list[Features]) -> list[float]:
    """Reciprocal rank fusion of the passage cosine and BM25."""
    scores = [0.0] * len(candidates)
    for values in ([one.passage for one in candidates], [one.lexical for one in candidates]):
        for rank, number in enumerate(sorted(range(len(values)), key=lambda place: -values[place]), start=1):
            scores[number] += 1 / (RRF + rank)
    return scores


def rows(bot: Bot, *, expanded: bool) -> list[tuple[Question, list[Features]]]:
    """The answerable questions of the test half with their candidates."""
    found = []
    for question in read_questions("test"):
        if question.documents:
            words = expand(question.text, bot.index.vocabulary, language_of(question.text)) if expanded else question.text
            found.append((question, bot.index.candidates(words, bot.index.vector(words))))
    return found


def line(bot: Bot, name: str, data: list[tuple[Question, list[Features]]], scorer: Scorer) -> str:
    """One row of the table: Hit@1, Hit@3 and MRR@10."""
    places = []
    for question, candidates in data:
        scores = scorer(candidates)
        best = sorted(range(len(candidates)), key=lambda number: -scores[number])[:10]
        right = [bot.index.passages[candidates[number].number].document_id in question.documents for number in best]
        places.append(right.index(True) + 1 if True in right else 0)
    count = len(places)
    cells = []
    for depth in (1, 3):
        hits = sum(0 < place <= depth for place in places)
        low, high = wilson(hits, count)
        cells.append(f"{hits / count:.3f} [{low:.3f}, {high:.3f}]")
    mrr = sum(1 / place for place in places if place) / count
    return f"| {name} | {cells[0]} | {cells[1]} | {mrr:.3f} |"


def main() -> None:
    """Print the table."""
    bot = open_bot()
    plain, full = rows(bot, expanded=False), rows(bot, expanded=True)

    def ours(question_weight: float = bot.settings.question_weight, lexical_weight: float = bot.settings.lexical_weight) -> Scorer:
        settings = replace(bot.settings, question_weight=question_weight, lexical_weight=lexical_weight)
        return lambda candidates: [order(one, bot.index.passages[one.number], settings) for one in candidates]

    print(f"| on {len(plain)} questions of the test half | Hit@1 | Hit@3 | MRR@10 |\n|---|---|---|---|")
    print(line(bot, "BM25 alone", plain, lambda candidates: [one.lexical for one in candidates]))
    print(line(bot, "MiniLM + FAISS on passages", plain, lambda candidates: [one.passage for one in candidates]))
    print(line(bot, "reciprocal rank fusion of the two", plain, reciprocal))
    print(line(bot, "question index alone", plain, lambda candidates: [one.question for one in candidates]))
    print(line(bot, "ours without synonyms, typos and languages", plain, ours()))
    print(line(bot, "ours without the question index", full, ours(question_weight=0.0)))
    print(line(bot, "ours without BM25", full, ours(lexical_weight=0.0)))
    print(line(bot, "ours", full, ours()))


if __name__ == "__main__":
    main()
