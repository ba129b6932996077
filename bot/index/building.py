"""Builds in a temporary folder and puts the result in service with one rename."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from bot.chunking import VERSION as CHUNKER
from bot.chunking import context_header, encoded_text
from bot.citations import plain
from bot.corpus import corpus_fingerprint
from bot.encoder import EXPORT, Encoder, Vectors, export_encoder, is_whole, model_identity, open_encoder
from bot.errors import IndexFolderError, IndexWriteError
from bot.index.approximate import write_all
from bot.index.shared import (
    FORMAT,
    LIBRARIES,
    check_files,
    current_build,
    cut_all,
    lexical_texts,
    passages_fingerprint,
    questions_of,
    read_json,
    read_sentences,
    sha256,
    stems,
    write_places,
    write_synced,
)
from bot.records import Document, Passage
from bot.settings import EXACT_UP_TO, cores

CHUNK = 256  # texts encoded between two reports of progress; of like length, so that little of a batch is padding

Progress = Callable[[str, int, int], None]  # what is done, how many so far, of how many


def build_index(folder: Path, documents: tuple[Document, ...], model: str, progress: Progress, exact_up_to: int = EXACT_UP_TO) -> None:
    """Build in a temporary folder and put it in service with one rename; whatever served before serves until then.

    `exact_up_to`: rows of a table above which its nearest are looked up approximately.
    """
    from filelock import FileLock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            _build(folder, documents, model, progress, exact_up_to)
    except (OSError, RuntimeError) as error:  # faiss tells of a full disk with a RuntimeError
        told = f"the index cannot be written to {folder} ({error}); what served before still does"
        raise IndexWriteError(f"{told}. Free some disk, or point KRATOM_FAQ_INDEX at a folder that can be written, and run: python -m bot build") from error


def _build(folder: Path, documents: tuple[Document, ...], model: str, progress: Progress, exact_up_to: int) -> None:
    encoder_folder = _exported(folder, model, progress)
    encoder = open_encoder(encoder_folder, model)
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder))
    try:
        manifest = _write_build(work, documents, encoder, progress, _known(folder, model_identity(model)[2]), exact_up_to)
        manifest["encoder"]["folder"] = encoder_folder.name
        write_synced(work / "manifest.json", json.dumps(manifest, indent=1))
        work.chmod(0o755)  # readable for whoever serves, who may be another user than who builds
        target = folder / f"build-{manifest['id'][:16]}-{work.name.removeprefix('.building-')}"  # no clock in it: clocks go back
        os.rename(work, target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    _put_in_service(folder, target.name)
    _write_converted(folder / "converted", documents)
    _sweep(folder, keep={target.name, encoder_folder.name})


def _write_converted(folder: Path, documents: Iterable[Document]) -> None:
    """The text of each file that is not Markdown, so that a receipt can be checked without converting it again."""
    for document in documents:
        if document.converted:
            folder.mkdir(exist_ok=True)
            (folder / f"{document.sha256}.txt").write_text(document.text, "utf-8", newline="")


def _known(folder: Path, identity: str) -> dict[bytes, Vectors]:
    """Vectors of the build in service by the hash of their text, where the same encoder made them: unchanged text is not encoded again."""
    try:
        build = current_build(folder)
        manifest = read_json(build / "manifest.json")
        if manifest["encoder"]["identity"] != identity:
            return {}
        check_files(build, manifest)
        import faiss

        vectors: dict[bytes, Vectors] = {}
        for name in ("passages", "questions"):
            index = faiss.read_index(str(build / f"{name}.faiss"))
            vectors.update(zip(_keys(build, name), index.reconstruct_n(0, index.ntotal), strict=True))
        vectors.update(zip(_keys(build, "sentences"), np.load(build / "sentences.npy", allow_pickle=False), strict=True))
        return vectors
    except (IndexFolderError, KeyError, OSError, ValueError, RuntimeError):
        return {}  # nothing usable: everything is made anew


def _keys(build: Path, name: str) -> list[bytes]:
    keys: list[bytes] = np.load(build / f"{name}.keys.npy", allow_pickle=False).tolist()
    return keys


def _exported(folder: Path, model: str, progress: Progress) -> Path:
    name, _, identity = model_identity(model)
    target = folder / f"encoder-{hashlib.sha256(f'{identity} {EXPORT}'.encode()).hexdigest()[:16]}"
    if is_whole(target):
        return target
    progress(f"exporting {name}", 0, 1)
    work = Path(tempfile.mkdtemp(prefix=".exporting-", dir=folder))
    try:
        export_encoder(model, work)
        work.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        os.rename(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    progress(f"exporting {name}", 1, 1)
    return target


def _write_build(
    work: Path, documents: tuple[Document, ...], encoder: Encoder, progress: Progress, known: dict[bytes, Vectors], exact_up_to: int
) -> dict[str, Any]:
    passages = cut_all(documents, encoder)
    if not passages:
        raise IndexFolderError("the corpus holds no passage, so there is nothing to search; add a document to corpus/")
    questions, _ = questions_of(documents, passages)
    texts = [encoded_text(passage) for passage in passages]
    write_places(work, documents, passages)
    inner = [(passage, span) for passage, (_, spans) in zip(passages, read_sentences(work, len(passages)), strict=True) for span in spans]
    sentence_texts = [
        context_header(passage.title, passage.heading) + plain(passage.text[span.start - passage.start : span.end - passage.start]) for passage, span in inner
    ]
    tables = {}
    for name, rows in (("passages", texts), ("questions", questions), ("sentences", sentence_texts)):
        keys = [_digest(row) for row in rows]
        np.save(work / f"{name}.keys.npy", np.array(keys, dtype="S64"), allow_pickle=False)
        tables[name] = _encode(encoder, rows, keys, known, name, progress)
    _write_flat(work / "passages.faiss", tables["passages"])
    _write_flat(work / "questions.faiss", tables["questions"])
    np.save(work / "sentences.npy", tables["sentences"], allow_pickle=False)
    _write_lexical(work / "bm25", lexical_texts(documents, passages))
    near = write_all(work, exact_up_to, progress) if max(len(passages), len(questions)) > exact_up_to else {}
    files = {path.relative_to(work).as_posix(): sha256(path) for path in sorted(work.rglob("*")) if path.is_file()}
    manifest = _manifest(documents, passages, encoder)
    manifest |= {"approximate": near} if near else {}
    manifest["files"] = files
    manifest["counts"] = {"documents": len(documents), "passages": len(passages), "questions": len(questions), "sentences": len(sentence_texts)}
    manifest["id"] = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    manifest["created"] = datetime.now(UTC).isoformat(timespec="seconds")
    return manifest


def _manifest(documents: tuple[Document, ...], passages: tuple[Passage, ...], encoder: Encoder) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "chunker": CHUNKER,
        "corpus": corpus_fingerprint(documents),
        "documents": {document.id: document.sha256 for document in documents},
        "passages_sha256": passages_fingerprint(passages),
        "encoder": {key: encoder.card[key] for key in ("name", "identity", "dimension", "max_tokens", "query_prefix")},
        "metric": "inner product of unit vectors (cosine)",
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _encode(encoder: Encoder, texts: Sequence[str], keys: Sequence[bytes], known: dict[bytes, Vectors], what: str, progress: Progress) -> Vectors:
    """Vectors of `texts` in order; those whose key is known are taken over, the rest encoded once each, by length, on every core."""
    fresh = sorted({key: text for key, text in zip(keys, texts, strict=True) if key not in known}.items(), key=lambda entry: len(entry[1]))
    chunks = [fresh[start : start + CHUNK] for start in range(0, len(fresh), CHUNK)]
    made: dict[bytes, Vectors] = {}
    with ThreadPoolExecutor(cores()) as pool:  # each encodes on its own thread; a model that splits one text between threads is far slower
        encoded = pool.map(lambda chunk: encoder.encode([text for _, text in chunk]), chunks)
        for chunk, vectors in zip(chunks, encoded, strict=True):
            made.update(zip((key for key, _ in chunk), vectors, strict=True))
            progress(f"encoding {what}", len(made), len(fresh))
    rows = [known[key] if key in known else made[key] for key in keys]
    return np.stack(rows) if rows else np.zeros((0, encoder.dimension), dtype=np.float32)


def _write_lexical(folder: Path, texts: Sequence[str]) -> None:
    """BM25 scores of every word and text, as bm25s saves them: columns of a sparse matrix, and the stems."""
    import bm25s  # and scipy with it; only a build needs them

    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it reports each step at debug level to standard error
    bm25 = bm25s.BM25(method="lucene")
    stemmed = stems(texts)
    columns = {word: column for column, word in enumerate(sorted({word for words in stemmed for word in words}))}
    bm25.index(([[columns[word] for word in words] for words in stemmed], columns), show_progress=False)  # its own order hangs on Python's hash seed
    bm25.save(str(folder), show_progress=False)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest().encode()


def _write_flat(path: Path, vectors: Vectors) -> None:
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    faiss.write_index(index, str(path))


def _put_in_service(folder: Path, build: str) -> None:
    temporary = folder / f".current-{os.getpid()}.json"
    write_synced(temporary, json.dumps({"build": build}))
    os.replace(temporary, folder / "current.json")
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sweep(folder: Path, keep: set[str]) -> None:
    """Delete what no reader opens any more: builds and exports that were replaced, work of killed builds."""
    for path in folder.iterdir():
        if path.is_dir() and path.name not in keep and path.name.startswith(("build-", "encoder-", ".building-", ".exporting-")):
            shutil.rmtree(path, ignore_errors=True)
