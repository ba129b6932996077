"""One Markdown document with YAML front matter: the format of corpus/README.md."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from bot.citations import CITATION, KEY
from bot.corpus.faults import FaultError, decode, line
from bot.records import Document, Reference, Section, Span

TOPICS = ("basics", "pain", "safety", "dependence", "interactions", "groups", "products", "law", "help", "articles")
REQUIRED = ("id", "title", "topic", "status", "reviewed", "review_by")

FRONT_MATTER = re.compile(r"---\r?\n(.*?)^---[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^##[ \t]+(.+?)[ \t]*\r?$\n?", re.MULTILINE)
QUESTIONS = re.compile(r"\s*^:::[ \t]*questions[ \t]*\r?$\n(.*?)^:::[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)
IDENTIFIER = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is there: ten times as fast


def read_document(path: Path, name: str, bibliography: dict[str, Reference], topics: Sequence[str] = TOPICS) -> Document:
    """The document in the file at `path`, shown as `name`; `topics`: those it may have. Raises FaultError at the first mistake."""
    data = path.read_bytes()
    text = decode(data)
    fields, body = _front_matter(text, topics)
    sections = tuple(_sections(text, body, fields))
    if not sections:
        raise FaultError(line(text, body), "the document has no text; write at least one '## ' section")
    own = fields.get("reference")
    references = tuple(_resolve(text, body, own, bibliography))
    if not references:
        raise FaultError(1, "no citation and no 'reference:' in the front matter, so nothing can be graded or dated; cite a source")
    return Document(
        id=str(fields["id"]),
        title=str(fields["title"]),
        topic=str(fields["topic"]),
        status=str(fields["status"]),
        reviewed=str(fields["reviewed"]),
        review_by=str(fields["review_by"]),
        file=name,
        text=text,
        sha256=hashlib.sha256(data).hexdigest(),
        sections=sections,
        references=references,
    )


def _front_matter(text: str, topics: Sequence[str]) -> tuple[dict[str, Any], int]:
    match = FRONT_MATTER.match(text)
    if not match:
        raise FaultError(1, "no front matter; begin with a '---' line, the fields, and a closing '---' line; `python -m bot init` writes it")
    try:
        fields = yaml.load(match.group(1), Loader=LOADER)  # noqa: S506  # a safe loader either way
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise FaultError(mark.line + 2 if mark else 1, f"broken YAML in the front matter: {getattr(error, 'problem', error)}") from error
    except ValueError as error:  # 2026-02-31: a date in form, but no day
        raise FaultError(2, f"a value in the front matter cannot be read: {error}") from error
    if not isinstance(fields, dict):
        raise FaultError(2, "the front matter must be 'field: value' lines")
    _check_fields(text, fields, topics)
    return fields, match.end()


def _check_fields(text: str, fields: dict[str, Any], topics: Sequence[str]) -> None:
    def fault(field: str, message: str) -> FaultError:
        place = re.search(rf"^{field}:", text, re.MULTILINE)
        return FaultError(line(text, place.start()) if place else 1, message)

    for field in REQUIRED:
        if fields.get(field) in (None, ""):
            raise fault(field, f"the front matter has no '{field}'; add it")
    if not IDENTIFIER.fullmatch(str(fields["id"])):
        raise fault("id", f"id {fields['id']!r} must be lower-case words joined by hyphens")
    if fields["topic"] not in topics:
        raise fault("topic", f"topic {fields['topic']!r} is not one of {', '.join(topics)}")
    if fields["status"] not in ("reviewed", "unreviewed"):
        raise fault("status", f"status {fields['status']!r} must be 'reviewed' or 'unreviewed'")
    for field in ("reviewed", "review_by"):
        if not isinstance(fields[field], date):
            raise fault(field, f"{field} {fields[field]!r} is not a date such as 2026-11-22")


def _sections(text: str, body: int, fields: dict[str, Any]) -> Iterator[Section]:
    headings = list(HEADING.finditer(text, body))
    lead_end = headings[0].start() if headings else len(text)
    lead = _trimmed(text, body, lead_end)
    if lead:
        if headings:
            raise FaultError(line(text, lead.start), "text before the first '## ' heading belongs to no section; give it a heading")
        yield Section(str(fields["title"]), (), lead)
    ends = [*(heading.start() for heading in headings[1:]), len(text)]
    for heading, end in zip(headings, ends, strict=False):  # a document without headings has one end and no heading
        start = heading.end()
        block = QUESTIONS.match(text, start, end)
        questions = _questions(text, block) if block else ()
        span = _trimmed(text, block.end() if block else start, end)
        if not span:
            raise FaultError(line(text, heading.start()), f"section '{heading.group(1)}' has no text; write it or delete the heading")
        if ":::" in text[span.start : span.end]:
            raise FaultError(line(text, text.index(":::", span.start)), "a ':::' block that is not a closed '::: questions' block right below its heading")
        yield Section(heading.group(1), questions, span)


def _questions(text: str, block: re.Match[str]) -> tuple[str, ...]:
    rows = [row.strip() for row in block.group(1).splitlines() if row.strip()]
    for row in rows:
        if not row.startswith("- ") or not row[2:].strip():
            raise FaultError(line(text, block.start(1)), f"in ::: questions, {row!r} is not a '- question' line")
    return tuple(row[2:].strip() for row in rows)


def _resolve(text: str, body: int, own: object, bibliography: dict[str, Reference]) -> Iterator[Reference]:
    seen: set[str] = set()
    places = [(0, str(own))] if own is not None else []
    places += [(match.start(), key) for match in CITATION.finditer(text, body) for key in KEY.findall(match.group())]
    for place, key in places:
        if key not in bibliography:
            raise FaultError(line(text, text.find(key, place)), f"citation '@{key}' is not in references.json; add the entry or mend the key")
        if key not in seen:
            seen.add(key)
            yield bibliography[key]


def _trimmed(text: str, start: int, end: int) -> Span | None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end) if end > start else None
