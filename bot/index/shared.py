"""What building and reading share: how questions, sentences and words are counted, and how files are checked."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import Stemmer

from bot.chunking import cut, encoded_text, passage_of
from bot.encoder import Encoder
from bot.errors import IndexMissingError, IndexStaleError
from bot.records import Document, Passage, Span

FORMAT = 5  # of the folder; raise it when older code could not read it
WORD = re.compile(r"\b\w\w+\b")
# bm25s's own tokenizer and list, without its import, which brings scipy: a tenth of the whole start (tests/test_index.py compares the two).
STOP_WORDS = re.compile(r"an?|and|are|as|at|be|but|by|for|if|in|into|is|it|no|not|of|on|or|such|that|the|their|then|there|these|they|this|to|was|will|with")
LIBRARIES = ("faiss-cpu", "bm25s", "PyStemmer", "onnxruntime", "tokenizers", "sentencex")
CUTTING = ("tokenizers", "sentencex")  # of these: what decides where a passage ends
VECTORS = ("passages.faiss", "questions.faiss", "sentences.npy", "bm25/data.csc.index.npy", "bm25/indices.csc.index.npy")  # what a server holds too
Numbers = npt.NDArray[np.int32]
Progress = Callable[[str, int, int], None]  # what is done, how many so far, of how many (in a corpus of several windows an estimate)


@dataclass(frozen=True, slots=True)
class Owners:
    """Of each question: its section. Of each section: its questions. Of each question: its passages."""

    sections: list[tuple[str, int]]
    ranges: dict[tuple[str, int], range]
    passages: list[list[int]]


class Documents(Protocol):
    """The corpus as a build reads it: from its files each time, or all in memory."""

    def __iter__(self) -> Iterator[Document]: ...

    def __len__(self) -> int: ...


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
    """IndexStaleError unless every file of a build is the one its manifest was written for; vectors may be absent where a server holds them."""
    for name, expected in manifest["files"].items():
        path = folder / name
        if name in VECTORS and not path.exists():
            continue  # who needs it fails to open it
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


def read_passages(folder: Path, documents: Sequence[Document]) -> tuple[Passage, ...]:
    """The passages of passages.npy, cut from the same documents: cut without asking the encoder's tokenizer how long each is."""
    rows: Numbers = np.load(folder / "passages.npy", allow_pickle=False)
    return tuple(passage_of(documents[number], section, Span(start, end)) for number, section, start, end in rows.tolist())


def read_sentences(folder: Path, passages: int) -> list[tuple[int, list[Span]]]:
    """Of each passage: the row of its first sentence, and the spans of all."""
    rows: Numbers = np.load(folder / "sentences.places.npy", allow_pickle=False)
    first = np.searchsorted(rows[:, 0], np.arange(passages + 1)).tolist()
    spans = [Span(start, end) for _, start, end in rows.tolist()]
    return [(first[number], spans[first[number] : first[number + 1]]) for number in range(passages)]


def stems(texts: Sequence[str]) -> list[list[str]]:
    """The stemmed words of each text, without stop words."""
    stemmer = Stemmer.Stemmer("english")  # one a call: it is not safe to share between threads
    return [stemmer.stemWords([word for word in WORD.findall(text.lower()) if not STOP_WORDS.fullmatch(word)]) for text in texts]


def alone(folder: Path) -> AbstractContextManager[object]:
    """Held by whoever builds or loads; waits for another on this machine. A folder that cannot be written is built by nobody, so nothing is held there."""
    from filelock import FileLock

    return FileLock(folder / ".lock") if os.access(folder, os.W_OK) else nullcontext()


def write_synced(path: Path, text: str) -> None:
    """Write a text and wait until it is on the disk."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def vocabulary(passages: Sequence[Passage]) -> frozenset[str]:
    """Every word that a passage, its title or its heading uses, in lower case: spelled right, unlike the questions people type."""
    return frozenset(re.findall(r"[^\W\d_]+", " ".join(map(encoded_text, passages)).casefold()))


def passages_fingerprint(passages: Iterable[Passage]) -> str:
    """sha256 over where each passage stands."""
    digest = hashlib.sha256()
    for passage in passages:
        digest.update(passage_line(passage.document_id, passage.start, passage.end))
    return digest.hexdigest()


def passage_line(document_id: str, start: int, end: int) -> bytes:
    """What a passage adds to `passages_fingerprint`."""
    return f"{document_id}\0{start}\0{end}\n".encode()


def sha256(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
