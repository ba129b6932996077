"""The only door to corpus/: documents, their bibliography, claims and coverage become frozen records, or errors with file and line.

    **/*.md + references.json        -> Document          (documents, bibliography)
    **/*.txt .html .pdf .docx .csv   -> Document          (converters; a file that cannot be used is refused, the rest is read)
    topics.txt                       -> topics other than ours, in a corpus on another subject
    claims.yaml                      -> Claim             (claims)
    coverage.csv                     -> Fact              (coverage)

The format is described in corpus/README.md. `Document.text` is the whole Markdown file, or the converted text of another format.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.corpus.bibliography import read_bibliography
from bot.corpus.claims import read_claims
from bot.corpus.converters import SUFFIXES, convert
from bot.corpus.coverage import Fact, read_coverage
from bot.corpus.documents import TOPICS, read_document
from bot.corpus.faults import FaultError
from bot.errors import CorpusError, Problem
from bot.records import Document, Reference

__all__ = [
    "BIBLIOGRAPHY",
    "OWN_TOPICS",
    "SUFFIXES",
    "TOPICS",
    "Corpus",
    "Fact",
    "corpus_fingerprint",
    "document_line",
    "document_paths",
    "read_claims",
    "read_corpus",
    "read_coverage",
    "read_topics",
    "stream_corpus",
]

BIBLIOGRAPHY = "references.json"
OWN_TOPICS = "topics.txt"
OURS = {"coverage.csv", OWN_TOPICS}  # files of these formats that are no documents


def read_corpus(folder: Path, refused: list[Problem] | None = None) -> tuple[Document, ...]:
    """All documents, in order of their paths. Raises and refuses as `stream_corpus` does."""
    return tuple(stream_corpus(folder, refused))


@dataclass(frozen=True, slots=True)
class Corpus:
    """The documents of a folder, read from their files each time they are gone through: for a corpus larger than the memory."""

    folder: Path

    def __iter__(self) -> Iterator[Document]:
        return stream_corpus(self.folder)

    def __len__(self) -> int:
        return len(document_paths(self.folder))


def stream_corpus(folder: Path, refused: list[Problem] | None = None) -> Iterator[Document]:
    """The documents one by one, in order of their paths; the mistakes of all are raised at the end.

    A mistake in a Markdown document or in the bibliography raises CorpusError listing every one of them. A file of another format that
    cannot be used is left out and appended to `refused`.
    """
    problems: list[Problem] = []
    bibliography: dict[str, Reference] = {}
    try:
        bibliography = read_bibliography(folder / BIBLIOGRAPHY)
    except FaultError as fault:
        problems.append(Problem(BIBLIOGRAPHY, fault.line, fault.message))
    files: dict[str, str] = {}
    topics = read_topics(folder)
    for path in document_paths(folder):
        name = path.relative_to(folder).as_posix()
        written = path.suffix == ".md"
        try:
            document = read_document(path, name, bibliography, topics) if written else convert(path, name, topics)
            if document.id in files:
                raise FaultError(2, f"id '{document.id}' is already used by {files[document.id]}; choose another")
            files[document.id] = document.file
            yield document
        except FaultError as fault:
            (problems if written else [] if refused is None else refused).append(Problem(name, fault.line, fault.message))
    if not files and not problems:
        problems.append(Problem(str(folder), 1, "no documents here; add one, or point KRATOM_FAQ_CORPUS at the folder that holds them"))
    if problems:
        raise CorpusError(problems)


def read_topics(folder: Path) -> tuple[str, ...]:
    """The topics a document may have: those of topics.txt, one a line, where a corpus on another subject has it; else ours. The last is for what bears none."""
    path = folder / OWN_TOPICS
    rows = path.read_text("utf-8").splitlines() if path.is_file() else []
    return tuple(row.strip() for row in rows if row.strip() and not row.startswith("#")) or TOPICS


def document_paths(folder: Path) -> list[Path]:
    """The files that are documents, in order: every `.md` but a README, and the formats that can be converted."""
    found = (path for path in folder.rglob("*") if path.suffix == ".md" or path.suffix.lower() in SUFFIXES)
    return sorted(path for path in found if path.is_file() and path.name not in {"README.md", *OURS})


def corpus_fingerprint(documents: Iterable[Document]) -> str:
    """sha256 over what the index depends on: each document's path and bytes, and the references it cites."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update(document_line(document))
    return digest.hexdigest()


def document_line(document: Document) -> bytes:
    """What a document adds to `corpus_fingerprint`."""
    return f"{document.file}\0{document.sha256}\0{document.references!r}\n".encode()
