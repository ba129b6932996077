"""Claims: one statement with an id, and what each passage has to say about it. `claims.yaml` holds them.

- id: milder-than-opioids
  statement: Kratom has milder side effects and a lower risk of slow breathing than opioids.
  stances:
    - {document: kratom-pain-management-article, quote: "lower risk of respiratory depression", stance: supports}
    - {document: breathing, section: "Does kratom slow breathing?", stance: disputes}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from bot.corpus.documents import LOADER
from bot.corpus.faults import FaultError, decode
from bot.errors import CorpusError, Problem
from bot.records import STANCES, Claim, Document, Span, Stance

CLAIMS = "claims.yaml"


def read_claims(folder: Path, documents: Iterable[Document]) -> tuple[Claim, ...]:
    """Every claim with its stances resolved to spans; none where there is no file. Raises CorpusError listing every mistake."""
    path = folder / CLAIMS
    if not path.is_file():
        return ()
    problems: list[Problem] = []
    claims: dict[str, Claim] = {}
    try:
        entries = yaml.load(decode(path.read_bytes()), Loader=LOADER)  # noqa: S506  # a safe loader either way
    except (FaultError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        place = mark.line + 1 if mark else getattr(error, "line", 1)
        raise CorpusError([Problem(CLAIMS, place, f"cannot be read: {getattr(error, 'problem', error)}")]) from error
    named = set(_documents_of(entries))
    known = {document.id: document for document in documents if document.id in named}
    for number, entry in enumerate(entries or [], start=1):
        try:
            claim = Claim(entry["id"], entry["statement"], tuple(_stances(entry, known)))
            if claim.id in claims:
                raise ValueError("this id is there twice")
            claims[claim.id] = claim
        except (KeyError, TypeError, ValueError) as error:
            name = entry.get("id", f"number {number}") if isinstance(entry, dict) else f"number {number}"
            problems.append(Problem(CLAIMS, number, f"claim '{name}': {error if isinstance(error, ValueError) else f'no {error}'}"))
    if problems:
        raise CorpusError(problems)
    return tuple(claims.values())


def _documents_of(value: Any) -> Iterator[str]:
    """Each document that any stance names, however the rest of the file is made."""
    if isinstance(value, list):
        for item in value:
            yield from _documents_of(item)
    elif isinstance(value, dict):
        yield from (str(name) for key, name in value.items() if key == "document")
        yield from _documents_of(list(value.values()))


def _stances(entry: dict[str, Any], known: dict[str, Document]) -> Iterator[Stance]:
    for stance in entry["stances"]:
        if stance["stance"] not in STANCES:
            raise ValueError(f"stance {stance['stance']!r} is not one of {', '.join(STANCES)}")
        if stance["document"] not in known:
            raise ValueError(f"there is no document '{stance['document']}'")
        yield Stance(stance["document"], _span(stance, known[stance["document"]]), stance["stance"])


def _span(stance: dict[str, Any], document: Document) -> Span:
    if "quote" in stance:
        start = document.text.find(stance["quote"])
        if start < 0:
            raise ValueError(f"{document.file} does not hold the quote {stance['quote']!r}")
        return Span(start, start + len(stance["quote"]))
    for section in document.sections:
        if section.heading == stance["section"]:
            return section.span
    raise ValueError(f"{document.file} has no section '{stance['section']}'")
