"""bm25s: words alone, the floor of every dense system."""

from collections.abc import Callable
from pathlib import Path

import bm25s
import Stemmer

STEMMER = Stemmer.Stemmer("english")


def build(texts: list[str], model: str, folder: Path) -> None:
    index = bm25s.BM25()
    index.index(bm25s.tokenize(texts, stopwords="en", stemmer=STEMMER, show_progress=False), show_progress=False)
    index.save(str(folder))


def opened(model: str, folder: Path) -> Callable[[str], list[int]]:
    index = bm25s.BM25.load(str(folder))

    def answer(question: str) -> list[int]:
        tokens = bm25s.tokenize(question, stopwords="en", stemmer=Stemmer.Stemmer("english"), show_progress=False)
        return [int(number) for number in index.retrieve(tokens, k=10, show_progress=False)[0][0]]

    return answer
