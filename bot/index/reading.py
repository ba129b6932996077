"""Opens the build in service and answers what is near to a query."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from bot.chunking import VERSION as CHUNKER
from bot.corpus import corpus_fingerprint
from bot.encoder import Encoder, Vectors, export_name, is_whole, model_identity, open_encoder
from bot.errors import IndexStaleError
from bot.index.approximate import ApproximateStore
from bot.index.flat import FlatStore
from bot.index.kept import Kept, keeps, read_claims_kept
from bot.index.matrix import Scores
from bot.index.shared import (
    CUTTING,
    FORMAT,
    Documents,
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
from bot.index.store import Admit, Cards, Numbers, VectorStore
from bot.records import Claim, Document, Span
from bot.remembered import Remembered

log = logging.getLogger(__name__)
CANDIDATES = 50  # per list: ten times what is shown, so that fusion decides and not the cut; not tuned
MEAN_OF = 3  # questions of a section whose mean is a feature
VECTORS = 1024  # queries whose vector is kept, without their text: 1.5 kB each; a conversation searches what was asked before again


OpenStore = Callable[[Path, dict[str, Any], Cards], VectorStore]  # of a build's folder, its manifest and the cards of its passages


def open_local(folder: Path, manifest: dict[str, Any], cards: Cards) -> VectorStore:  # noqa: ARG001  # every store is opened with the cards
    """The arrays of the build itself, in this process."""
    if manifest.get("approximate"):
        return ApproximateStore(folder, manifest)
    return FlatStore(folder, manifest["counts"]["passages"])


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

    def __init__(self, folder: Path, corpus: tuple[Document, ...] | Kept, encoder: Encoder, open_store: OpenStore) -> None:
        documents = corpus.documents if isinstance(corpus, Kept) else corpus
        self.encoder = encoder
        self.folder = folder
        self.documents = {document.id: document for document in documents}
        self.manifest: dict[str, Any] = read_json(folder / "manifest.json")
        check_files(folder, self.manifest)
        self.passages = corpus.passages if isinstance(corpus, Kept) else read_passages(folder, documents)
        self.questions, self._owners = questions_of(documents, self.passages)
        self._sentence_rows = read_sentences(folder, len(self.passages))
        self._sentences_of = Ranges([range(row, row + len(spans)) for row, spans in self._sentence_rows])
        self._questions_of = Ranges([self._owners.ranges[(passage.document_id, passage.section)] for passage in self.passages])
        self.vocabulary = corpus.words if isinstance(corpus, Kept) else vocabulary(self.passages)
        self.cards = Cards(self.passages, self._owners.passages)
        self._store: VectorStore = open_store(folder, self.manifest, self.cards)
        self._vectors = Remembered(self._encoded, VECTORS)

    @property
    def certificate(self) -> dict[str, Any] | None:
        """The abstention certificate measured for this very build; None where there is none yet."""
        path = self.folder / "certificate.json"
        try:
            return read_json(path) if path.is_file() else None
        except IndexStaleError as error:
            log.warning("%s; until then this index has no certificate", error)
            return None

    def keep_certificate(self, claim: dict[str, Any]) -> None:
        """Keep a certificate beside the build it was measured on; it goes when the build goes."""
        write_synced(self.folder / "certificate.json", json.dumps(claim, indent=1))

    @property
    def id(self) -> str:
        """The manifest's id: the same for the same corpus, model and code."""
        return str(self.manifest["id"])

    def vector(self, query: str) -> Vectors:
        """The query's unit vector, shape (dimension,)."""
        return self._vectors(query)

    def candidates(self, query: str, vector: Vectors, admit: Admit | None = None) -> list[Features]:
        """Features of every passage that one of the three lists puts among its first, of those that `admit` lets through by tier, topic, jurisdiction, date."""
        store, words = self._store, sorted(set(stems([query])[0]))  # in order: sums of floats differ with it
        among = self.cards.among(admit) if admit else None
        near, worded, asked = store.at_once(
            [
                lambda: store.nearest("passages", vector, CANDIDATES, among),
                lambda: store.worded(words, CANDIDATES, among),
                lambda: store.nearest("questions", vector, CANDIDATES, among),
            ]
        )
        owned = {number for question in asked for number in self._owners.passages[question]}
        chosen = np.array(sorted({*near, *worded, *(number for number in owned if among is None or among.passages[number])}), dtype=np.int64)
        sentences, questions = self._sentences_of.rows(chosen), self._questions_of.rows(chosen)
        cosines, lexical, inner, asked_for = store.at_once(
            [
                lambda: store.cosines("passages", chosen, vector),
                lambda: store.lexical(words, chosen),
                lambda: store.cosines("sentences", sentences, vector),
                lambda: store.cosines("questions", questions, vector),
            ]
        )
        sentence = self._sentences_of.best(chosen, inner, 1)
        best = self._questions_of.best(chosen, asked_for, MEAN_OF)
        return [
            Features(
                number=number,
                passage=passage,
                question=own[0] if own else passage,
                questions=sum(own) / len(own) if own else passage,
                sentence=said[0] if said else passage,
                lexical=score,
                coverage=share,
            )
            for number, passage, own, said, score, share in zip(chosen.tolist(), cosines.tolist(), best, sentence, *lexical.tolist(), strict=True)
        ]

    def similarity(self, number: int, other: int) -> float:
        """Cosine of two passages."""
        return self._store.similarity(number, other)

    def sentence_cosines(self, number: int, vector: Vectors) -> list[tuple[Span, float]]:
        """Each sentence of passage `number` with its cosine to the query."""
        row, spans = self._sentence_rows[number]
        return list(zip(spans, self._store.cosines("sentences", np.arange(row, row + len(spans)), vector).tolist(), strict=True))

    def near_questions(self, vector: Vectors, limit: int) -> list[int]:
        """Numbers of the questions nearest to the vector, nearest first."""
        return self._store.nearest("questions", vector, limit)

    def section_of(self, question: int) -> tuple[str, int]:
        """(document id, section number) that question `question` belongs to."""
        return self._owners.sections[question]

    def _encoded(self, query: str) -> Vectors:
        vector: Vectors = self.encoder.encode([self.encoder.query_prefix + query])[0]
        vector.flags.writeable = False  # it is lent to every caller
        return vector


class Ranges:
    """Which rows of another table belong to each passage."""

    def __init__(self, ranges: Sequence[range]) -> None:
        self._begins = np.array([one.start for one in ranges], dtype=np.int64)
        self._counts = np.array([len(one) for one in ranges], dtype=np.int64)

    def rows(self, chosen: Numbers) -> Numbers:
        """The rows of the chosen passages, one passage after the other."""
        counts = self._counts[chosen]
        ends = np.cumsum(counts)
        shifts = self._begins[chosen] - (ends - counts)
        return np.repeat(shifts, counts) + np.arange(counts.sum())

    def best(self, chosen: Numbers, scores: Scores, limit: int) -> list[list[float]]:
        """Of each chosen passage the highest `limit` of its rows' scores, which stand as `rows` gave them; none where it has no rows."""
        found, values, begin = [], scores.tolist(), 0
        for count in self._counts[chosen].tolist():
            found.append(sorted(values[begin : begin + count], reverse=True)[:limit])
            begin += count
        return found


def open_index(folder: Path, corpus: tuple[Document, ...] | Kept, model: str, open_store: OpenStore = open_local) -> PassageIndex:
    """The build in service, with its documents or what it keeps of them. IndexMissingError when there is none, IndexStaleError naming what changed
    since or what is damaged."""
    try:
        return _opened(folder, corpus, model, open_store)
    except (AttributeError, EOFError, IndexError, KeyError, OSError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        told = f"the index in {folder} is damaged or was replaced while it was opened ({type(error).__name__})"
        raise IndexStaleError(f"{told}; run: python -m bot build --force") from error


def _opened(folder: Path, corpus: tuple[Document, ...] | Kept, model: str, open_store: OpenStore) -> PassageIndex:
    build, exported = _fitting(folder, corpus.documents if isinstance(corpus, Kept) else corpus, model)
    index = PassageIndex(build, corpus, open_encoder(exported, model), open_store)
    if index.manifest["passages_sha256"] != passages_fingerprint(index.passages):
        raise IndexStaleError("the passages are cut differently now; run: python -m bot build")
    return index


def check_index(folder: Path, documents: Documents, model: str, claims: Sequence[Claim] | None = None) -> None:
    """As `open_index`, but opens nothing: every file of the build in service is whole and made for these documents, this model and this code.

    `claims`: those that a build which keeps its corpus must keep too.
    """
    try:
        build, _ = _fitting(folder, documents, model)
        manifest = read_json(build / "manifest.json")
        check_files(build, manifest)
        if missing := [name for name in manifest["files"] if not (build / name).is_file()]:
            raise IndexStaleError(f"{build / missing[0]} is missing or was changed; run: python -m bot build --force")
        if claims is not None and keeps(build) and read_claims_kept(build) != tuple(claims):
            raise IndexStaleError("the index is older than claims.yaml; run: python -m bot build")
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise IndexStaleError(f"the index in {folder} is damaged ({type(error).__name__}); run: python -m bot build --force") from error


def _fitting(folder: Path, documents: Documents, model: str) -> tuple[Path, Path]:
    """The folders of the build in service and of its encoder. IndexFolderError where they do not fit."""
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
    return build, exported


def _changed_documents(manifest: dict[str, Any], documents: Documents) -> str:
    then, now = manifest.get("documents", {}), {document.id: document.sha256 for document in documents}
    names = sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))
    return f"the corpus ({', '.join(names[:5]) or 'references.json'}{' …' if len(names) > 5 else ''})"
