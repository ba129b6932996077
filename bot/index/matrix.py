"""Arithmetic over the index's arrays: every cosine of a query in one pass, the nearest rows, BM25 by column."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from bot.encoder import Vectors

Scores = npt.NDArray[np.float32]


def lent(path: Path) -> Vectors:
    """The vectors of a FAISS flat index, shape (n, dimension). Read, not mapped: a mapped file cut short would kill the server."""
    return rows_of(faiss.read_index(str(path)))


def rows_of(index: Any) -> Vectors:
    """The vectors that a FAISS flat index holds, shape (n, dimension), without a copy."""
    count, dimension = index.ntotal, index.d
    if not count:
        return np.zeros((0, dimension), dtype=np.float32)
    return np.asarray(Rows(index, (count, dimension)))


def mapped(path: Path, count: int, dimension: int) -> Vectors:
    """The vectors of a FAISS flat index too large for memory, shape (n, dimension): they are the end of its file, of which what is looked at is read."""
    return np.memmap(path, dtype="<f4", mode="r", offset=path.stat().st_size - 4 * count * dimension, shape=(count, dimension))


def table_of(folder: Path, name: str, count: int, dimension: int) -> Vectors:
    """A table of a build, mapped, shape (n, dimension), n > 0."""
    if name == "sentences":
        rows: Vectors = np.load(folder / "sentences.npy", mmap_mode="r", allow_pickle=False)
        return rows
    return mapped(folder / f"{name}.faiss", count, dimension)


class Rows:
    """Lends the memory of a FAISS index to numpy, and keeps the index as long as numpy looks at it."""

    def __init__(self, index: Any, shape: tuple[int, int]) -> None:
        self._index = index
        address = int(faiss.rev_swig_ptr(index.get_xb(), shape[0] * shape[1]).ctypes.data)
        self.__array_interface__ = {"shape": shape, "typestr": "<f4", "data": (address, True), "version": 3}


def cosines(rows: Vectors, vector: Vectors) -> Scores:
    """Inner product of each row and the vector, shape (n,). FAISS's own loop on this thread: numpy's would wait for other busy cores."""
    out = np.empty(len(rows), dtype=np.float32)
    if len(rows):
        vector = np.ascontiguousarray(vector, dtype=np.float32)
        faiss.fvec_inner_products_ny(faiss.swig_ptr(out), faiss.swig_ptr(vector), faiss.swig_ptr(rows), rows.shape[1], len(rows))  # type: ignore[attr-defined]  # there, but not in faiss's stubs
    return out


def first(scores: Scores, limit: int, among: npt.NDArray[np.bool_] | None = None) -> list[int]:
    """Numbers of the `limit` highest scores, highest first; of equals the lower number. `among`: whose number may be given, all where it is None."""
    if among is not None:
        admitted = np.flatnonzero(among)
        return [int(admitted[place]) for place in first(scores[admitted], limit)]
    if len(scores) > limit:
        least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        numbers = np.flatnonzero(scores >= least)
    else:
        numbers = np.arange(len(scores))
    return [int(number) for number in numbers[np.argsort(-scores[numbers], kind="stable")][:limit]]


class Words:
    """The stems of a build and how rare each is."""

    def __init__(self, folder: Path, passages: int) -> None:
        self._passages = passages
        self.begins: list[int] = np.load(folder / "indptr.csc.index.npy", allow_pickle=False).tolist()  # one more than there are columns
        self._columns: dict[str, int] = json.loads((folder / "vocab.index.json").read_text("utf-8"))

    def columns(self, words: Sequence[str]) -> list[tuple[int, float]]:
        """Of each word that a passage holds: its column, and its weight as a share of the weight of all words, those that none holds among them."""
        weights = [self._weight(word) for word in words]
        best = sum(weights)
        return [(self._columns[word], weight / best) for word, weight in zip(words, weights, strict=True) if word in self._columns]

    def best(self, words: Sequence[str]) -> float:
        """The weight of all words together: BM25 is told as a share of it. 0 for no words."""
        return sum(self._weight(word) for word in words)

    def held(self, column: int) -> slice:
        """Where the entries of a word stand."""
        return slice(self.begins[column], self.begins[column + 1])

    def _weight(self, word: str) -> float:
        """Weight of a word, the rarer the higher; of one that no passage holds the highest."""
        held = self.held(self._columns[word]) if word in self._columns else slice(0, 0)
        holders = held.stop - held.start
        return float(np.log(1 + (self._passages - holders + 0.5) / (holders + 0.5)))


class Lexical:
    """The BM25 scores that bm25s saved, read without it: `import bm25s` brings scipy."""

    def __init__(self, folder: Path, passages: int) -> None:
        self.passages, self.words = passages, Words(folder, passages)
        self.values: Scores = np.load(folder / "data.csc.index.npy", allow_pickle=False)
        self.numbers: npt.NDArray[np.int32] = np.load(folder / "indices.csc.index.npy", allow_pickle=False)

    def scores(self, words: Sequence[str]) -> tuple[Scores, Scores]:
        """(BM25, coverage) of every passage for distinct stems, each as a share of the best there could be."""
        total, coverage = np.zeros(self.passages, dtype=np.float32), np.zeros(self.passages, dtype=np.float32)
        for column, share in self.words.columns(words):
            held = self.words.held(column)
            numbers = self.numbers[held]
            total[numbers] += self.values[held]  # a passage stands once in a column
            coverage[numbers] += share
        return total / np.float32(self.words.best(words) or 1), coverage
