"""Which fact of the dossiers stands in which document, or why it was left out: coverage.csv (fact, document, reason)."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from bot.corpus.faults import FaultError, decode
from bot.errors import CorpusError, Problem

COVERAGE = "coverage.csv"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: the documents that use it, or the reason why none does."""

    id: str
    documents: tuple[str, ...]
    reason: str


def read_coverage(folder: Path) -> tuple[Fact, ...]:
    """Every fact of coverage.csv. Raises CorpusError where the table cannot be read."""
    path = folder / COVERAGE
    try:
        text = decode(path.read_bytes())
    except FaultError as fault:
        raise CorpusError([Problem(COVERAGE, fault.line, fault.message)]) from fault
    except OSError as error:
        raise CorpusError([Problem(COVERAGE, 1, "missing; it has the columns fact, document, reason")]) from error
    rows = csv.DictReader(io.StringIO(text))
    return tuple(Fact(row["fact"], tuple(row["document"].split()), row["reason"]) for row in rows)
