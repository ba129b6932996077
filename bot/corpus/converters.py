"""Other formats an operator drops into corpus/: text with exact offsets, page numbers where there are pages.

    .txt .html .pdf .docx .csv ─convert→ Document (unreviewed unless a sidecar says otherwise)

`NAME.pdf.yaml` beside a file may give title, topic, tier, as_of, source and url; without it the document is of tier "unreviewed", as of the
day the file was last changed. pypdf, python-docx and Beautiful Soup do the reading: pip install 'kratom-faq[convert]'.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from bot.corpus.documents import TOPICS
from bot.corpus.faults import FaultError, decode
from bot.records import TIERS, Document, Reference, Section, Span

MAX_BYTES = 20_000_000  # a file: a scanned book is smaller, a dump of a database is not
MAX_TEXT = 5_000_000  # characters of converted text: forty times our whole corpus
MAX_UNPACKED = 100_000_000  # bytes a .docx may unpack to: real ones stay below ten times their size
PAGE = "\f"  # stands between two pages of converted text

Converted = tuple[str, list[tuple[str, Span]]]  # the text, and (question, where its answer stands) of a FAQ


def convert(path: Path, name: str, topics: Sequence[str] = TOPICS) -> Document:
    """The document in a file of another format, of the last of `topics` unless its sidecar says otherwise. Raises FaultError saying why it is refused."""
    data = _bytes(path)
    try:
        text, answers = CONVERTERS[path.suffix.lower()](data)
    except ImportError as error:
        raise FaultError(1, f"{path.suffix} files need a converter ({error.name}); run: pip install 'kratom-faq[convert]'") from error
    if len(text) > MAX_TEXT:
        raise FaultError(1, f"the text is {len(text):,} characters long, more than {MAX_TEXT:,}; split the file")
    if not text.strip():
        raise FaultError(1, "no text in it (a scan?); make the text selectable first")
    card = _sidecar(path, topics)
    title = str(card.get("title") or path.stem.replace("-", " ").replace("_", " "))
    identity = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    changed = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
    reference = Reference(
        identity,
        title,
        str(card.get("source") or "supplied by the operator"),
        str(card.get("tier", "unreviewed")),
        str(card.get("as_of", changed)),
        card.get("url"),
    )
    sections = tuple(Section(question, (question,), span) for question, span in answers) or (Section(title, (), _whole(text)),)
    status = "reviewed" if card.get("tier", "unreviewed") != "unreviewed" else "unreviewed"
    return Document(
        id=identity,
        title=title,
        topic=str(card.get("topic", topics[-1])),
        status=status,
        reviewed=str(card.get("reviewed", changed)),
        review_by=str(card.get("review_by", f"{int(changed[:4]) + 1}{changed[4:]}")),
        file=name,
        text=text,
        sha256=hashlib.sha256(data).hexdigest(),
        sections=sections,
        references=(reference,),
        pages=_pages(text),
        converted=True,
    )


def _bytes(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise FaultError(1, f"the file is {size:,} bytes, more than {MAX_BYTES:,}; split it")
    return path.read_bytes()


def _sidecar(path: Path, topics: Sequence[str]) -> dict[str, Any]:
    beside = path.with_name(f"{path.name}.yaml")
    if not beside.is_file():
        return {}
    try:
        card = yaml.safe_load(decode(beside.read_bytes())) or {}
    except yaml.YAMLError as error:
        raise FaultError(1, f"{beside.name} is broken YAML: {error}") from error
    if not isinstance(card, dict):
        raise FaultError(1, f"{beside.name} must be 'field: value' lines")
    if card.get("tier", "unreviewed") not in TIERS or card.get("topic", topics[-1]) not in topics:
        raise FaultError(1, f"{beside.name}: tier must be one of {', '.join(TIERS)}, topic one of {', '.join(topics)}")
    if card.get("url") is not None and not re.match(r"https?://\S+$", str(card["url"])):
        raise FaultError(1, f"{beside.name}: url is not an http(s) address")
    return card


def _whole(text: str) -> Span:
    return Span(len(text) - len(text.lstrip()), len(text.rstrip()))


def _pages(text: str) -> tuple[int, ...]:
    if PAGE not in text:
        return ()
    return (0, *(match.end() for match in re.finditer(PAGE, text)))


def _txt(data: bytes) -> Converted:
    return decode(data).replace(PAGE, "\n"), []


def _html(data: bytes) -> Converted:
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(decode(data), "html.parser")
    for tag in soup(["script", "style", "template", "noscript", "iframe", "object", "svg", "head", "nav", "form"]):
        tag.decompose()
    lines = (line.strip() for line in soup.get_text("\n").splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip().replace(PAGE, " "), []


def _pdf(data: bytes) -> Converted:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted:
            raise FaultError(1, "the PDF is encrypted; save a copy without a password")
        return PAGE.join(page.extract_text().replace(PAGE, "\n") for page in reader.pages), []
    except (PyPdfError, ValueError, KeyError, TypeError, RecursionError, AttributeError, OverflowError) as error:
        raise FaultError(1, f"the PDF is broken ({error}); save it again from its program") from error


def _docx(data: bytes) -> Converted:
    from docx import Document as Word

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED:
                raise FaultError(1, "the file unpacks to more than it should; it is refused")
        word = Word(io.BytesIO(data))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise FaultError(1, f"the Word file is broken or encrypted ({error}); save it again from its program") from error
    return "\n\n".join(paragraph.text.strip() for paragraph in word.paragraphs if paragraph.text.strip()).replace(PAGE, " "), []


def _csv(data: bytes) -> Converted:
    try:
        rows = list(csv.DictReader(io.StringIO(decode(data))))
    except csv.Error as error:
        raise FaultError(1, f"broken CSV: {error}") from error
    if not rows or not {"question", "answer"} <= {str(name).strip().lower() for name in rows[0]}:
        raise FaultError(1, "a FAQ in CSV needs the columns 'question' and 'answer'")
    text, answers = "", []
    for number, raw in enumerate(rows, start=2):
        row = {str(name).strip().lower(): (value or "").strip() for name, value in raw.items() if isinstance(value, str)}
        if not row.get("question") or not row.get("answer"):
            raise FaultError(number, "a row without a question or without an answer")
        start = len(text) + len(row["question"]) + 1
        text += f"{row['question']}\n{row['answer']}\n\n"
        answers.append((row["question"], Span(start, start + len(row["answer"]))))
    return text, answers


CONVERTERS: dict[str, Callable[[bytes], Converted]] = {".txt": _txt, ".html": _html, ".htm": _html, ".pdf": _pdf, ".docx": _docx, ".csv": _csv}
SUFFIXES = frozenset(CONVERTERS)
