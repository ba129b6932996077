"""Writes the files of a build, a window of documents after the other.

Document ─cut→ passages, questions, sentences ─window→ texts ─Making→ vectors ─Table→ files        (and stems ─Stems→ bm25/)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from bot.chunking import context_header, cut, encoded_text, sentences
from bot.citations import plain
from bot.corpus import document_line
from bot.encoder import Encoder, Vectors
from bot.errors import IndexFolderError
from bot.index.kept import Keeping
from bot.index.known import KEY, Keys, Known, Shards, keys_of
from bot.index.shared import Documents, Progress, lexical_texts, passage_line
from bot.index.store import TABLES
from bot.index.tables import Rows, Stems, Table
from bot.index.workers import Encode
from bot.records import Claim, Document, Passage, Span

CHUNK = 256  # texts encoded at once; of like length, so that little of a batch is padding
SHARD = 16  # chunks in a file of vectors: what a killed build loses at most, 4,096 texts or half a minute of two cores
WINDOW = 65_536  # texts cut and encoded together: about 100 MB, and long enough that sorting them by length pays


@dataclass(frozen=True, slots=True)
class Cut:
    """A document, its passages, and the sentences of each."""

    document: Document
    passages: tuple[Passage, ...]
    sentences: list[list[Span]]

    @property
    def texts(self) -> dict[str, list[str]]:
        """What is encoded for each table, in order."""
        inner = [(passage, span) for passage, spans in zip(self.passages, self.sentences, strict=True) for span in spans]
        return {
            "passages": [encoded_text(passage) for passage in self.passages],
            "questions": [question for section in self.document.sections for question in section.questions],
            "sentences": [context_header(passage.title, passage.heading) + plain(passage.text[span.start : span.end]) for passage, span in inner],
        }


@dataclass(frozen=True, slots=True)
class Making:
    """Where the vectors of a build come from: the build in service, shards of a killed build, or the encoder."""

    known: Known
    shards: Shards
    encode: Encode
    dimension: int

    def vectors(self, texts: Sequence[str], keys: Keys, told: Callable[[int, int], None]) -> Vectors:
        """Vectors of `texts` in order, shape (n, dimension); of those that are new each once, by length. `told`: how many are made, of how many."""
        out, places = np.empty((len(texts), self.dimension), dtype=np.float32), self.known.find(keys)
        here = np.flatnonzero(places >= 0)
        self.known.take(places[here], out, here)
        new = np.flatnonzero(places < 0)
        if len(new):
            self._make(sorted({keys[row]: texts[row] for row in new.tolist()}.items(), key=lambda entry: len(entry[1])), told)
            self.shards.take(self.shards.find(keys[new]), out, new)
        return out

    def _make(self, fresh: list[tuple[bytes, str]], told: Callable[[int, int], None]) -> None:
        """Encode what no shard holds, in the same chunks whether a build was killed before or not: which texts share a batch moves a vector by 1e-7."""
        chunks = [dict(fresh[start : start + CHUNK]) for start in range(0, len(fresh), CHUNK)]
        places = self.shards.find(np.array([key for key, _ in fresh], dtype=KEY))
        missing = {key for (key, _), place in zip(fresh, places.tolist(), strict=True) if place < 0}
        chunks = [{key: text for key, text in chunk.items() if key in missing} for chunk in chunks if not missing.isdisjoint(chunk)]
        done = len(fresh) - len(missing)
        told(done, len(fresh))
        keys: list[bytes] = []
        made: list[Vectors] = []
        for number, (chunk, vectors) in enumerate(zip(chunks, self.encode([list(chunk.values()) for chunk in chunks]), strict=True), start=1):
            keys += chunk
            made.append(vectors)
            if number % SHARD == 0 or number == len(chunks):
                self.shards.keep(np.array(keys, dtype=KEY), np.concatenate(made))
                keys, made = [], []
            done += len(chunk)
            told(done, len(fresh))


def windows(documents: Documents, encoder: Encoder) -> Iterator[list[Cut]]:
    """The documents, cut, so many at a time that their texts fill a window."""
    window: list[Cut] = []
    count = 0
    for document in documents:
        passages = cut(document, encoder.count_tokens, encoder.max_tokens)
        window.append(Cut(document, passages, [sentences(passage.text) for passage in passages]))
        count += len(passages) + sum(map(len, window[-1].sentences)) + sum(len(section.questions) for section in document.sections)
        if count >= WINDOW:
            yield window
            window, count = [], 0
    yield window


class Writer:
    """The files of a build while they grow, and what its manifest will say of them."""

    def __init__(self, work: Path, making: Making) -> None:
        self._making, self._converted = making, work.parent / "converted"
        self._tables = {name: Table(work, name, making.dimension) for name in TABLES}
        self._places, self._inner = Rows(work / "passages.npy", np.int32, (4,)), Rows(work / "sentences.places.npy", np.int32, (3,))
        self._words, self._folder = Stems(), work / "bm25"
        self._keeping = Keeping(work)
        self._corpus, self._passages = hashlib.sha256(), hashlib.sha256()
        self._documents: dict[str, str] = {}
        self._count = 0  # passages
        self._made: dict[str, int] = dict.fromkeys(TABLES, 0)

    def add(self, window: list[Cut], progress: Progress, total: int) -> None:
        """Encode and append a window; `total`: documents of the corpus, from which the share that is done is told."""
        for part in window:
            self._place(part)
        share = min(1.0, len(self._documents) / max(total, 1))
        every = [part.texts for part in window]
        for name, table in self._tables.items():
            texts = [text for part in every for text in part[name]]
            keys, before = keys_of(texts), self._made[name]

            def told(done: int, fresh: int, name: str = name, before: int = before) -> None:
                self._made[name] = before + done
                progress(f"encoding {name}", before + done, math.ceil((before + fresh) / share))

            if before:
                told(0, 0)  # what was an estimate becomes a count
            table.add(keys, self._making.vectors(texts, keys, told))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for table in self._tables.values():
            table.drop()
        for places in (self._places, self._inner):
            places.drop()
        self._keeping.drop()

    def close(self, claims: Sequence[Claim] = ()) -> dict[str, Any]:
        """Finish every file; the manifest's part about them. IndexFolderError where there is no passage."""
        counts: dict[str, int] = {"documents": len(self._documents), **{str(name): table.close() for name, table in self._tables.items()}}
        self._places.close()
        self._inner.close()
        if not self._count:
            raise IndexFolderError("the corpus holds no passage, so there is nothing to search; add a document to corpus/")
        self._words.write(self._folder)
        self._keeping.close(claims)
        return {
            "corpus": self._corpus.hexdigest(),
            "documents": self._documents,
            "passages_sha256": self._passages.hexdigest(),
            "counts": counts,
        }

    def _place(self, part: Cut) -> None:
        """Note a document, where its passages and sentences stand, and their words."""
        document, number = part.document, len(self._documents)
        _keep_converted(self._converted, document)
        self._documents[document.id] = document.sha256
        self._corpus.update(document_line(document))
        for passage in part.passages:
            self._passages.update(passage_line(document.id, passage.start, passage.end))
        rows = [(number, passage.section, passage.start, passage.end) for passage in part.passages]
        inner = [
            (self._count + row, passage.start + span.start, passage.start + span.end)
            for row, (passage, spans) in enumerate(zip(part.passages, part.sentences, strict=True))
            for span in spans
        ]
        self._places.add(np.array(rows, dtype=np.int32).reshape(-1, 4))
        self._inner.add(np.array(inner, dtype=np.int32).reshape(-1, 3))
        self._words.add(lexical_texts([document], part.passages))
        self._keeping.add(document, part.passages)
        self._count += len(part.passages)


def _keep_converted(folder: Path, document: Document) -> None:
    """The text of a file that is not Markdown, so that a receipt can be checked without converting it again."""
    if document.converted:
        folder.mkdir(exist_ok=True)
        (folder / f"{document.sha256}.txt").write_text(document.text, "utf-8", newline="")
