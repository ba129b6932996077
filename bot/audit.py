"""Reads the corpus as an editor would: python -m bot audit [--facts DIR].

    documents, claims, coverage, index ─checks→ Finding (error or notice) ─report→ text, and exit code 1 when there is an error

Errors: an uncited statement, an amount that could be taken, a vendor or method, a sentence that leans on one not quoted, an undated legal
paragraph, a number to call that is not ours, a document nobody finds, a fact neither used nor reasoned away, a text above grade 10, a
run of words taken from a source. Notices: what is past its review date, and the figures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median

from bot.chat import Bot
from bot.chunking import LEANING, sentences
from bot.citations import CITATION, keys, plain
from bot.corpus import read_coverage
from bot.markup import PHONE
from bot.readability import grade
from bot.records import Document, Passage, Span

MAX_GRADE = 10.0  # of any document; 8 for the median (corpus/README.md)
MEDIAN_GRADE = 8.0
REVIEW_DAYS = {"science": 732, "law and help lines": 184}  # 24 and 6 months: how long a check of a document may be trusted
RUN = 8  # words in a row that may not stand in a source

# A sentence without a citation may say whom to ask or what to do now, what is not known, or lead into a cited list.
UNCITED = re.compile(
    r"^(?:Ask|Tell|Call|Talk|Get|Keep|Bring|Check|Do not|Don't|Never|Stay|Give|Show|See|Look|Report|Write|Use|Treat|Read|Save|If|When|Before"
    r"|Until|People|Anyone|A (?:doctor|nurse|pharmacist|lawyer|poison center|vet|midwife|clinician)|Your|You|Poison Help|In the (?:US|UK)"
    r"|Some questions|Good questions|Help)\b"
    r"|\b(?i:not|no|cannot|never|unknown|unclear|nobody|none|neither|nothing|few|only|little|whether|may|might|could|differs?|var(?:y|ies))\b|:$",
)
ADVICE = re.compile(r"\b(?i:ask|tell|tells|telling|call|bring|doctor|pharmacist|clinician|midwife|vet|prescribes|911|website|poison center|questions?|photo)\b")
AMOUNT = re.compile(r"\b\d[\d.,]*\s*(?:mg|g|grams?|milligrams?|ml|milliliters?|ounces?|teaspoons?|scoops?|capsules?|tablets?|pills?)\b", re.IGNORECASE)
NOT_TAKEN = re.compile(
    r"\b(?:per gram|per item|per serving|limit|dry weight|law|seiz\w+|trial|stud(?:y|ies)|found|people|volunteers|adults|men|mice|rats|label"
    r"|powders? over|carry-on|fine|prison|possess\w*)\b",
    re.IGNORECASE,
)
FORBIDDEN = re.compile(
    r"\b(?:buy (?:it )?(?:from|at)|order (?:it )?online|best (?:vendor|brand)|discount|coupon|taper (?:by|down by)"
    r"|reduce (?:by|the dose by)|lemon tek|potentiate)\b",
    re.IGNORECASE,
)
LETHAL = re.compile(r"\b(?:more|less|as|times) (?:deadly|lethal|deadlier)\b|\b(?:deadlier|deadliest)\b|\blethal dose\b", re.IGNORECASE)
SHARE = re.compile(r"\b\d+(?:\.\d+)?(?:%| percent| (?:of|in) (?:every )?(?!(?:19|20)\d\d)\d+)", re.IGNORECASE)
OF_WHOM = re.compile(
    r"\b(?i:people|adults|women|men|users?|patients?|outpatients|veterans|students|chewers|volunteers|respondents|cases?|calls|deaths|trials?|studies|visits|reports"
    r"|products?|samples?|labels?|tablets|packages|alkaloids|dry weight|body weight"
    r"|tax|babies|children|teens|doctors|weeks|those with|levels?|posts|mothers|urine|teenagers|arrests|pharmacists|receptor)\b"
)
YEAR = re.compile(r"\b(?:19|20)\d\d\b|\bundated\b")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing an editor should know; an error stops a release."""

    error: bool
    place: str
    message: str

    def __str__(self) -> str:
        return f"{'error ' if self.error else 'notice'} {self.place}: {self.message}"


def audit(bot: Bot, today: date, facts: Path | None = None) -> list[Finding]:
    """Everything found, errors first. `facts`: the folder of the dossiers, where it is at hand."""
    ours = [document for document in bot.documents.values() if document.status == "reviewed" and not document.converted]
    findings = [finding for document in ours for check in CHECKS for finding in check(document, today)]
    findings += [*_passages(bot), *_help_lines(bot), *_reachable(bot), *_coverage(bot), *_median(ours)]
    if facts:
        findings += [*_uncovered(bot, facts), *_borrowed(ours, facts)]
    return sorted(findings, key=lambda finding: (not finding.error, finding.place))


def figures(bot: Bot) -> dict[str, float]:
    """Counts and shares for the report."""
    ours = [document for document in bot.documents.values() if document.status == "reviewed" and not document.converted]
    grades = [grade(_prose(document)) for document in ours]
    coverage = read_coverage(bot.settings.corpus)
    return {
        "documents": len(bot.documents),
        "passages": len(bot.index.passages),
        "references": len({reference.key for document in bot.documents.values() for reference in document.references}),
        "claims": len(bot.claims),
        "questions": len(bot.index.questions),
        "facts": len(coverage),
        "facts used": sum(bool(fact.documents) for fact in coverage),
        "facts left out with a reason": sum(not fact.documents for fact in coverage),
        "reading grade, median": round(median(grades), 2),
        "reading grade, worst": round(max(grades), 2),
    }


# --- one document -------------------------------------------------------------------------------------------------


def _overdue(document: Document, today: date) -> Iterator[Finding]:
    if date.fromisoformat(document.review_by) < today:
        yield Finding(False, document.file, f"past its review date {document.review_by}")


def _reviewed_often(document: Document, today: date) -> Iterator[Finding]:
    del today
    body = document.text[document.sections[0].span.start :]
    ages = document.topic == "law" or any(len(re.sub(r"\D", "", number)) >= 9 for number in PHONE.findall(body))
    kind = "law and help lines" if ages else "science"
    days = (date.fromisoformat(document.review_by) - date.fromisoformat(document.reviewed)).days
    if days > REVIEW_DAYS[kind]:
        yield Finding(True, document.file, f"review_by is {days} days after reviewed; {kind} is checked every {REVIEW_DAYS[kind]} days")


def _cited(document: Document, today: date) -> Iterator[Finding]:
    del today
    covered = False  # whether the lead-in of the list being read carries its citation
    for start, text in _sentences(document):
        sound = any(pattern.search(text) for pattern in (CITATION, UNCITED, ADVICE))
        if not sound and not (text.startswith("- ") and covered):
            yield _at(document, start, f"a statement without a citation: {text!r}")
        if not text.startswith("- "):
            covered = bool(CITATION.search(text) or ADVICE.search(text))


def _safe(document: Document, today: date) -> Iterator[Finding]:
    del today
    for start, cited in _sentences(document):
        text = plain(cited)
        if AMOUNT.search(text) and not NOT_TAKEN.search(text):
            yield _at(document, start, f"an amount without its study, law or label: {text!r}")
        if FORBIDDEN.search(text):
            yield _at(document, start, f"reads like a vendor, taper or method: {text!r}")
        if LETHAL.search(text):
            yield _at(document, start, f"compares how deadly things are: {text!r}")


def _standing(document: Document, today: date) -> Iterator[Finding]:
    del today
    for section in document.sections:
        for match in re.finditer(r"(?:^|\n[ \t]*\n)\s*(\S[^\n]*)", document.text[section.span.start : section.span.end]):
            if LEANING.match(match.group(1)):
                yield _at(document, section.span.start + match.start(1), f"a paragraph that leans on another: {match.group(1)[:60]!r}")


def _counted(document: Document, today: date) -> Iterator[Finding]:
    """A share says of whom or what, in its own paragraph: a number without its population means nothing when it is quoted."""
    del today
    for section in document.sections:
        for match in re.finditer(r"(?:[^\n]|\n(?!\s*\n))+", _slice(document, section.span)):
            text = plain(match.group())
            if SHARE.search(text) and not OF_WHOM.search(text):
                yield _at(document, section.span.start + match.start(), f"a share without its population: {text[:90]!r}")


def _dated(document: Document, today: date) -> Iterator[Finding]:
    del today
    for section in document.sections if document.topic == "law" else ():
        text = _slice(document, section.span)
        law = any(reference.jurisdiction and reference.key in keys(text) for reference in document.references)
        if law and not YEAR.search(plain(text)):
            yield _at(document, section.span.start, f"a legal section without a date: {section.heading!r}")


def _readable(document: Document, today: date) -> Iterator[Finding]:
    del today
    found = grade(_prose(document))
    if found > MAX_GRADE:
        yield Finding(True, document.file, f"reading grade {found:.1f}, above {MAX_GRADE:.0f}; shorten sentences and words")


CHECKS: tuple[Callable[[Document, date], Iterator[Finding]], ...] = (_overdue, _reviewed_often, _cited, _safe, _standing, _counted, _dated, _readable)


# --- all of them ----------------------------------------------------------------------------------------------------


def _median(documents: list[Document]) -> Iterator[Finding]:
    middle = median(grade(_prose(document)) for document in documents)
    if middle > MEDIAN_GRADE:
        yield Finding(True, "corpus", f"median reading grade {middle:.1f}, above {MEDIAN_GRADE:.0f}")


def _passages(bot: Bot) -> Iterator[Finding]:
    for passage in bot.index.passages:
        if len(plain(passage.text).split()) > 200:
            yield Finding(True, _name(passage), "over 200 words: too long to read on a phone; split the section")


def _help_lines(bot: Bot) -> Iterator[Finding]:
    known = {re.sub(r"\D", "", match).removeprefix("1") for match in PHONE.findall(bot.texts.everything)}
    for document in bot.documents.values():
        for match in PHONE.finditer(document.text):
            digits = re.sub(r"\D", "", match.group()).removeprefix("1")
            if len(digits) >= 9 and digits not in known:
                yield _at(document, match.start(), f"the number {match.group()} is not one of replies.toml")


def _reachable(bot: Bot) -> Iterator[Finding]:
    for document in bot.documents.values():
        questions = [section.questions[0] for section in document.sections if section.questions]
        found = [any(hit.passage.document_id == document.id for hit in bot.search(question, limit=3)) for question in questions]
        if questions and not any(found):
            yield Finding(True, document.file, "none of its own questions finds it among the first three")


def _coverage(bot: Bot) -> Iterator[Finding]:
    for fact in read_coverage(bot.settings.corpus):
        if unknown := [name for name in fact.documents if name not in bot.documents]:
            yield Finding(True, "coverage.csv", f"{fact.id} names {', '.join(unknown)}, which is no document")
        if not fact.documents and not fact.reason.strip():
            yield Finding(True, "coverage.csv", f"{fact.id} is neither used nor reasoned away")


def _uncovered(bot: Bot, facts: Path) -> Iterator[Finding]:
    listed = {fact.id for fact in read_coverage(bot.settings.corpus)}
    for path in sorted(facts.glob("*.md")):
        for name in re.findall(r"^- \[([A-Z]+-\d+|R\d+)\]", path.read_text("utf-8"), re.MULTILINE):
            if name not in listed:
                yield Finding(True, "coverage.csv", f"{name} of {path.name} is not listed")


def _borrowed(documents: list[Document], facts: Path) -> Iterator[Finding]:
    """Runs of eight words or more that also stand in a dossier, unless most of them are names and figures."""
    runs = {run for path in facts.glob("*.md") for line in path.read_text("utf-8").splitlines() for run in _runs(line)}
    for document in documents:
        for start, text in _sentences(document):
            for run in _runs(text):
                if run in runs and sum(word.islower() and word.isalpha() for word in run) > RUN // 2:
                    yield _at(document, start, f"eight words of a dossier: {' '.join(run)!r}")
                    break


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = re.findall(r"[\w'-]+", plain(text))
    yield from (tuple(words[place : place + RUN]) for place in range(len(words) - RUN + 1))


def _sentences(document: Document) -> Iterator[tuple[int, str]]:
    for section in document.sections:
        text = document.text[section.span.start : section.span.end]
        for block in re.finditer(r"(?:[^\n]|\n(?![ \t]*\n|[ \t]*-))+", text):
            for span in sentences(block.group()):
                start = section.span.start + block.start() + span.start
                yield start, block.group()[span.start : span.end].strip()


def _prose(document: Document) -> str:
    return "\n".join(plain(_slice(document, section.span)).replace("\n- ", ".\n") for section in document.sections)


def _slice(document: Document, span: Span) -> str:
    return document.text[span.start : span.end]


def _at(document: Document, offset: int, message: str) -> Finding:
    return Finding(True, f"{document.file}:{document.text.count(chr(10), 0, offset) + 1}", message)


def _name(passage: Passage) -> str:
    return f"{passage.file} › {passage.heading}"
