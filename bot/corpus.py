"""The only door to corpus/: Markdown documents and their bibliography become frozen records, or errors with file and line.

    corpus/**/*.md + corpus/references.json  ->  tuple[Document, ...]

The format is described in corpus/README.md. `Document.text` is the whole file, so every offset is an offset into the file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from bot.citations import CITATION, KEY
from bot.errors import CorpusError, Problem
from bot.records import TIERS, Document, Reference, Section, Span

BIBLIOGRAPHY = "references.json"
TOPICS = ("basics", "pain", "safety", "dependence", "interactions", "groups", "products", "law", "help", "articles")
REQUIRED = ("id", "title", "topic", "status", "reviewed", "review_by")

FRONT_MATTER = re.compile(r"---\r?\n(.*?)^---[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^##[ \t]+(.+?)[ \t]*\r?$\n?", re.MULTILINE)
QUESTIONS = re.compile(r"\s*^:::[ \t]*questions[ \t]*\r?$\n(.*?)^:::[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)
IDENTIFIER = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _FaultError(Exception):
    """A problem found while reading one file; collected, never shown as it is."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        self.message = message


def read_corpus(folder: Path) -> tuple[Document, ...]:
    """All documents, in order of their paths. Raises CorpusError listing every problem in every file."""
    problems: list[Problem] = []
    bibliography: dict[str, Reference] = {}
    try:
        bibliography = _read_bibliography(folder / BIBLIOGRAPHY)
    except _FaultError as fault:
        problems.append(Problem(BIBLIOGRAPHY, fault.line, fault.message))
    documents: dict[str, Document] = {}
    for path in document_paths(folder):
        name = path.relative_to(folder).as_posix()
        try:
            document = _read_document(path, name, bibliography)
            if document.id in documents:
                raise _FaultError(2, f"id '{document.id}' is already used by {documents[document.id].file}; choose another")
            documents[document.id] = document
        except _FaultError as fault:
            problems.append(Problem(name, fault.line, fault.message))
    if not documents and not problems:
        problems.append(Problem(str(folder), 1, "no documents here; add one, or point KRATOM_FAQ_CORPUS at the folder that holds them"))
    if problems:
        raise CorpusError(problems)
    return tuple(documents.values())


def document_paths(folder: Path) -> list[Path]:
    """The files that are documents: every `.md` but a README."""
    return sorted(path for path in folder.rglob("*.md") if path.name != "README.md")


def corpus_fingerprint(documents: tuple[Document, ...]) -> str:
    """sha256 over what the index depends on: each document's path and bytes, and the references it cites."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update(f"{document.file}\0{document.sha256}\0{document.references!r}\n".encode())
    return digest.hexdigest()


# --- one document -------------------------------------------------------------------------------------------------


def _read_document(path: Path, name: str, bibliography: dict[str, Reference]) -> Document:
    data = path.read_bytes()
    text = _decode(data)
    fields, body = _front_matter(text)
    sections = tuple(_sections(text, body, fields))
    if not sections:
        raise _FaultError(_line(text, body), "the document has no text; write at least one '## ' section")
    own = fields.get("reference")
    references = tuple(_resolve(text, body, own, bibliography))
    if not references:
        raise _FaultError(1, "no citation and no 'reference:' in the front matter, so nothing can be graded or dated; cite a source")
    return Document(
        **{key: str(fields[key]) for key in REQUIRED},
        file=name,
        text=text,
        sha256=hashlib.sha256(data).hexdigest(),
        sections=sections,
        references=references,
    )


def _decode(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _FaultError(data[: error.start].count(b"\n") + 1, "not UTF-8; save the file as UTF-8") from error
    if not text.strip():
        raise _FaultError(1, "the file is empty; delete it or write the document")
    if text.startswith("\ufeff"):
        raise _FaultError(1, "the file starts with a byte-order mark; save it as UTF-8 without one")
    return text


def _front_matter(text: str) -> tuple[dict[str, Any], int]:
    match = FRONT_MATTER.match(text)
    if not match:
        raise _FaultError(1, "no front matter; begin with a '---' line, the fields, and a closing '---' line")
    try:
        fields = yaml.load(match.group(1), Loader=_Loader)  # noqa: S506  # a safe loader either way
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise _FaultError(mark.line + 2 if mark else 1, f"broken YAML in the front matter: {getattr(error, 'problem', error)}") from error
    if not isinstance(fields, dict):
        raise _FaultError(2, "the front matter must be 'field: value' lines")
    _check_fields(text, fields)
    return fields, match.end()


def _check_fields(text: str, fields: dict[str, Any]) -> None:
    def fault(field: str, message: str) -> _FaultError:
        place = re.search(rf"^{field}:", text, re.MULTILINE)
        return _FaultError(_line(text, place.start()) if place else 1, message)

    for field in REQUIRED:
        if fields.get(field) in (None, ""):
            raise fault(field, f"the front matter has no '{field}'; add it")
    if not IDENTIFIER.fullmatch(str(fields["id"])):
        raise fault("id", f"id {fields['id']!r} must be lower-case words joined by hyphens")
    if fields["topic"] not in TOPICS:
        raise fault("topic", f"topic {fields['topic']!r} is not one of {', '.join(TOPICS)}")
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
            raise _FaultError(_line(text, lead.start), "text before the first '## ' heading belongs to no section; give it a heading")
        yield Section(str(fields["title"]), (), lead)
    ends = [*(heading.start() for heading in headings[1:]), len(text)]
    for heading, end in zip(headings, ends, strict=False):  # a document without headings has one end and no heading
        start = heading.end()
        block = QUESTIONS.match(text, start, end)
        questions = _questions(text, block) if block else ()
        span = _trimmed(text, block.end() if block else start, end)
        if not span:
            raise _FaultError(_line(text, heading.start()), f"section '{heading.group(1)}' has no text; write it or delete the heading")
        if ":::" in text[span.start : span.end]:
            raise _FaultError(_line(text, text.index(":::", span.start)), "a ':::' block that is not a closed '::: questions' block right below its heading")
        yield Section(heading.group(1), questions, span)


def _questions(text: str, block: re.Match[str]) -> tuple[str, ...]:
    lines = [line.strip() for line in block.group(1).splitlines() if line.strip()]
    for line in lines:
        if not line.startswith("- ") or not line[2:].strip():
            raise _FaultError(_line(text, block.start(1)), f"in ::: questions, {line!r} is not a '- question' line")
    return tuple(line[2:].strip() for line in lines)


def _resolve(text: str, body: int, own: object, bibliography: dict[str, Reference]) -> Iterator[Reference]:
    seen: set[str] = set()
    places = [(0, str(own))] if own is not None else []
    places += [(match.start(), key) for match in CITATION.finditer(text, body) for key in KEY.findall(match.group())]
    for place, key in places:
        if key not in bibliography:
            raise _FaultError(_line(text, text.find(key, place)), f"citation '@{key}' is not in {BIBLIOGRAPHY}; add the entry or mend the key")
        if key not in seen:
            seen.add(key)
            yield bibliography[key]


def _trimmed(text: str, start: int, end: int) -> Span | None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end) if end > start else None


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, max(offset, 0)) + 1


# --- the bibliography ---------------------------------------------------------------------------------------------


def _read_bibliography(path: Path) -> dict[str, Reference]:
    if not path.is_file():
        raise _FaultError(1, "missing; it is a JSON array of CSL-JSON entries ([] when there are none yet)")
    text = _decode(path.read_bytes())
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        raise _FaultError(error.lineno, f"broken JSON: {error.msg}") from error
    if not isinstance(entries, list):
        raise _FaultError(1, "must be a JSON array of CSL-JSON entries")
    bibliography: dict[str, Reference] = {}
    for entry in entries:
        key = entry.get("id") if isinstance(entry, dict) else None
        place = text.find(f'"{key}"')
        if not isinstance(key, str) or not KEY.fullmatch(f"@{key}"):
            raise _FaultError(_line(text, place), f"entry {str(entry)[:60]!r} has no usable 'id'")
        if key in bibliography:
            raise _FaultError(_line(text, text.rfind(f'"{key}"')), f"id '{key}' is there twice")
        try:
            bibliography[key] = _reference(key, entry)
        except ValueError as error:
            raise _FaultError(_line(text, place), f"entry '{key}': {error}") from error
    return bibliography


def _reference(key: str, entry: dict[str, Any]) -> Reference:
    custom = entry.get("custom")
    if not isinstance(custom, dict):
        raise ValueError("no 'custom' with tier and as_of")
    tier, as_of = custom.get("tier"), str(custom.get("as_of", ""))
    if tier not in TIERS:
        raise ValueError(f"tier {tier!r} is not one of {', '.join(TIERS)}")
    if not re.fullmatch(r"\d{4}(-\d{2}){0,2}", as_of):
        raise ValueError(f"as_of {as_of!r} is not a date such as 2021, 2021-01 or 2021-01-15")
    if not entry.get("title"):
        raise ValueError("no title")
    return Reference(
        key,
        entry["title"],
        _publisher(entry),
        tier,
        as_of,
        _link(entry),
        custom.get("jurisdiction"),
        custom.get("interest"),
        bool(custom.get("undated", False)),
    )


def _publisher(entry: dict[str, Any]) -> str:
    if entry.get("container-title") or entry.get("publisher"):
        return str(entry.get("container-title") or entry["publisher"])
    authors = entry.get("author") or [{"literal": "unknown publisher"}]
    return str(authors[0].get("literal") or authors[0].get("family"))


def _link(entry: dict[str, Any]) -> str | None:
    if entry.get("DOI"):
        return f"https://doi.org/{entry['DOI']}"
    url = entry.get("URL")
    if url is not None and not re.match(r"https?://[^\s]+$", str(url)):
        raise ValueError(f"URL {url!r} is not an http(s) address")
    if url is None and entry.get("PMID"):
        return f"https://pubmed.ncbi.nlm.nih.gov/{entry['PMID']}/"
    return url
