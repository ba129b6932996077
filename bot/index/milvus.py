"""The same numbers on a Milvus server: a versioned collection a table, read by the build they were loaded from.

    kratom_faq                              alias: the passages of the build in service; moving it is the one step that puts a build in service
    kratom_faq_<build>_<load>_passages      row, card, vector, bm25      <build>: the manifest's id; <load>: one run of `load_build`
    kratom_faq_<build>_<load>_questions     row, card, vector
    kratom_faq_<build>_<load>_sentences     row, vector                   read by row, never searched

Only rows, card numbers, vectors and BM25 scores are there: no text, and no word (a stem is the number of its column).
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bot.encoder import Vectors
from bot.errors import SettingsError, StoreError
from bot.index.matrix import Scores, Words
from bot.index.store import TABLES, Among, Cards, Numbers, T, Table
from bot.settings import PREFIX

WAIT = 10.0  # seconds for one answer, at most; a reply may take 30 and asks several times, but after one failure no more for a while
REST = 5.0  # seconds without a new try after a failure, so that the fixed texts come at once while a server is away
TIES = 16  # rows asked for beyond the limit: at its edge the server picks of equals any, we the lowest numbers
ROWS = 8192  # at most in one call; Milvus gives 16,384
KEPT = 4096  # passage vectors kept, 1.5 kB each: those of one reply are compared with each other
ID = 16  # digits of the manifest's id in a collection's name
NOT_LOADED = 101  # Milvus's code
NOT_FOUND = 100
EF = 256  # of HNSW: five times what is asked for, and never less than that, which Milvus refuses; the flat index takes no notice
TOKEN = f"{PREFIX}MILVUS_TOKEN"  # environment only: no settings file, no log and no page ever holds it


@dataclass(frozen=True, slots=True)
class Place:
    """A Milvus server and the alias under which a FAQ lies there."""

    uri: str
    alias: str

    def __post_init__(self) -> None:
        if not self.uri:
            raise SettingsError(f"store is 'milvus', but milvus_uri is empty; set {PREFIX}MILVUS_URI, for example to http://localhost:19530")
        if "@" in self.uri:  # not repeated: it may hold a password
            raise SettingsError(f"milvus_uri holds a name or a password; put it into {TOKEN} as user:password, and leave it out of the address")
        if not re.fullmatch(r"[A-Za-z_]\w{0,99}", self.alias, re.ASCII):
            raise SettingsError(f"milvus_alias={self.alias!r} is no name for a collection; give letters, digits and underscores")

    def collections(self, run: str) -> dict[Table, str]:
        """The collection of each table that one load made."""
        return {table: f"{self.alias}_{run}_{table}" for table in TABLES}

    def run_of(self, collection: str) -> str | None:
        """The load, `<build>_<load>`, that a collection belongs to; None for one that is not ours."""
        ours = re.fullmatch(rf"{re.escape(self.alias)}_([0-9a-f]{{{ID}}}_[0-9a-f]{{8}})_(?:{'|'.join(TABLES)})", collection)
        return ours.group(1) if ours else None

    def connected(self) -> Any:
        """A pymilvus client. SettingsError where pymilvus is missing, StoreError where nobody answers."""
        try:
            from pymilvus import MilvusClient
        except ImportError as error:
            raise SettingsError("store is 'milvus', but pymilvus is not installed; run: pip install 'kratom-faq[milvus]'") from error
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # what fails is told once, by StoreError
        with self.told():
            return MilvusClient(uri=self.uri, token=os.environ.get(TOKEN, ""), timeout=WAIT)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Whatever the client raises becomes a StoreError in words."""
        import grpc
        from pymilvus.exceptions import MilvusException

        try:
            yield
        except (MilvusException, grpc.RpcError, OSError, ValueError) as error:
            code = error.code() if isinstance(error, grpc.Call) else getattr(error, "code", "")
            told = f"the Milvus server at {self.uri} does not answer as it should ({type(error).__name__} {code})"
            raise StoreError(f"{told}; start it, or set {PREFIX}MILVUS_URI and {TOKEN}, then run: python -m bot doctor") from error

    def in_service(self, client: Any) -> str | None:
        """The load that the alias names; None where there is none."""
        with self.told():
            if self.alias not in client.list_aliases().get("aliases", []) and not client.has_collection(self.alias):
                return None
            return self.run_of(client.describe_alias(self.alias)["collection_name"])


class MilvusStore:
    """A build on a server. Reads the collections of its own build by name, so a rebuild changes nothing under a running process."""

    def __init__(self, place: Place, folder: Path, manifest: dict[str, Any], cards: Cards) -> None:  # noqa: ARG002  # every store is opened with the cards
        self._place, self._client = place, place.connected()
        self._passages = manifest["counts"]["passages"]
        self._words = Words(folder / "bm25", self._passages)
        self._build = manifest["id"][:ID]
        self._collections = self._in_service()
        self._pool = ThreadPoolExecutor(4)  # as many calls as `candidates` makes side by side
        self._kept: dict[int, Vectors] = {}
        self._away_until = 0.0

    def nearest(self, table: Table, vector: Vectors, limit: int, among: Among | None = None) -> list[int]:
        """See VectorStore."""
        return [row for row, _ in self._search(table, "vector", vector, limit + TIES, among)][:limit]

    def cosines(self, table: Table, rows: Numbers, vector: Vectors) -> Scores:
        """See VectorStore."""
        wanted = rows.tolist()
        if table == "passages":  # compared with each other afterwards, so their vectors are fetched
            return np.array([one @ vector for one in self._vectors(wanted)], dtype=np.float32)
        found: dict[int, float] = {}
        for begin in range(0, len(wanted), ROWS):
            part = wanted[begin : begin + ROWS]
            found.update(self._search(table, "vector", vector, len(part), rows=part))
        missing = [row for row in wanted if row not in found]  # an approximate index may pass some over
        found.update({row: float(one @ vector) for row, one in self._get(table, missing, "vector").items()})
        return np.array([found[row] for row in wanted], dtype=np.float32)

    def similarity(self, number: int, other: int) -> float:
        """See VectorStore."""
        one, two = self._vectors([number, other])
        return float(one @ two)

    def worded(self, words: Sequence[str], limit: int, among: Among | None = None) -> list[int]:
        """See VectorStore."""
        asked = {column + 1: 1.0 for column, _ in self._words.columns(words)}
        found = [row for row, _ in self._search("passages", "bm25", asked, limit + TIES, among)][:limit] if asked else []
        known, free = set(found), range(self._passages) if among is None else np.flatnonzero(among.passages).tolist()
        lowest = (row for row in free if row not in known)
        return [*found, *islice(lowest, limit - len(found))]

    def lexical(self, words: Sequence[str], rows: Numbers) -> Scores:
        """See VectorStore."""
        columns, best = self._words.columns(words), np.float32(self._words.best(words) or 1)
        told = np.zeros((2, len(rows)), dtype=np.float32)
        held = self._get("passages", rows.tolist() if columns else [], "bm25")
        for place, row in enumerate(rows.tolist()):
            for column, share in columns:
                score = held[row].get(column + 1)
                if score is not None:
                    told[:, place] += score, share
        told[0] /= best
        return told

    def at_once(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """See VectorStore."""
        return list(self._pool.map(lambda call: call(), calls))

    def _in_service(self) -> dict[Table, str]:
        """The collections of this build that the alias names. StoreError where it names another build or none."""
        run = self._place.in_service(self._client)
        if run is None or not run.startswith(self._build):
            held = f"holds build {run[:ID]}" if run else f"holds no index under the name '{self._place.alias}'"
            told = f"the Milvus server at {self._place.uri} {held}, index/ holds build {self._build}"
            raise StoreError(f"{told}; load it with: python -m bot build (or copy the index/ folder that was built last)")
        return self._place.collections(run)

    def _vectors(self, rows: Sequence[int]) -> list[Vectors]:
        """Vectors of passages, those not seen lately fetched in one call."""
        known = {row: self._kept[row] for row in rows if row in self._kept}
        known |= self._get("passages", [row for row in rows if row not in known], "vector")
        if len(self._kept) > KEPT:
            self._kept = {}  # a new one: another thread may be reading the old
        self._kept.update(known)
        return [known[row] for row in rows]

    def _search(
        self, table: Table, field: str, asked: Any, limit: int, among: Among | None = None, rows: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        """(row, inner product), highest first, of equals the lower row."""
        cards = None if among is None else among.cards if table == "passages" else among.sets
        if cards is not None and not cards:
            return []
        chosen = f"card in {list(cards)}" if cards else f"row in {list(rows)}" if rows else ""
        how = {"metric_type": "IP", "params": {"ef": max(EF, limit)}}
        [hits] = self._ask("search", table, data=[asked], anns_field=field, limit=limit, filter=chosen, output_fields=["row"], search_params=how)
        return sorted(zip(hits.ids, hits.distances, strict=True), key=lambda hit: (-hit[1], hit[0]))

    def _get(self, table: Table, rows: Sequence[int], field: str) -> dict[int, Any]:
        """A field of the rows: vectors as arrays, BM25 as {column + 1: score}."""
        found: dict[int, Any] = {}
        for begin in range(0, len(rows), ROWS):
            part = list(rows[begin : begin + ROWS])
            for entry in self._ask("get", table, ids=part, output_fields=["row", field]):
                found[entry["row"]] = np.asarray(entry[field], dtype=np.float32) if field == "vector" else entry[field]
        if len(found) < len(set(rows)):
            raise StoreError(f"the Milvus server at {self._place.uri} lacks rows of this build; load it again with: python -m bot build --force")
        return found

    def _ask(self, call: str, table: Table, **given: Any) -> Any:
        if time.monotonic() < self._away_until:
            told = f"the Milvus server at {self._place.uri} did not answer just now; the next try is in {REST:.0f} seconds"
            raise StoreError(f"{told}; if it stays so, run: python -m bot doctor")
        try:
            with self._place.told():
                return self._answer(call, table, given)
        except StoreError:
            self._away_until = time.monotonic() + REST
            raise

    def _answer(self, call: str, table: Table, given: dict[str, Any]) -> Any:
        """The server's answer; one that was restarted is told to load the collection, one to which this build was loaded again is asked where it is now."""
        from pymilvus.exceptions import MilvusException

        try:
            return getattr(self._client, call)(self._collections[table], timeout=WAIT, **given)
        except MilvusException as error:
            if error.code == NOT_LOADED:
                self._client.load_collection(self._collections[table], timeout=WAIT)
            elif error.code == NOT_FOUND:  # two forced loads have dropped what was read here
                self._collections = self._in_service()
            else:
                raise
            return getattr(self._client, call)(self._collections[table], timeout=WAIT, **given)
