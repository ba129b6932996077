"""The only door to index/: numbers built from the corpus, never text.

    index/current.json           names the build in service; replaced in one rename, so readers never see half an index
    index/build-<id>/            passages.faiss, questions.faiss, sentences.npy, bm25/, trained.npz (the guardrails' classifier), manifest.json
    index/encoder-<identity>/    the exported encoder, shared by builds

Passages are cut again from corpus/ at start and compared with the manifest: what differs is named in an IndexStaleError.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bm25s
import faiss
import numpy as np
import numpy.typing as npt
import Stemmer
from filelock import FileLock

from bot.chunking import VERSION as CHUNKER
from bot.chunking import cut, encoded_text, sentences
from bot.citations import plain
from bot.corpus import corpus_fingerprint
from bot.encoder import Encoder, OnnxEncoder, Vectors, export_encoder, model_identity
from bot.errors import IndexFolderError, IndexMissingError, IndexStaleError
from bot.records import Document, Passage, Span

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it reports each step of a build at debug level to standard error

STEMMER = Stemmer.Stemmer("english")
FORMAT = 1  # of the folder; raise it when older code could not read it
CANDIDATES = 50  # per list: ten times what is shown, so that fusion decides and not the cut; not tuned
LIBRARIES = ("faiss-cpu", "bm25s", "PyStemmer", "onnxruntime", "tokenizers", "sentencex")

Arrays = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Training:
    """What is trained with each build and kept beside the vectors: its fingerprint, and how to make its arrays."""

    fingerprint: str
    make: Callable[[Encoder], Arrays]


Progress = Callable[[str, int, int], None]  # what is done, how many so far, of how many
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Features:
    """What the index knows of one candidate passage for one query; each 0 to 1 or a cosine."""

    number: int
    passage: float  # cosine of query and passage
    question: float  # best cosine of query and a question of the passage's section; that of the passage where it has none
    lexical: float  # BM25 as a share of what a passage holding every query word would get


class PassageIndex:
    """A build opened for reading. Its arrays never change, so threads may share it."""

    def __init__(self, folder: Path, documents: tuple[Document, ...], encoder: Encoder) -> None:
        self.encoder = encoder
        self.documents = {document.id: document for document in documents}
        self.passages = cut_all(documents, encoder)
        self.questions, self._owners = _questions(documents, self.passages)
        self.manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
        _check_files(folder, self.manifest)
        self._passages = faiss.read_index(str(folder / "passages.faiss"))
        self._questions = faiss.read_index(str(folder / "questions.faiss"))
        self._sentences = np.load(folder / "sentences.npy", mmap_mode="r", allow_pickle=False)
        self._sentence_rows = _sentence_rows(self.passages)
        self._bm25 = bm25s.BM25.load(str(folder / "bm25"), show_progress=False, allow_pickle=False)
        with np.load(folder / "trained.npz", allow_pickle=False) as trained:
            self.trained: Arrays = dict(trained)

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
        lexical = self._lexical(query)
        numbers = set(_first(self._passages, vector)) | set(np.argsort(-lexical)[:CANDIDATES].tolist())
        for question in _first(self._questions, vector):
            numbers.update(self._owners.passages[question])
        found = []
        for number in sorted(numbers):
            passage = float(self._passages.reconstruct(number) @ vector)
            found.append(Features(number, passage, self._question_cosine(number, vector, passage), float(lexical[number])))
        return found

    def sentence_cosines(self, number: int, vector: Vectors) -> list[tuple[Span, float]]:
        """Each sentence of passage `number` with its cosine to the query."""
        first, spans = self._sentence_rows[number]
        cosines = self._sentences[first : first + len(spans)] @ vector
        return list(zip(spans, cosines.tolist(), strict=True))

    def near_questions(self, vector: Vectors, limit: int) -> list[int]:
        """Numbers of the questions nearest to the vector, nearest first."""
        return _first(self._questions, vector, limit)

    def section_of(self, question: int) -> tuple[str, int]:
        """(document id, section number) that question `question` belongs to."""
        return self._owners.sections[question]

    def _question_cosine(self, number: int, vector: Vectors, default: float) -> float:
        passage = self.passages[number]
        rows = self._owners.ranges.get((passage.document_id, passage.section))
        if not rows:
            return default
        return float((self._questions.reconstruct_n(rows[0], len(rows)) @ vector).max())

    def _lexical(self, query: str) -> Scores:
        [words] = _words([query])
        best = sum(self._idf(word) for word in set(words))
        known = [word for word in set(words) if word in self._bm25.vocab_dict]
        if not known or not best:
            return np.zeros(len(self.passages), dtype=np.float32)
        return np.asarray(self._bm25.get_scores(known), dtype=np.float32) / best

    def _idf(self, word: str) -> float:
        column = self._bm25.vocab_dict.get(word)
        starts = self._bm25.scores["indptr"]
        known = 0 if column is None else int(starts[column + 1] - starts[column])  # passages that hold the word
        return float(np.log(1 + (len(self.passages) - known + 0.5) / (known + 0.5)))


@dataclass(frozen=True, slots=True)
class _Owners:
    sections: list[tuple[str, int]]
    ranges: dict[tuple[str, int], range]
    passages: list[list[int]]


def cut_all(documents: Iterable[Document], encoder: Encoder) -> tuple[Passage, ...]:
    """Every passage of every document, in order."""
    return tuple(passage for document in documents for passage in cut(document, encoder.count_tokens, encoder.max_tokens))


# --- opening ------------------------------------------------------------------------------------------------------


def open_index(folder: Path, documents: tuple[Document, ...], model: str, training: str) -> PassageIndex:
    """The build in service. IndexMissingError when there is none, IndexStaleError naming what changed since.

    `training` is the fingerprint of what was trained with the build.
    """
    build = _current(folder)
    manifest = _read_json(build / "manifest.json")
    name, _, identity = model_identity(model)
    changed = []
    if manifest.get("format") != FORMAT or manifest.get("chunker") != CHUNKER:
        changed.append("the code that builds it")
    if manifest.get("encoder", {}).get("identity") != identity:
        changed.append(f"the model (now {name})")
    if manifest.get("training") != training:
        changed.append("the guardrails' rules and examples")
    if manifest.get("corpus") != corpus_fingerprint(documents):
        changed.append(_changed_documents(manifest, documents))
    if changed:
        raise IndexStaleError(f"the index is older than {' and '.join(changed)}; run: python -m bot build")
    encoder = OnnxEncoder(folder / manifest["encoder"]["folder"])
    index = PassageIndex(build, documents, encoder)
    if manifest["passages_sha256"] != _passages_fingerprint(index.passages):
        raise IndexStaleError("the passages are cut differently now; run: python -m bot build")
    return index


def _current(folder: Path) -> Path:
    pointer = folder / "current.json"
    if not pointer.is_file():
        raise IndexMissingError(f"no index in {folder}; run: python -m bot build")
    build = folder / str(_read_json(pointer).get("build"))
    if not (build / "manifest.json").is_file():
        raise IndexMissingError(f"{pointer} names a build that is not there; run: python -m bot build")
    return build


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise IndexStaleError(f"{path} cannot be read ({error}); run: python -m bot build --force") from error
    if not isinstance(value, dict):
        raise IndexStaleError(f"{path} is not a JSON object; run: python -m bot build --force")
    return value


def _changed_documents(manifest: dict[str, Any], documents: tuple[Document, ...]) -> str:
    then, now = manifest.get("documents", {}), {document.id: document.sha256 for document in documents}
    names = sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))
    return f"the corpus ({', '.join(names[:5]) or 'references.json'}{' …' if len(names) > 5 else ''})"


def _check_files(folder: Path, manifest: dict[str, Any]) -> None:
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file() or _sha256(path) != expected:
            raise IndexStaleError(f"{path} is missing or was changed; run: python -m bot build --force")


# --- building -----------------------------------------------------------------------------------------------------


def build_index(folder: Path, documents: tuple[Document, ...], model: str, training: Training, progress: Progress) -> None:
    """Build in a temporary folder and put it in service with one rename; whatever served before serves until then."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        encoder_folder = _exported(folder, model, progress)
        encoder = OnnxEncoder(encoder_folder)
        work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder))
        try:
            manifest = _write_build(work, documents, encoder, training, progress)
            manifest["encoder"]["folder"] = encoder_folder.name
            _write_synced(work / "manifest.json", json.dumps(manifest, indent=1))
            target = folder / f"build-{manifest['id'][:16]}-{os.getpid()}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
            os.rename(work, target)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        _put_in_service(folder, target.name)
        _sweep(folder, keep={target.name, encoder_folder.name})


def _exported(folder: Path, model: str, progress: Progress) -> Path:
    name, _, identity = model_identity(model)
    target = folder / f"encoder-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    if (target / "encoder.json").is_file():
        return target
    progress(f"exporting {name}", 0, 1)
    work = Path(tempfile.mkdtemp(prefix=".exporting-", dir=folder))
    try:
        export_encoder(model, work)
        if target.exists():
            shutil.rmtree(target)
        os.rename(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    progress(f"exporting {name}", 1, 1)
    return target


def _write_build(work: Path, documents: tuple[Document, ...], encoder: OnnxEncoder, training: Training, progress: Progress) -> dict[str, Any]:
    passages = cut_all(documents, encoder)
    if not passages:
        raise IndexFolderError("the corpus holds no passage, so there is nothing to search; add a document to corpus/")
    questions, _ = _questions(documents, passages)
    texts = [encoded_text(passage) for passage in passages]
    sentence_texts = [plain(passage.text[span.start : span.end]) for passage in passages for span in sentences(passage.text)]
    _write_flat(work / "passages.faiss", _encode(encoder, texts, "passages", progress))
    _write_flat(work / "questions.faiss", _encode(encoder, questions, "questions", progress))
    np.save(work / "sentences.npy", _encode(encoder, sentence_texts, "sentences", progress), allow_pickle=False)
    bm25 = bm25s.BM25(method="lucene")
    bm25.index(_words(_lexical_texts(documents, passages)), show_progress=False)
    bm25.save(str(work / "bm25"), show_progress=False)
    progress("training the guardrails", 0, 1)
    np.savez(work / "trained.npz", allow_pickle=False, **training.make(encoder))
    progress("training the guardrails", 1, 1)
    files = {path.relative_to(work).as_posix(): _sha256(path) for path in sorted(work.rglob("*")) if path.is_file()}
    manifest = _manifest(documents, passages, encoder)
    manifest["training"] = training.fingerprint
    manifest["files"] = files
    manifest["counts"] = {"documents": len(documents), "passages": len(passages), "questions": len(questions), "sentences": len(sentence_texts)}
    manifest["id"] = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    manifest["created"] = datetime.now(UTC).isoformat(timespec="seconds")
    return manifest


def _manifest(documents: tuple[Document, ...], passages: tuple[Passage, ...], encoder: OnnxEncoder) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "chunker": CHUNKER,
        "corpus": corpus_fingerprint(documents),
        "documents": {document.id: document.sha256 for document in documents},
        "passages_sha256": _passages_fingerprint(passages),
        "encoder": {key: encoder.card[key] for key in ("name", "identity", "dimension", "max_tokens", "query_prefix")},
        "metric": "inner product of unit vectors (cosine)",
        "libraries": {name: version(name) for name in LIBRARIES},
        "certificate": None,  # the abstention certificate: not measured yet, so none is claimed
    }


def _encode(encoder: Encoder, texts: Sequence[str], what: str, progress: Progress) -> Vectors:
    parts = [np.zeros((0, encoder.dimension), dtype=np.float32)]
    for start in range(0, len(texts), 64):
        parts.append(encoder.encode(texts[start : start + 64]))
        progress(f"encoding {what}", min(start + 64, len(texts)), len(texts))
    return np.concatenate(parts)


def _write_flat(path: Path, vectors: Vectors) -> None:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    faiss.write_index(index, str(path))


def _put_in_service(folder: Path, build: str) -> None:
    temporary = folder / f".current-{os.getpid()}.json"
    _write_synced(temporary, json.dumps({"build": build}))
    os.replace(temporary, folder / "current.json")
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_synced(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sweep(folder: Path, keep: set[str]) -> None:
    """Delete what no reader opens any more: builds and exports that were replaced, work of killed builds."""
    for path in folder.iterdir():
        if path.is_dir() and path.name not in keep and path.name.startswith(("build-", "encoder-", ".building-", ".exporting-")):
            shutil.rmtree(path, ignore_errors=True)


# --- shared -------------------------------------------------------------------------------------------------------


def _questions(documents: Iterable[Document], passages: Sequence[Passage]) -> tuple[list[str], _Owners]:
    by_section: dict[tuple[str, int], list[int]] = {}
    for number, passage in enumerate(passages):
        by_section.setdefault((passage.document_id, passage.section), []).append(number)
    texts: list[str] = []
    owners = _Owners([], {}, [])
    for document in documents:
        for number, section in enumerate(document.sections):
            key = (document.id, number)
            owners.ranges[key] = range(len(texts), len(texts) + len(section.questions))
            for question in section.questions:
                texts.append(question)
                owners.sections.append(key)
                owners.passages.append(by_section[key])
    return texts, owners


def _lexical_texts(documents: Iterable[Document], passages: Sequence[Passage]) -> list[str]:
    """What BM25 reads: a passage with its header, and the questions of its section, which hold the words people use for it."""
    sections = {document.id: document.sections for document in documents}
    return [" ".join([encoded_text(passage), *sections[passage.document_id][passage.section].questions]) for passage in passages]


def _sentence_rows(passages: Sequence[Passage]) -> list[tuple[int, list[Span]]]:
    rows, first = [], 0
    for passage in passages:
        spans = [Span(passage.start + span.start, passage.start + span.end) for span in sentences(passage.text)]
        rows.append((first, spans))
        first += len(spans)
    return rows


def _first(index: faiss.Index, vector: Vectors, limit: int = CANDIDATES) -> list[int]:
    if not index.ntotal:
        return []
    _, numbers = index.search(vector.reshape(1, -1), min(limit, index.ntotal))
    return [int(number) for number in numbers[0]]


def _words(texts: Sequence[str]) -> list[list[str]]:
    tokens = bm25s.tokenize(list(texts), stopwords="en", stemmer=STEMMER, return_ids=False, show_progress=False)
    return [list(row) for row in tokens]


def _passages_fingerprint(passages: Sequence[Passage]) -> str:
    lines = "".join(f"{passage.document_id}\0{passage.start}\0{passage.end}\n" for passage in passages)
    return hashlib.sha256(lines.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
