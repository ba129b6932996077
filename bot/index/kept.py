"""What a build keeps of the corpus, so that it opens where no corpus lies: every card, and of each text its place and hash. No text is here.

kept/documents.jsonl   a document a line: its card, sections, questions and references, and where its bytes and those of its passages stand
kept/words.txt         the words that passages use, for the spelling of questions
kept/claims.json       the claims, their quotes as places
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot.chunking import card_of
from bot.corpus.far import FarDocument, FarPassage, Texts
from bot.corpus.ranges import Range, range_of, ranges_of
from bot.errors import IndexStaleError
from bot.index.shared import Numbers, vocabulary
from bot.records import Claim, Document, Passage, Reference, Section, Span, Stance

FOLDER, DOCUMENTS, WORDS, CLAIMS = "kept", "documents.jsonl", "words.txt", "claims.json"
PLAIN = ("id", "title", "topic", "status", "reviewed", "review_by", "file", "sha256", "converted")


@dataclass(frozen=True, slots=True)
class Kept:
    """The corpus of a build. `words`: those of `vocabulary`."""

    documents: tuple[Document, ...]
    passages: tuple[Passage, ...]
    words: frozenset[str]
    claims: tuple[Claim, ...]


class Keeping:
    """Writes the files, a document after the other."""

    def __init__(self, build: Path) -> None:
        self._folder = build / FOLDER
        self._folder.mkdir()
        self._file = (self._folder / DOCUMENTS).open("w", encoding="utf-8", newline="\n")
        self._words: set[str] = set()

    def add(self, document: Document, passages: Sequence[Passage]) -> None:
        """Append a document with its passages, in order."""
        self._words |= vocabulary(passages)
        places = ranges_of(document, [Span(passage.start, passage.end) for passage in passages])
        line = {
            **{name: getattr(document, name) for name in PLAIN},
            "pages": document.pages,
            "sections": [[section.heading, section.questions, section.span.start, section.span.end] for section in document.sections],
            "references": [reference.to_dict() for reference in document.references],
            "text": _row(range_of(document, Span(0, len(document.text)))),
            "passages": [[*_row(place), passage.citations] for place, passage in zip(places, passages, strict=True)],
        }
        self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")

    def close(self, claims: Iterable[Claim]) -> None:
        """Finish the files."""
        self._file.close()
        (self._folder / WORDS).write_text("\n".join(sorted(self._words)), "utf-8", newline="\n")
        (self._folder / CLAIMS).write_text(json.dumps([asdict(claim) for claim in claims], ensure_ascii=False, indent=1), "utf-8", newline="\n")

    def drop(self) -> None:
        """Let go of a file that will not be finished."""
        self._file.close()


def read_kept(build: Path, texts: Texts) -> Kept:
    """The corpus as a build keeps it; `texts` are asked for a text when it is shown. IndexStaleError where the build keeps none or it is damaged."""
    folder = build / FOLDER
    if not (folder / DOCUMENTS).is_file():
        raise IndexStaleError(f"{build} keeps nothing of its corpus; run, where the corpus lies: python -m bot build --force")
    documents: list[FarDocument] = []
    places: list[list[Any]] = []
    references: dict[Reference, Reference] = {}
    try:
        with (folder / DOCUMENTS).open(encoding="utf-8") as file:
            for line in file:
                entry = json.loads(line)
                documents.append(_document(entry, texts, references))
                places.append(entry["passages"])
        rows: Numbers = np.load(build / "passages.npy", allow_pickle=False)
        following = [iter(own) for own in places]
        passages = tuple(_passage(documents[number], section, Span(start, end), next(following[number])) for number, section, start, end in rows.tolist())
        words = frozenset((folder / WORDS).read_text("utf-8").split("\n"))
        return Kept(tuple(documents), passages, words, read_claims_kept(build))
    except (AttributeError, IndexError, KeyError, OSError, StopIteration, TypeError, ValueError) as error:
        raise IndexStaleError(f"{folder} is damaged ({type(error).__name__}); run, where the corpus lies: python -m bot build --force") from error


def read_claims_kept(build: Path) -> tuple[Claim, ...]:
    """The claims of a build that keeps its corpus. Raises OSError, KeyError, TypeError or ValueError where they cannot be read."""
    entries = json.loads((build / FOLDER / CLAIMS).read_text("utf-8"))
    return tuple(
        Claim(entry["id"], entry["statement"], tuple(Stance(one["document_id"], Span(**one["span"]), one["stance"]) for one in entry["stances"]))
        for entry in entries
    )


def keeps(build: Path) -> bool:
    """Whether a build keeps its corpus: one of before 0.7 does not."""
    return (build / FOLDER / CLAIMS).is_file()


def _document(entry: dict[str, Any], texts: Texts, references: dict[Reference, Reference]) -> FarDocument:
    own = [Reference(**reference) for reference in entry["references"]]
    card = {
        **{name: entry[name] for name in PLAIN},
        "pages": tuple(entry["pages"]),
        "sections": tuple(Section(heading, tuple(questions), Span(start, end)) for heading, questions, start, end in entry["sections"]),
        "references": tuple(references.setdefault(reference, reference) for reference in own),  # one record for all who cite it
    }
    return FarDocument(texts, card, *entry["text"])


def _passage(document: FarDocument, section: int, span: Span, place: list[Any]) -> FarPassage:
    begin, end, digest, cited = place
    return FarPassage(document.part(begin, end, digest), card_of(document, section, span, tuple(cited)))


def _row(place: Range) -> list[Any]:
    return [place.begin, place.end, place.sha256]
