"""A finished build onto a Milvus server: new collections beside those in service, counted, then the alias moved in one step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bot.encoder import Vectors
from bot.errors import StoreError
from bot.index.matrix import Lexical, lent
from bot.index.milvus import ID, Place
from bot.index.store import Cards, Table

BATCH = 2000  # rows a call: 3 MB of vectors, far below Milvus's limit of 64
PATIENCE = 600.0  # seconds for one step of a load: an index over millions of rows takes its time
EMPTY = {0: 1.0}  # of a passage without a word: Milvus takes no empty vector, and no word has column 0

Report = Callable[[str, int, int], None]


def load_build(place: Place, folder: Path, manifest: dict[str, Any], cards: Cards, flat_up_to: int, progress: Report, *, force: bool = False) -> bool:
    """Load a build and put it in service; False when the alias names it already, unless `force`. Raises StoreError; then what served still does.

    The load that served before stays for the processes that read it, until the next one; older ones and those of killed loads are dropped.
    """
    client = place.connected()
    serving = place.in_service(client)
    if serving and serving.startswith(manifest["id"][:ID]) and not force:
        return False
    run = f"{manifest['id'][:ID]}_{os.urandom(4).hex()}"
    _sweep(place, client, {serving})
    for table, collection in place.collections(run).items():
        rows = _Rows(folder, manifest, cards, table)  # a damaged file is no fault of the server's
        with place.told():
            create(client, collection, table, rows.vectors.shape[1], exact=len(rows.vectors) <= flat_up_to or table == "sentences")
            for begin in range(0, len(rows.vectors), BATCH):
                client.insert(collection, rows.batch(begin), timeout=PATIENCE)
                progress(f"loading {table}", min(begin + BATCH, len(rows.vectors)), len(rows.vectors))
            client.flush(collection, timeout=PATIENCE)
            client.load_collection(collection, timeout=PATIENCE)
            _counted(client, collection, len(rows.vectors))
    target = place.collections(run)["passages"]
    with place.told():
        if serving:
            client.alter_alias(target, place.alias, timeout=PATIENCE)
        else:
            client.create_alias(target, place.alias, timeout=PATIENCE)
    _sweep(place, client, {run, serving})
    return True


class _Rows:
    """The rows of a table as a build's files hold them, ready to be sent."""

    def __init__(self, folder: Path, manifest: dict[str, Any], cards: Cards, table: Table) -> None:
        sentences = table == "sentences"
        self.vectors: Vectors = np.load(folder / "sentences.npy", mmap_mode="r", allow_pickle=False) if sentences else lent(folder / f"{table}.faiss")
        self._cards: Sequence[int] = cards.of_passages().tolist() if table == "passages" else [] if sentences else cards.of_questions().tolist()
        self._words = _by_passage(Lexical(folder / "bm25", manifest["counts"]["passages"])) if table == "passages" else None

    def batch(self, begin: int) -> list[dict[str, Any]]:
        """`BATCH` rows from `begin` on; batches are asked for in order, each once."""
        rows = []
        for row in range(begin, min(begin + BATCH, len(self.vectors))):
            entry: dict[str, Any] = {"row": row, "vector": self.vectors[row]}
            if self._cards:
                entry["card"] = self._cards[row]
            if self._words:
                entry["bm25"] = next(self._words)
            rows.append(entry)
        return rows


def _by_passage(lexical: Lexical) -> Iterator[dict[int, float]]:
    """Of each passage: {column + 1: BM25}. The same scores as in the columns of the build, so their sum over a query's words is the same too."""
    columns = np.repeat(np.arange(1, len(lexical.words.begins)), np.diff(lexical.words.begins))
    order = np.argsort(lexical.numbers, kind="stable")
    ends = np.cumsum(np.bincount(lexical.numbers, minlength=lexical.passages))
    columns, values = columns[order], lexical.values[order]
    for begin, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        yield dict(zip(columns[begin:end].tolist(), values[begin:end].tolist(), strict=True)) or EMPTY


def create(client: Any, collection: str, table: Table, dimension: int, *, exact: bool) -> None:
    """An empty collection for a table, with its indexes: FLAT where `exact`, else HNSW."""
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("row", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    index = client.prepare_index_params()
    if exact:
        index.add_index("vector", index_type="FLAT", metric_type="IP")
    else:
        index.add_index("vector", index_type="HNSW", metric_type="IP", params={"M": 32, "efConstruction": 200})
    if table != "sentences":
        schema.add_field("card", DataType.INT64)
        index.add_index("card", index_type="INVERTED")
    if table == "passages":
        schema.add_field("bm25", DataType.SPARSE_FLOAT_VECTOR)
        index.add_index("bm25", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    client.create_collection(collection, schema=schema, index_params=index, consistency_level="Bounded", timeout=PATIENCE)


def _counted(client: Any, collection: str, rows: int) -> None:
    [told] = client.query(collection, filter="", output_fields=["count(*)"], consistency_level="Strong", timeout=PATIENCE)
    if told["count(*)"] != rows:
        raise StoreError(f"{collection} holds {told['count(*)']} rows after {rows} were loaded; what served before still does. Run: python -m bot build")


def _sweep(place: Place, client: Any, keep: set[str | None]) -> None:
    """Drop the collections of every load but those to keep; what the alias names is never dropped."""
    with place.told():
        for collection in client.list_collections():
            run = place.run_of(collection)
            if run and run not in keep and run != place.in_service(client):
                client.drop_collection(collection, timeout=PATIENCE)
