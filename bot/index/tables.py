"""The files of a build, written row by row: nothing of a size of the corpus is held but BM25's word numbers.

Table    rows of vectors appended to <name>.faiss (flat) or <name>.npy, their keys to <name>.keys.npy
Words    stems as numbers of a growing vocabulary → bm25/
"""

from __future__ import annotations

import logging
import struct
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from bot.encoder import Vectors
from bot.errors import IndexWriteError
from bot.index.known import KEY, Keys
from bot.index.shared import stems

HEAD = 45  # bytes of a flat FAISS index before its vectors
COUNT, VALUES = 8, 37  # where in it the number of vectors and the number of their values stand, eight bytes each


class Rows:
    """A `.npy` file that grows: numpy leaves room in its header for the count, which is put in at the end. The same bytes as `np.save` of all rows at once."""

    def __init__(self, path: Path, kind: npt.DTypeLike, shape: tuple[int, ...] = ()) -> None:
        self._file: BinaryIO = path.open("wb")
        self._kind, self._shape, self._count = np.dtype(kind), shape, 0
        self._head()

    def add(self, rows: npt.NDArray[Any]) -> None:
        """Append rows."""
        self._file.write(np.ascontiguousarray(rows, dtype=self._kind).data)
        self._count += len(rows)

    def close(self) -> int:
        """Write the count into the header; how many rows there are."""
        self._head()
        self._file.close()
        return self._count

    def drop(self) -> None:
        """Let go of a file that will not be finished."""
        self._file.close()

    def _head(self) -> None:
        self._file.seek(0)
        described = {"descr": np.lib.format.dtype_to_descr(self._kind), "fortran_order": False, "shape": (self._count, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, described)


class Flat:
    """A flat FAISS index that grows in its file: the same bytes as `faiss.write_index`, without all vectors in memory.

    Raises IndexWriteError where this FAISS writes other bytes.
    """

    def __init__(self, path: Path, dimension: int) -> None:
        import faiss

        self._head = bytes(faiss.serialize_index(faiss.IndexFlatIP(dimension)))
        if len(self._head) != HEAD:
            raise IndexWriteError(f"faiss {faiss.__version__} writes flat indexes in another way; run: pip install -r requirements.txt")
        self._dimension, self._count = dimension, 0
        self._file: BinaryIO = path.open("wb")
        self._file.write(self._head)

    def add(self, vectors: Vectors) -> None:
        """Append vectors, shape (n, dimension)."""
        self._file.write(np.ascontiguousarray(vectors, dtype=np.float32).data)
        self._count += len(vectors)

    def close(self) -> int:
        """Write the count into the head; how many vectors there are."""
        for place, number in ((COUNT, self._count), (VALUES, self._count * self._dimension)):
            self._file.seek(place)
            self._file.write(struct.pack("<q", number))
        self._file.close()
        return self._count

    def drop(self) -> None:
        """Let go of a file that will not be finished."""
        self._file.close()


class Table:
    """Vectors and their keys, row by row: `passages` and `questions` as flat indexes, `sentences` as an array."""

    def __init__(self, folder: Path, name: str, dimension: int) -> None:
        self._vectors = Rows(folder / f"{name}.npy", np.float32, (dimension,)) if name == "sentences" else Flat(folder / f"{name}.faiss", dimension)
        self._keys = Rows(folder / f"{name}.keys.npy", KEY)

    def add(self, keys: Keys, vectors: Vectors) -> None:
        """Append rows."""
        self._keys.add(keys)
        self._vectors.add(vectors)

    def close(self) -> int:
        """Finish both files; how many rows there are."""
        self._keys.close()
        return self._vectors.close()

    def drop(self) -> None:
        """Let go of files that will not be finished."""
        self._keys.drop()
        self._vectors.drop()


class Stems:
    """What BM25 reads, as numbers of the words in the order they are first met (a set's order, bm25s's own, differs from process to process)."""

    def __init__(self) -> None:
        self._vocabulary: dict[str, int] = {}
        self._rows: list[array[int]] = []

    def add(self, texts: Sequence[str]) -> None:
        """Append texts."""
        number = self._vocabulary
        self._rows += [array("i", [number.setdefault(word, len(number)) for word in row]) for row in stems(texts)]

    def write(self, folder: Path) -> None:
        """BM25 scores of every word and text, as bm25s saves them: columns of a sparse matrix, and the stems."""
        import bm25s  # and scipy with it; only a build needs them

        logging.getLogger("bm25s").setLevel(logging.WARNING)  # it reports each step at debug level to standard error
        bm25 = bm25s.BM25(method="lucene")
        bm25.index((self._rows, self._vocabulary), show_progress=False)
        bm25.save(str(folder), show_progress=False)
