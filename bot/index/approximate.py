"""Large tables in this process: the nearest rows are looked up approximately, then scored exactly.

    rows up to `exact_up_to` (100,000)   every vector is compared (flat.py)                               1.5 kB a row
    up to GRAPH_UP_TO (2,000,000)        HNSW: a graph over the same vectors                              1.8 kB a row in memory
    above                                IVF-PQ: 48 bytes a row in memory, the exact vectors on disk, of which those looked up are read

The build measures how many of the ten nearest are found, raises the effort until that is LEAST of them, and keeps both in the manifest; a table
for which no effort is enough stays exact. Cosines that reach a person are always exact: only which rows are looked at is approximate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from bot.encoder import Vectors
from bot.index.flat import FlatStore
from bot.index.matrix import Scores, cosines, first, table_of
from bot.index.store import Among, Mask, Numbers, Table

GRAPH_UP_TO = 2_000_000  # rows: 3.6 GB; above it the vectors of a table outgrow a common server's memory (docs/scale-figures.md)
LEAST = 0.99  # of the ten nearest, on average
EFFORTS = {"HNSW": (64, 128, 256, 512, 1024), "IVF-PQ": (16, 32, 64, 128, 256, 512, 1024, 2048)}  # efSearch; nprobe
LINKS, CARE = 32, 80  # of HNSW, a row and while building; 384 dimensions want more than the library's 16
CODE = 48  # bytes a row of IVF-PQ: a byte for eight dimensions
LOOKED_AT = 50  # rows that the index asks for (reading.CANDIDATES), so the measure does too
RESCORED = 10  # of IVF-PQ: rows scored exactly for each that is wanted, since its own scores are rough
TRAINED = 64  # rows a cell from which IVF-PQ learns its cells
SCANNED = 20_000  # rows behind a filter up to which they are simply compared: a graph walks past what a filter hides
ASKED = 200  # queries on which the recall is measured: 2,000 neighbours, so within about half a hundredth
Progress = Callable[[str, int, int], None]
LIBRARY: Any = faiss  # its stubs lack half of what is called here


def write_near(path: Path, vectors: Vectors, queries: Vectors, *, graph: bool) -> dict[str, Any] | None:
    """Write the approximate index of a table; what it is and finds, for the manifest. None, and no file, where it never finds `LEAST` of the ten nearest.

    `vectors`: shape (n, dimension), may be mapped; `queries`: shape (m, dimension), m > 0, unit vectors, not rows of the table.
    """
    kind = "HNSW" if graph else "IVF-PQ"
    near = Near(_graph(vectors) if graph else _cells(vectors), kind, 0)
    exact = [set(first(cosines(vectors, query), 10)) for query in queries]
    for effort in EFFORTS[kind]:
        near.effort = effort
        found = [set(rescored(vectors, near.search(query, LOOKED_AT), query, 10)) for query in queries]
        recall = sum(len(one & other) for one, other in zip(exact, found, strict=True)) / (10 * len(queries))
        if recall >= LEAST:
            LIBRARY.write_index(near.index, str(path), LIBRARY.IO_FLAG_SKIP_STORAGE if graph else 0)
            return {"kind": kind, "effort": effort, "recall@10": round(recall, 4), "queries": len(queries), "rows": len(vectors)}
    return None


def write_all(folder: Path, counts: Mapping[str, int], exact_up_to: int, progress: Progress) -> dict[str, Any]:
    """The approximate indexes of a build's large tables, beside its exact vectors; what the manifest says of them, empty where every table is small.

    `counts`: rows of each table. Its files are mapped, not read: only a graph holds the vectors while it is made.
    """
    sentences: Vectors = np.load(folder / "sentences.npy", mmap_mode="r", allow_pickle=False)
    names: tuple[Table, ...] = ("passages", "questions")
    tables = {name: table_of(folder, name, counts[name], sentences.shape[1]) for name in names if counts[name]}
    told: dict[str, Any] = {}
    for table, vectors in tables.items():
        if len(vectors) > exact_up_to:
            progress(f"graph of {table}", 0, 1)
            others = tables.get("questions" if table == "passages" else "passages", sentences)  # what is asked is near to a question, which would find itself
            asked = np.sort(np.random.default_rng(0).choice(len(others), min(ASKED, len(others)), replace=False))
            made = write_near(folder / f"{table}.near.faiss", vectors, np.ascontiguousarray(others[asked]), graph=len(vectors) <= GRAPH_UP_TO)
            told.update({table: made} if made else {})
            progress(f"graph of {table}", 1, 1)
    return told


class ApproximateStore(FlatStore):
    """A build with at least one table that is looked up approximately. Threads may share it."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        super().__init__(folder, manifest["counts"]["passages"])
        self._near: dict[Table, Near] = {}
        for table, told in manifest["approximate"].items():
            graph = told["kind"] == "HNSW"
            index = LIBRARY.read_index(str(folder / f"{table}.near.faiss"), LIBRARY.IO_FLAG_SKIP_STORAGE if graph else 0)
            if graph:
                index.storage = self.held[table]  # the vectors are held once
            else:
                del self.held[table]
                self.rows[table] = table_of(folder, table, told["rows"], index.d)
            self._near[table] = Near(index, told["kind"], told["effort"])

    def nearest(self, table: Table, vector: Vectors, limit: int, among: Among | None = None) -> list[int]:
        """See VectorStore."""
        if table not in self._near:
            return super().nearest(table, vector, limit, among)
        mask = among.of(table) if among else None
        if mask is not None and np.count_nonzero(mask) <= SCANNED:
            return rescored(self.rows[table], np.flatnonzero(mask), vector, limit)
        return rescored(self.rows[table], self._near[table].search(vector, limit, mask), vector, limit)

    def cosines(self, table: Table, rows: Numbers, vector: Vectors) -> Scores:
        """See VectorStore."""
        return cosines(self.rows[table][rows], vector) if table in self._near else super().cosines(table, rows, vector)


class Near:
    """A FAISS index and how hard it looks."""

    def __init__(self, index: Any, kind: str, effort: int) -> None:
        self.index, self.kind, self.effort = index, kind, effort

    def search(self, vector: Vectors, limit: int, mask: Mask | None = None) -> Numbers:
        """Rows that are probably the nearest of those the mask lets through, at least `limit` where there are as many; without an order."""
        hard = self.effort if mask is None else ceil(self.effort * len(mask) / max(1, int(np.count_nonzero(mask))))  # most of what is met is hidden
        selector = None if mask is None else LIBRARY.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
        if self.kind == "HNSW":
            wanted, parameters = limit, LIBRARY.SearchParametersHNSW(efSearch=min(max(hard, limit), self.index.ntotal), sel=selector)
        else:
            wanted, parameters = limit * RESCORED, LIBRARY.SearchParametersIVF(nprobe=min(hard, self.index.nlist), sel=selector)
        _, [rows] = self.index.search(vector.reshape(1, -1), min(wanted, self.index.ntotal), params=parameters)
        found: Numbers = rows[rows >= 0]
        return found


def rescored(vectors: Vectors, rows: Numbers, vector: Vectors, limit: int) -> list[int]:
    """The `limit` of the rows nearest to the vector by their exact cosines, nearest first, of equals the lower number."""
    rows = np.sort(rows)
    return [int(rows[place]) for place in first(cosines(np.ascontiguousarray(vectors[rows]), vector), limit)]


def _graph(vectors: Vectors) -> Any:
    index = LIBRARY.IndexHNSWFlat(vectors.shape[1], LINKS, LIBRARY.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = CARE
    index.add(vectors)
    return index


def _cells(vectors: Vectors) -> Any:
    count = max(1, int(4 * np.sqrt(len(vectors))))
    index = LIBRARY.IndexIVFPQ(LIBRARY.IndexFlatIP(vectors.shape[1]), vectors.shape[1], count, CODE, 8, LIBRARY.METRIC_INNER_PRODUCT)
    some = np.sort(np.random.default_rng(0).choice(len(vectors), min(len(vectors), max(TRAINED * count, 20_000)), replace=False))
    index.train(np.ascontiguousarray(vectors[some]))
    index.add(vectors)
    return index
