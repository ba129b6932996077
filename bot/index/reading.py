"""Opens the build in service and answers what is near to a query."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bm25s
import faiss
import numpy as np
import numpy.typing as npt

from bot.chunking import VERSION as CHUNKER
from bot.corpus import corpus_fingerprint
from bot.encoder import Encoder, OnnxEncoder, Vectors, is_whole, model_identity
from bot.errors import IndexStaleError
from bot.index.shared import (
    CANDIDATES,
    FORMAT,
    check_files,
    current_build,
    cut_all,
    nearest,
    passages_fingerprint,
    questions_of,
    read_json,
    sentence_rows,
    stems,
    vocabulary,
    write_synced,
)
from bot.records import Document, Span

log = logging.getLogger(__name__)
Scores = npt.NDArray[np.float32]


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
        self.passages = cut_all(documents, encoder)
        self.questions, self._owners = questions_of(documents, self.passages)
        self.manifest: dict[str, Any] = read_json(folder / "manifest.json")
        check_files(folder, self.manifest)
        self._passages = faiss.read_index(str(folder / "passages.faiss"))
        self._questions = faiss.read_index(str(folder / "questions.faiss"))
        self._sentences = np.load(folder / "sentences.npy", allow_pickle=False)  # not mapped: a file cut short would kill the server
        self._sentence_rows = sentence_rows(self.passages)
        self.vocabulary = vocabulary(self.passages)
        self._bm25 = bm25s.BM25.load(str(folder / "bm25"), show_progress=False, allow_pickle=False)

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
        vector: Vectors = self.encoder.encode([self.encoder.query_prefix + query])[0]
        return vector

    def candidates(self, query: str, vector: Vectors) -> list[Features]:
        """Features of every passage that one of the three lists puts among its first."""
        lexical, coverage = self._lexical(query)
        numbers = set(nearest(self._passages, vector)) | set(np.argsort(-lexical)[:CANDIDATES].tolist())
        for question in nearest(self._questions, vector):
            numbers.update(self._owners.passages[question])
        chosen = np.array(sorted(numbers))
        passages = self._passages.reconstruct_batch(chosen) @ vector
        return [
            Features(
                number=int(number),
                passage=float(passage),
                **self._asked(int(number), vector, float(passage)),
                sentence=max((cosine for _, cosine in self.sentence_cosines(int(number), vector)), default=float(passage)),
                lexical=float(lexical[number]),
                coverage=float(coverage[number]),
            )
            for number, passage in zip(chosen, passages, strict=True)
        ]

    def similarity(self, number: int, other: int) -> float:
        """Cosine of two passages."""
        return float(self._passages.reconstruct(number) @ self._passages.reconstruct(other))

    def sentence_cosines(self, number: int, vector: Vectors) -> list[tuple[Span, float]]:
        """Each sentence of passage `number` with its cosine to the query."""
        first, spans = self._sentence_rows[number]
        cosines = self._sentences[first : first + len(spans)] @ vector
        return list(zip(spans, cosines.tolist(), strict=True))

    def near_questions(self, vector: Vectors, limit: int) -> list[int]:
        """Numbers of the questions nearest to the vector, nearest first."""
        return nearest(self._questions, vector, limit)

    def section_of(self, question: int) -> tuple[str, int]:
        """(document id, section number) that question `question` belongs to."""
        return self._owners.sections[question]

    def _asked(self, number: int, vector: Vectors, default: float) -> dict[str, float]:
        """Cosines of the query and the questions of the passage's section: the best, and the mean of the best three."""
        passage = self.passages[number]
        rows = self._owners.ranges.get((passage.document_id, passage.section))
        if not rows:
            return {"question": default, "questions": default}
        cosines = np.sort(self._questions.reconstruct_n(rows[0], len(rows)) @ vector)
        return {"question": float(cosines[-1]), "questions": float(cosines[-3:].mean())}

    def _lexical(self, query: str) -> tuple[Scores, Scores]:
        """(BM25, coverage) of every passage, each as a share of the best there could be."""
        weights = {word: self._idf(word) for word in sorted(set(stems([query])[0]))}  # in order: sums of floats differ with it
        best = sum(weights.values())
        coverage = np.zeros(len(self.passages), dtype=np.float32)
        known = [word for word in weights if word in self._bm25.vocab_dict]
        if not known or not best:
            return np.zeros_like(coverage), coverage
        for word in known:
            coverage[self._holders(word)] += weights[word] / best
        return np.asarray(self._bm25.get_scores(known), dtype=np.float32) / best, coverage

    def _holders(self, word: str) -> npt.NDArray[np.int64]:
        """Numbers of the passages that hold a known word."""
        column, table = self._bm25.vocab_dict[word], self._bm25.scores
        rows: npt.NDArray[np.int64] = table["indices"][table["indptr"][column] : table["indptr"][column + 1]]
        return rows

    def _idf(self, word: str) -> float:
        holders = len(self._holders(word)) if word in self._bm25.vocab_dict else 0
        return float(np.log(1 + (len(self.passages) - holders + 0.5) / (holders + 0.5)))


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
    if manifest.get("format") != FORMAT or manifest.get("chunker") != CHUNKER:
        changed.append("the code that builds it")
    if manifest.get("encoder", {}).get("identity") != identity:
        changed.append(f"the model (now {name})")
    if manifest.get("corpus") != corpus_fingerprint(documents):
        changed.append(_changed_documents(manifest, documents))
    if changed:
        raise IndexStaleError(f"the index is older than {' and '.join(changed)}; run: python -m bot build")
    exported = folder / Path(manifest["encoder"]["folder"]).name
    if not is_whole(exported):
        raise IndexStaleError(f"the exported encoder {exported} is missing or was changed; run: python -m bot build --force")
    encoder = OnnxEncoder(exported)
    index = PassageIndex(build, documents, encoder)
    if manifest["passages_sha256"] != passages_fingerprint(index.passages):
        raise IndexStaleError("the passages are cut differently now; run: python -m bot build")
    return index


def _changed_documents(manifest: dict[str, Any], documents: tuple[Document, ...]) -> str:
    then, now = manifest.get("documents", {}), {document.id: document.sha256 for document in documents}
    names = sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))
    return f"the corpus ({', '.join(names[:5]) or 'references.json'}{' …' if len(names) > 5 else ''})"
