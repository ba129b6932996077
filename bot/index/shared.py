"""What building and reading share: how questions, sentences and words are counted, and how files are checked."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bm25s
import faiss
import Stemmer

from bot.chunking import cut, encoded_text, sentences
from bot.encoder import Encoder, Vectors
from bot.errors import IndexMissingError, IndexStaleError
from bot.records import Document, Passage, Span

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it reports each step of a build at debug level to standard error

STEMMER = Stemmer.Stemmer("english")
FORMAT = 4  # of the folder; raise it when older code could not read it
CANDIDATES = 50  # per list: ten times what is shown, so that fusion decides and not the cut; not tuned


@dataclass(frozen=True, slots=True)
class Owners:
    """Of each question: its section. Of each section: its questions. Of each question: its passages."""

    sections: list[tuple[str, int]]
    ranges: dict[tuple[str, int], range]
    passages: list[list[int]]


def cut_all(documents: Iterable[Document], encoder: Encoder) -> tuple[Passage, ...]:
    """Every passage of every document, in order."""
    return tuple(passage for document in documents for passage in cut(document, encoder.count_tokens, encoder.max_tokens))


def current_build(folder: Path) -> Path:
    """The folder of the build in service. IndexMissingError when there is none."""
    pointer = folder / "current.json"
    if not pointer.is_file():
        raise IndexMissingError(f"no index in {folder}; run: python -m bot build")
    name = read_json(pointer).get("build")
    if not isinstance(name, str) or not re.fullmatch(r"build-[\w-]+", name):  # a path to elsewhere is no build of ours
        raise IndexStaleError(f"{pointer} names no build; run: python -m bot build --force")
    build = folder / name
    if not (build / "manifest.json").is_file():
        raise IndexMissingError(f"{pointer} names a build that is not there; run: python -m bot build")
    return build


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. IndexStaleError when the file holds none."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise IndexStaleError(f"{path} cannot be read ({error}); run: python -m bot build --force") from error
    if not isinstance(value, dict):
        raise IndexStaleError(f"{path} is not a JSON object; run: python -m bot build --force")
    return value


def check_files(folder: Path, manifest: dict[str, Any]) -> None:
    """IndexStaleError unless every file of a build is the one its manifest was written for."""
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file() or sha256(path) != expected:
            raise IndexStaleError(f"{path} is missing or was changed; run: python -m bot build --force")


def questions_of(documents: Iterable[Document], passages: Sequence[Passage]) -> tuple[list[str], Owners]:
    """Every question of the corpus in order, and whose it is."""
    by_section: dict[tuple[str, int], list[int]] = {}
    for number, passage in enumerate(passages):
        by_section.setdefault((passage.document_id, passage.section), []).append(number)
    texts: list[str] = []
    owners = Owners([], {}, [])
    for document in documents:
        for number, section in enumerate(document.sections):
            key = (document.id, number)
            owners.ranges[key] = range(len(texts), len(texts) + len(section.questions))
            for question in section.questions:
                texts.append(question)
                owners.sections.append(key)
                owners.passages.append(by_section[key])
    return texts, owners


def lexical_texts(documents: Iterable[Document], passages: Sequence[Passage]) -> list[str]:
    """What BM25 reads: a passage with its header, and the questions of its section, which hold the words people use for it."""
    sections = {document.id: document.sections for document in documents}
    return [" ".join([encoded_text(passage), *sections[passage.document_id][passage.section].questions]) for passage in passages]


def sentence_rows(passages: Sequence[Passage]) -> list[tuple[int, list[Span]]]:
    """Of each passage: the row of its first sentence, and the spans of all."""
    rows, first = [], 0
    for passage in passages:
        spans = [Span(passage.start + span.start, passage.start + span.end) for span in sentences(passage.text)]
        rows.append((first, spans))
        first += len(spans)
    return rows


def nearest(index: faiss.Index, vector: Vectors, limit: int = CANDIDATES) -> list[int]:
    """Numbers of the vectors nearest to `vector`, nearest first."""
    if not index.ntotal:
        return []
    _, numbers = index.search(vector.reshape(1, -1), min(limit, index.ntotal))
    return [int(number) for number in numbers[0]]


def stems(texts: Sequence[str]) -> list[list[str]]:
    """The stemmed words of each text, without stop words."""
    tokens = bm25s.tokenize(list(texts), stopwords="en", stemmer=STEMMER, return_ids=False, show_progress=False)
    return [list(row) for row in tokens]


def write_synced(path: Path, text: str) -> None:
    """Write a text and wait until it is on the disk."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def vocabulary(passages: Sequence[Passage]) -> frozenset[str]:
    """Every word that a passage, its title or its heading uses, in lower case: spelled right, unlike the questions people type."""
    return frozenset(re.findall(r"[^\W\d_]+", " ".join(map(encoded_text, passages)).casefold()))


def passages_fingerprint(passages: Sequence[Passage]) -> str:
    """sha256 over where each passage stands."""
    lines = "".join(f"{passage.document_id}\0{passage.start}\0{passage.end}\n" for passage in passages)
    return hashlib.sha256(lines.encode()).hexdigest()


def sha256(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
