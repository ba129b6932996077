"""The seam behind the index: who holds vectors and BM25 scores, and answers numbers for numbers. Text never passes it.

PassageIndex ─ vector, stems, rows → VectorStore → rows, cosines, scores
                                      ├ flat.py         in this process, exact
                                      ├ approximate.py  in this process, for large tables
                                      └ milvus.py       on a server
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from bot.encoder import Vectors
from bot.index.matrix import Scores
from bot.records import Passage

Table = Literal["passages", "questions", "sentences"]
TABLES: tuple[Table, ...] = ("passages", "questions", "sentences")
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Admit = Callable[[Passage], bool]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Among:
    """Which passages may be shown: by the numbers of their cards for a store elsewhere, and row by row for one in this process."""

    cards: tuple[int, ...]  # of passages
    sets: tuple[int, ...]  # of questions
    passages: Mask  # shape (passages,)
    questions: Mask  # shape (questions,): whether a passage of the question's section may be shown

    def of(self, table: Table) -> Mask:
        """The rows of a table that may be shown. ValueError for sentences, which are never searched."""
        if table == "sentences":
            raise ValueError("sentences are read by row, never searched")
        return self.passages if table == "passages" else self.questions


class VectorStore(Protocol):
    """Holds the vectors of three tables and the BM25 scores of the passages. Threads may share it. Raises StoreError where it cannot answer."""

    def nearest(self, table: Table, vector: Vectors, limit: int, among: Among | None = None) -> list[int]:
        """The `limit` rows of a table nearest to a unit vector, nearest first, of equals the lower number."""
        ...

    def cosines(self, table: Table, rows: Numbers, vector: Vectors) -> Scores:
        """Cosine of each of the rows and the vector, exact, shape (rows,)."""
        ...

    def similarity(self, number: int, other: int) -> float:
        """Cosine of two passages."""
        ...

    def worded(self, words: Sequence[str], limit: int, among: Among | None = None) -> list[int]:
        """The `limit` passages with the highest BM25 for distinct stems, highest first, of equals the lower number; without a match the lowest numbers."""
        ...

    def lexical(self, words: Sequence[str], rows: Numbers) -> Scores:
        """BM25 and coverage of each of the passages, each as a share of the best there could be, shape (2, rows)."""
        ...

    def at_once(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """What each call returns: side by side where one would wait for the network."""
        ...


class Cards:
    """Each distinct (tier, topic, jurisdiction, date) of the passages is a card with a number, and so is each set of cards that a question's section has:
    a filter is settled once a card, and only numbers leave."""

    def __init__(self, passages: Sequence[Passage], owners: Sequence[Sequence[int]]) -> None:
        self._passages, self._owners = passages, owners

    @cached_property
    def _numbered(self) -> tuple[list[Passage], Numbers]:
        """(a passage of each card, the card of each passage)."""
        cards: dict[tuple[str, str, str | None, str], int] = {}
        of: Numbers = np.empty(len(self._passages), dtype=np.int64)
        samples: list[Passage] = []
        for number, passage in enumerate(self._passages):
            card = (passage.tier, passage.topic, passage.jurisdiction, passage.as_of)
            of[number] = cards.setdefault(card, len(cards))
            if len(cards) > len(samples):
                samples.append(passage)
        return samples, of

    @cached_property
    def _kinds(self) -> tuple[list[frozenset[int]], Numbers]:
        """(every set of cards, the set of each question)."""
        sets: dict[frozenset[int], int] = {}
        of = self._numbered[1].tolist()
        found = [sets.setdefault(frozenset(of[number] for number in owned), len(sets)) for owned in self._owners]
        return list(sets), np.array(found, dtype=np.int64)

    def among(self, admit: Admit) -> Among:
        """Whom `admit` lets through, which reads nothing of a passage but tier, topic, jurisdiction and date."""
        samples, of = self._numbered
        cards = frozenset(number for number, passage in enumerate(samples) if admit(passage))
        kinds, _ = self._kinds
        sets = tuple(number for number, kind in enumerate(kinds) if kind & cards)
        return Among(tuple(sorted(cards)), sets, np.isin(of, sorted(cards)), np.isin(self.of_questions(), sets))

    def of_passages(self) -> Numbers:
        """The card of each passage."""
        return self._numbered[1]

    def of_questions(self) -> Numbers:
        """The set of cards of each question's section."""
        return self._kinds[1]
