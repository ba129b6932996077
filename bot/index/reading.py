"""Opens the build in service and answers what is near to a query."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from bot.chunking import VERSION as CHUNKER
from bot.corpus import corpus_fingerprint
from bot.encoder import Encoder, Vectors, export_name, is_whole, model_identity, open_encoder
from bot.errors import IndexStaleError
from bot.index.matrix import Lexical, Scores, cosines, first, lent
from bot.index.shared import (
    CUTTING,
    FORMAT,
    check_files,
    current_build,
    passages_fingerprint,
    questions_of,
    read_json,
    read_passages,
    read_sentences,
    stems,
    vocabulary,
    write_synced,
)
from bot.records import Document, Span
from bot.remembered import Remembered

log = logging.getLogger(__name__)
CANDIDATES = 50  # per list: ten times what is shown, so that fusion decides and not the cut; not tuned
MEAN_OF = 3  # questions of a section whose mean is a feature
VECTORS = 1024  # queries whose vector is kept, without their text: 1.5 kB each; a conversation searches what was asked before again
ASKED = 8  # vectors whose cosines to every question are kept, 60 kB each: one reply reads them twice


@dataclass(frozen=True, slots=True)
class Features:
    """What the index knows of one candidate passage for one query; each 0 to 1 or a cosine."""

    number: int
    passage: float  # cosine of query and passage
    question: float  # best cosine of query and a question of the passage's section; that of the passage where it has none
    questions: float  # mean of the three best of those
    sentence: float  # best cosine of query and a sentence of the passage
    lexical: float  # BM25 as a share of what a passage holding every query word would get
    coverage: float  # share of the query's words that the passage or its section's questions hold, rare words counting more


class PassageIndex:
    """A build opened for reading. Its arrays never change, so threads may share it."""

    def __init__(self, folder: Path, documents: tuple[Document, ...], encoder: Encoder) -> None:
        self.encoder = encoder
        self._folder = folder
        self.documents = {document.id: document for document in documents}
        self.manifest: dict[str, Any] = read_json(folder / "manifest.json")
        check_files(folder, self.manifest)
        self.passages = read_passages(folder, documents)
        self.questions, self._owners = questions_of(documents, self.passages)
        self._passages, self._questions = lent(folder / "passages.faiss"), lent(folder / "questions.faiss")
        self._sentences: Vectors = np.load(folder / "sentences.npy", allow_pickle=False)  # not mapped: a file cut short would kill the server
        self._sentence_rows = read_sentences(folder, len(self.passages))
        self.vocabulary = vocabulary(self.passages)
        self._lexical = Lexical(folder / "bm25", len(self.passages))
        self._vectors = Remembered(self._encoded, VECTORS)
        self._asked = lru_cache(maxsize=ASKED)(self._cosines_of_questions)

    @property
    def certificate(self) -> dict[str, Any] | None:
        """The abstention certificate measured for this very build; None where there is none yet."""
        path = self._folder / "certificate.json"
        try:
            return read_json(path) if path.is_file() else None
        except IndexStaleError as error:
            log.warning("%s; until then this index has no certificate", error)
            return None

    def keep_certificate(self, claim: dict[str, Any]) -> None:
        """Keep a certificate beside the build it was measured on; it goes when the build goes."""
        write_synced(self._folder / "certificate.json", json.dumps(claim, indent=1))

    @property
    def id(self) -> str:
        """The manifest's id: the same for the same corpus, model and code."""
        return str(self.manifest["id"])

    def vector(self, query: str) -> Vectors:
        """The query's unit vector, shape (dimension,)."""
        return self._vectors(query)

    def candidates(self, query: str, vector: Vectors) -> list[Features]:
        """Features of every passage that one of the three lists puts among its first."""
        lexical, coverage = self._lexical.scores(sorted(set(stems([query])[0])))  # in order: sums of floats differ with it
        passages, asked = cosines(self._passages, vector), self._asked(vector.tobytes())
        numbers = {*first(passages, CANDIDATES), *first(lexical, CANDIDATES)}
        for question in first(asked, CANDIDATES):
            numbers.update(self._owners.passages[question])
        chosen = sorted(numbers)
        sentence = self._nearest_sentences(chosen, vector)
        best = self._best_questions(chosen, asked)
        return [
            Features(
                number=number,
                passage=passage,
                question=best[number][0] if number in best else passage,
                questions=best[number][1] if number in best else passage,
                sentence=sentence.get(number, passage),
                lexical=words,
                coverage=share,
            )
            for number, passage, words, share in zip(chosen, passages[chosen].tolist(), lexical[chosen].tolist(), coverage[chosen].tolist(), strict=True)
        ]

    def similarity(self, number: int, other: int) -> float:
        """Cosine of two passages."""
        return float(self._passages[number] @ self._passages[other])

    def sentence_cosines(self, number: int, vector: Vectors) -> list[tuple[Span, float]]:
        """Each sentence of passage `number` with its cosine to the query."""
        row, spans = self._sentence_rows[number]
        return list(zip(spans, cosines(self._sentences[row : row + len(spans)], vector).tolist(), strict=True))

    def near_questions(self, vector: Vectors, limit: int) -> list[int]:
        """Numbers of the questions nearest to the vector, nearest first."""
        return first(self._asked(vector.tobytes()), limit)

    def section_of(self, question: int) -> tuple[str, int]:
        """(document id, section number) that question `question` belongs to."""
        return self._owners.sections[question]

    def _encoded(self, query: str) -> Vectors:
        vector: Vectors = self.encoder.encode([self.encoder.query_prefix + query])[0]
        vector.flags.writeable = False  # it is lent to every caller
        return vector

    def _cosines_of_questions(self, vector: bytes) -> Scores:
        return cosines(self._questions, np.frombuffer(vector, dtype=np.float32))

    def _nearest_sentences(self, chosen: Sequence[int], vector: Vectors) -> dict[int, float]:
        """Of each chosen passage with sentences: the cosine of the nearest."""
        rows = [(number, self._sentence_rows[number][0], len(self._sentence_rows[number][1])) for number in chosen]
        rows = [(number, row, count) for number, row, count in rows if count]
        if not rows:
            return {}
        near = cosines(np.concatenate([self._sentences[row : row + count] for _, row, count in rows]), vector)
        begins = np.cumsum([0, *(count for _, _, count in rows[:-1])])
        return dict(zip((number for number, _, _ in rows), np.maximum.reduceat(near, begins).tolist(), strict=True))

    def _best_questions(self, chosen: Sequence[int], asked: Scores) -> dict[int, tuple[float, float]]:
        """Of each chosen passage whose section has questions: the best cosine of one of them, and the mean of the best three."""
        found: dict[int, tuple[float, float]] = {}
        for number in chosen:
            passage = self.passages[number]
            rows = self._owners.ranges.get((passage.document_id, passage.section))
            if rows:
                best = sorted(asked[rows.start : rows.stop].tolist(), reverse=True)[:MEAN_OF]
                found[number] = best[0], sum(best) / len(best)
        return found


def open_index(folder: Path, documents: tuple[Document, ...], model: str) -> PassageIndex:
    """The build in service. IndexMissingError when there is none, IndexStaleError naming what changed since or what is damaged."""
    try:
        return _opened(folder, documents, model)
    except (AttributeError, EOFError, IndexError, KeyError, OSError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        told = f"the index in {folder} is damaged or was replaced while it was opened ({type(error).__name__})"
        raise IndexStaleError(f"{told}; run: python -m bot build --force") from error


def _opened(folder: Path, documents: tuple[Document, ...], model: str) -> PassageIndex:
    build = current_build(folder)
    manifest = read_json(build / "manifest.json")
    name, _, identity = model_identity(model)
    changed = []
    cutters = {name: version(name) for name in CUTTING}
    if manifest.get("format") != FORMAT or manifest.get("chunker") != CHUNKER or not cutters.items() <= manifest.get("libraries", {}).items():
        changed.append("the code that builds it")
    if manifest.get("encoder", {}).get("identity") != identity:
        changed.append(f"the model (now {name})")
    elif manifest["encoder"]["folder"] != export_name(identity):
        changed.append("the way the model is exported")
    if manifest.get("corpus") != corpus_fingerprint(documents):
        changed.append(_changed_documents(manifest, documents))
    if changed:
        raise IndexStaleError(f"the index is older than {' and '.join(changed)}; run: python -m bot build")
    exported = folder / Path(manifest["encoder"]["folder"]).name
    if not is_whole(exported):
        raise IndexStaleError(f"the exported encoder {exported} is missing or was changed; run: python -m bot build --force")
    encoder = open_encoder(exported, model)
    index = PassageIndex(build, documents, encoder)
    if manifest["passages_sha256"] != passages_fingerprint(index.passages):
        raise IndexStaleError("the passages are cut differently now; run: python -m bot build")
    return index


def _changed_documents(manifest: dict[str, Any], documents: tuple[Document, ...]) -> str:
    then, now = manifest.get("documents", {}), {document.id: document.sha256 for document in documents}
    names = sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))
    return f"the corpus ({', '.join(names[:5]) or 'references.json'}{' …' if len(names) > 5 else ''})"
