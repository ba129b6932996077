"""Vectors and BM25 in this process, exact: every cosine of a query in one pass over memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from bot.encoder import Vectors
from bot.index.matrix import Lexical, Scores, cosines, first, rows_of
from bot.index.store import Among, Numbers, T, Table

ASKED = 8  # vectors whose cosines to a whole table are kept, 4 bytes a row: one reply reads them twice


class FlatStore:
    """The arrays of a build; they never change, so threads may share them."""

    def __init__(self, folder: Path, passages: int) -> None:
        sentences: Vectors = np.load(folder / "sentences.npy", allow_pickle=False)  # not mapped: a file cut short would kill the server
        searched: tuple[Table, ...] = ("passages", "questions")
        self.held: dict[Table, Any] = {table: faiss.read_index(str(folder / f"{table}.faiss")) for table in searched}
        self.rows: dict[Table, Vectors] = {**{table: rows_of(index) for table, index in self.held.items()}, "sentences": sentences}
        self._lexical = Lexical(folder / "bm25", passages)
        self._every = lru_cache(maxsize=2 * ASKED)(self._cosines_of_all)
        self._words = lru_cache(maxsize=1)(self._lexical.scores)  # its two readings follow each other

    def nearest(self, table: Table, vector: Vectors, limit: int, among: Among | None = None) -> list[int]:
        """See VectorStore."""
        return first(self._every(table, vector.tobytes()), limit, among.of(table) if among else None)

    def cosines(self, table: Table, rows: Numbers, vector: Vectors) -> Scores:
        """See VectorStore."""
        if table == "sentences":  # never searched as a whole
            return cosines(self.rows[table][rows], vector)
        return self._every(table, vector.tobytes())[rows]

    def similarity(self, number: int, other: int) -> float:
        """See VectorStore."""
        return float(self.rows["passages"][number] @ self.rows["passages"][other])

    def worded(self, words: Sequence[str], limit: int, among: Among | None = None) -> list[int]:
        """See VectorStore."""
        return first(self._words(tuple(words))[0], limit, among.passages if among else None)

    def lexical(self, words: Sequence[str], rows: Numbers) -> Scores:
        """See VectorStore."""
        total, coverage = self._words(tuple(words))
        return np.stack([total[rows], coverage[rows]])

    def at_once(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """See VectorStore."""
        return [call() for call in calls]

    def _cosines_of_all(self, table: Table, vector: bytes) -> Scores:
        return cosines(self.rows[table], np.frombuffer(vector, dtype=np.float32))
