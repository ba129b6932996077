"""Arithmetic over the index's arrays: every cosine of a query in one pass, the nearest rows, BM25 by column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from bot.encoder import Vectors

Scores = npt.NDArray[np.float32]


def lent(path: Path) -> Vectors:
    """The vectors of a FAISS flat index, shape (n, dimension), without a copy. Read, not mapped: a mapped file cut short would kill the server."""
    index = faiss.read_index(str(path))
    count, dimension = index.ntotal, index.d
    if not count:
        return np.zeros((0, dimension), dtype=np.float32)
    return np.asarray(Rows(index, (count, dimension)))


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


def first(scores: Scores, limit: int) -> list[int]:
    """Numbers of the `limit` highest scores, highest first; of equals the lower number."""
    if len(scores) > limit:
        least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        numbers = np.flatnonzero(scores >= least)
    else:
        numbers = np.arange(len(scores))
    return [int(number) for number in numbers[np.argsort(-scores[numbers], kind="stable")][:limit]]


class Lexical:
    """The BM25 scores that bm25s saved, read without it: `import bm25s` brings scipy."""

    def __init__(self, folder: Path, passages: int) -> None:
        self._passages = passages
        self._scores: Scores = np.load(folder / "data.csc.index.npy", allow_pickle=False)
        self._numbers: npt.NDArray[np.int32] = np.load(folder / "indices.csc.index.npy", allow_pickle=False)
        self._columns: list[int] = np.load(folder / "indptr.csc.index.npy", allow_pickle=False).tolist()
        self._words: dict[str, int] = json.loads((folder / "vocab.index.json").read_text("utf-8"))

    def scores(self, words: list[str]) -> tuple[Scores, Scores]:
        """(BM25, coverage) of every passage for distinct stems, each as a share of the best there could be."""
        total, coverage = np.zeros(self._passages, dtype=np.float32), np.zeros(self._passages, dtype=np.float32)
        weights = {word: self._idf(word) for word in words}
        best = sum(weights.values())
        if not best:
            return total, coverage
        for word in words:
            if word in self._words:
                held = self._held(word)
                numbers = self._numbers[held]
                total[numbers] += self._scores[held]  # a passage stands once in a column
                coverage[numbers] += weights[word] / best
        return total / np.float32(best), coverage

    def _held(self, word: str) -> slice:
        column = self._words[word]
        return slice(self._columns[column], self._columns[column + 1])

    def _idf(self, word: str) -> float:
        """Weight of a word, the rarer the higher; of one that no passage holds the highest."""
        held = self._held(word) if word in self._words else slice(0, 0)
        holders = held.stop - held.start
        return float(np.log(1 + (self._passages - holders + 0.5) / (holders + 0.5)))
