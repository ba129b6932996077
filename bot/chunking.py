"""Cuts documents into passages and never rewrites: `passage.text == document.text[passage.start:passage.end]`.

    section ─paragraphs→ blocks ─(a list stays with its lead-in)→ pieces ─packed up to the encoder's limit→ passages

A passage that would begin with "This …" or "They …" begins with the sentence before it: two passages may share a sentence.

A piece that alone is too long is cut between sentences; a sentence that alone is too long is cut at a clause or a space,
never right behind a negation. A list that is too long for one passage is refused: cut anywhere, it would lose its lead-in.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

from bot.citations import keys, plain
from bot.errors import CorpusError, Problem
from bot.records import Document, Passage, Section, Span

VERSION = "2"  # raise it when the same document would be cut differently: built indexes then rebuild themselves

Measure = Callable[[str], int]

BLANK_LINE = re.compile(r"\n[ \t\r]*\n\s*")
LIST_ITEM = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s|^\s*\|", re.MULTILINE)  # or a row of a table, which needs its header as an item its lead-in
LEANING = re.compile(r"(?:This|It|They|These|Those|However|But|Such|That|He|She|Also|Therefore|Thus|Instead)\b")  # points back at a sentence not quoted
NEGATION = re.compile(r"(?:\b(?:no|not|never|without|cannot|nor|neither|do|does|did|is|are|was|were|should|must)|n['’]t)$", re.IGNORECASE)
BREAKS = (re.compile(r"[;:,.!?…]\s+"), re.compile(r"\s+"))


def cut(document: Document, count_tokens: Measure, limit: int) -> tuple[Passage, ...]:
    """The document's passages in reading order; none measures more than `limit` tokens. CorpusError for an uncuttable list."""
    passages: list[Passage] = []
    for number, section in enumerate(document.sections):
        header = context_header(document.title, section.heading)

        def fits(span: Span, header: str = header) -> bool:
            return count_tokens(header + document.text[span.start : span.end]) <= limit

        passages += [passage_of(document, number, span) for span in _pack(document, _pieces(document, section, fits), fits)]
    return tuple(passages)


def context_header(title: str, heading: str) -> str:
    """What is put before a passage for encoding only, so that its vector knows the subject."""
    return f"{title} › {heading}\n" if heading != title else f"{title}\n"


def encoded_text(passage: Passage) -> str:
    """What the encoder and BM25 read for a passage: its header, then its text without citations."""
    return context_header(passage.title, passage.heading) + plain(passage.text)


def sentences(text: str) -> list[Span]:
    """Spans of the sentences of `text`, trimmed, in order (sentencex; offsets are ours and exact)."""
    import sentencex  # a server with a built index cuts nothing

    spans = []
    for boundary in sentencex.get_sentence_boundaries("en", text):
        span = _trim(text, Span(boundary["start_index"], boundary["end_index"]))
        if span.end > span.start:
            spans.append(span)
    return spans


def passage_of(document: Document, number: int, span: Span) -> Passage:
    """The passage that stands at `span` in section `number` of the document."""
    text = document.text[span.start : span.end]
    cited = tuple(keys(text)) or (document.references[0].key,)  # a quote that cites nothing rests on the document's first reference
    return Passage(text=text, **card_of(document, number, span, cited))


def card_of(document: Document, number: int, span: Span, cited: tuple[str, ...]) -> dict[str, Any]:
    """The fields of the passage at `span` in section `number` but its text, of which only the keys that it cites are known."""
    references = [reference for reference in document.references if reference.key in cited]
    return {
        "document_id": document.id,
        "file": document.file,
        "title": document.title,
        "topic": document.topic,
        "heading": document.sections[number].heading,
        "section": number,
        "start": span.start,
        "end": span.end,
        "status": document.status,
        "reviewed": document.reviewed,
        "review_by": document.review_by,
        "citations": cited,
        "page": bisect_right(document.pages, span.start) or None,
        "references": tuple(sorted(references, key=lambda reference: cited.index(reference.key))),
    }


def _pack(document: Document, pieces: Iterator[Span], fits: Callable[[Span], bool]) -> Iterator[Span]:
    current: Span | None = None
    for piece in (_trim(document.text, span) for span in pieces):
        if piece.start == piece.end:
            continue
        joined = Span(current.start, piece.end) if current else piece
        if current and not fits(joined):
            yield current
            joined = _anchored(document.text, current, piece, fits)
        current = joined
    if current:
        yield current


def _anchored(text: str, before: Span, piece: Span, fits: Callable[[Span], bool]) -> Span:
    """The piece, begun some sentences earlier where it points back: a quote keeps the noun of its pronoun. Never longer than fits."""
    wider = piece
    for sentence in reversed(sentences(text[before.start : before.end])):
        if not LEANING.match(text, wider.start):
            return wider
        longer = Span(before.start + sentence.start, piece.end)
        if not fits(longer):
            break
        wider = longer
    return wider


def _pieces(document: Document, section: Section, fits: Callable[[Span], bool]) -> Iterator[Span]:
    """The smallest spans that keep their meaning, each within the limit."""
    text = document.text
    for block in _blocks(text, section.span):
        if fits(block):
            yield block
            continue
        if LIST_ITEM.search(text, block.start, block.end) and document.converted:
            continue  # nobody can mend a list in a converted file, and without its lead-in it is not quoted
        if LIST_ITEM.search(text, block.start, block.end):
            line = text.count("\n", 0, block.start) + 1
            problem = "this list does not fit into one passage with its lead-in; make two lists, each with a lead-in"
            raise CorpusError([Problem(document.file, line, problem)])
        for sentence in sentences(text[block.start : block.end]):
            yield from _within(text, Span(block.start + sentence.start, block.start + sentence.end), fits)


def _blocks(text: str, span: Span) -> Iterator[Span]:
    """Paragraphs; a list that follows its lead-in after a blank line is joined to it, item paragraphs to their list."""
    current: Span | None = None
    for paragraph in _split(text, span, BLANK_LINE):
        is_list = LIST_ITEM.match(text[paragraph.start : paragraph.end]) is not None
        if current and is_list:
            current = Span(current.start, paragraph.end)
            continue
        if current:
            yield current
        current = paragraph
    if current:
        yield current


def _within(text: str, span: Span, fits: Callable[[Span], bool]) -> Iterator[Span]:
    """`span`, or the parts of a sentence too long for the encoder, halved at the gentlest break near the middle."""
    if fits(span) or span.end - span.start < 2:
        yield span
        return
    middle = _break(text, span)
    for part in (_trim(text, Span(span.start, middle)), _trim(text, Span(middle, span.end))):
        if part.end > part.start:
            yield from _within(text, part, fits)


def _break(text: str, span: Span) -> int:
    centre = (span.start + span.end) // 2
    for pattern in BREAKS:
        places = [match.end() for match in pattern.finditer(text, span.start + 1, span.end - 1)]
        safe = [place for place in places if not NEGATION.search(text[max(span.start, place - 12) : place].rstrip())]
        if safe:
            return min(safe, key=lambda place: abs(place - centre))
    return centre


def _split(text: str, span: Span, separator: re.Pattern[str]) -> Iterator[Span]:
    start = span.start
    for match in separator.finditer(text, span.start, span.end):
        if match.start() > start:
            yield Span(start, match.start())
        start = match.end()
    if span.end > start:
        yield Span(start, span.end)


def _trim(text: str, span: Span) -> Span:
    start, end = span.start, span.end
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end)
