"""Our retrieval beside what a user would pick instead, on the same golden questions and the same passages, in one run.

    python benchmarks/retrieval.py [--peers PYTHON] [--half fresh]     PYTHON: of an environment with benchmarks/peers/requirements.txt

Every row answers the answerable questions of the test half, or of the fresh one, whose labels were pooled from ours, LangChain and
BM25 alike. The published model is all-MiniLM-L6-v2; "tuned" is ours (bot/training/encoder.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import bm25s

from bot import open_bot
from bot.chat import Bot
from bot.chunking import encoded_text
from bot.encoder import embedded_folder
from bot.evaluation import Question, figures, read_questions
from bot.evaluation.golden import Outcome, gain
from bot.index import Features
from bot.index.shared import stems
from bot.retrieval import order, searched
from bot.settings import Settings

PEERS = Path(__file__).with_name("peers")
RRF = 60  # the constant of the original paper
Scorer = Callable[[Features], float]


def line(name: str, bot: Bot, questions: Sequence[Question], ranked: Sequence[Sequence[int]]) -> str:
    """One row: Hit@1, Hit@3, MRR@10 and nDCG@10 with their intervals. `ranked`: numbers of passages, best first, a section once."""
    outcomes = []
    for question, numbers in zip(questions, ranked, strict=True):
        sections = dict.fromkeys((bot.index.passages[number].document_id, bot.index.passages[number].section) for number in numbers)
        first = {(bot.index.passages[number].document_id, bot.index.passages[number].section): number for number in reversed(numbers)}
        right = [question.answered_by(bot.index.passages[first[section]]) for section in sections][:10]
        place = right.index(True) + 1 if True in right else 0
        outcomes.append(Outcome(question, "", place, gain(right), True, True, 0.0, 0.0, None))
    table = figures(outcomes)
    return f"| {name} | {' | '.join(table[column] for column in ('Hit@1', 'Hit@3', 'MRR@10', 'nDCG@10'))} |"


def by_score(rows: Sequence[Sequence[Features]], score: Scorer) -> list[list[int]]:
    """Candidates of each question ordered by a score."""
    return [[one.number for one in sorted(row, key=lambda one: -score(one))][:30] for row in rows]


def reciprocal(rows: Sequence[Sequence[Features]]) -> list[list[int]]:
    """Reciprocal rank fusion of the passage cosine and BM25."""
    found = []
    for row in rows:
        scores = dict.fromkeys((one.number for one in row), 0.0)
        for key in (lambda one: -one.passage, lambda one: -one.lexical):
            for rank, one in enumerate(sorted(row, key=key), start=1):
                scores[one.number] += 1 / (RRF + rank)
        found.append(sorted(scores, key=lambda number: -scores[number])[:30])
    return found


def plain_bm25(bot: Bot, questions: Sequence[Question]) -> list[list[int]]:
    """BM25 over the passages and their headers alone."""
    index = bm25s.BM25(method="lucene")
    index.index(stems([encoded_text(passage) for passage in bot.index.passages]), show_progress=False)
    found, _ = index.retrieve(stems([question.text for question in questions]), k=30, show_progress=False)
    return [[int(number) for number in row] for row in found]


def peer(python: str, script: Path, bot: Bot, questions: Sequence[Question]) -> list[list[int]]:
    """What a framework finds, run in its own environment with the published model."""
    given = {"texts": [encoded_text(passage) for passage in bot.index.passages], "questions": [question.text for question in questions]}
    done = subprocess.run([python, str(script)], input=json.dumps(given | {"model": str(embedded_folder())}), capture_output=True, text=True, check=True)  # noqa: S603  # our own script
    ranked: list[list[int]] = json.loads(done.stdout)
    return ranked


def candidates(bot: Bot, questions: Sequence[Question], *, expanded: bool) -> list[list[Features]]:
    """The candidates of each question, its words in the corpus's words or as typed."""
    found = []
    for question in questions:
        words = searched(question.text, bot.index, bot.settings) if expanded else question.text
        found.append(bot.index.candidates(words, bot.index.vector(words)))
    return found


def ours(bot: Bot, **changes: float) -> Scorer:
    """Our order, with settings changed."""
    settings = replace(bot.settings, **changes)  # type: ignore[arg-type]  # every weight is a float
    return lambda one: order(one, bot.index.passages[one.number], settings)


def main() -> None:
    """Print the table."""
    half = "fresh" if "fresh" in sys.argv else "test"
    questions = [question for question in read_questions(half) if question.answerable]
    tuned = open_bot()
    print(f"| on {len(questions)} questions of the {half} half | Hit@1 | Hit@3 | MRR@10 | nDCG@10 |\n|---|---|---|---|---|")
    print(line("BM25 over passages", tuned, questions, plain_bm25(tuned, questions)))
    published = open_bot(Settings(model="published", index=tuned.settings.index / "published"))
    rows = candidates(published, questions, expanded=False)
    print(line("published MiniLM + FAISS over passages", published, questions, by_score(rows, lambda one: one.passage)))
    print(line("reciprocal rank fusion of it and BM25 with questions", published, questions, reciprocal(rows)))
    if "--peers" in sys.argv:
        python = sys.argv[sys.argv.index("--peers") + 1]
        for script in sorted(PEERS.glob("[a-z]*.py")):
            print(line(f"{script.stem.replace('_', ' ')} (published MiniLM)", published, questions, peer(python, script, published, questions)))
    print(line("ours on the published model", published, questions, by_score(candidates(published, questions, expanded=True), ours(published))))
    rows, plain = candidates(tuned, questions, expanded=True), candidates(tuned, questions, expanded=False)
    print(line("tuned MiniLM over passages", tuned, questions, by_score(plain, lambda one: one.passage)))
    print(line("tuned question index alone", tuned, questions, by_score(plain, lambda one: one.question)))
    print(line("ours without synonyms, typos and languages", tuned, questions, by_score(plain, ours(tuned))))
    print(line("ours without the question index", tuned, questions, by_score(rows, ours(tuned, question_weight=0.0, questions_weight=0.0))))
    print(line("ours without BM25", tuned, questions, by_score(rows, ours(tuned, lexical_weight=0.0))))
    print(line("ours without the nearest sentence", tuned, questions, by_score(rows, ours(tuned, sentence_weight=0.0))))
    print(line("ours", tuned, questions, by_score(rows, ours(tuned))))


if __name__ == "__main__":
    main()
