"""The pieces every page is made of, as HTML: a fixed text, a quoted text with its marks and citations, sources, links to call.

Everything is escaped, and nothing is added but labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby, pairwise
from urllib.parse import quote

from bot.citations import CITATION, keys
from bot.records import Notice, Passage, Reference, Span
from bot.replies import Texts

PHONE = re.compile(
    r"(?<![\w-])(?:\(\d{3}\) \d{3}-\d{4}|1?-?\d{3}-\d{3}-\d{4}|\d{2} \d{2} \d{2}|0\d{4} \d{6}|\d{4} \d{3} \d{3}|116 123|9-8-8|911|999|000|112|988|111)(?![\w-])"
)
TEXT_TO = re.compile(r"(?P<call>\b[Cc]all or )?\b(?P<word>text) (?P<number>\d[\d -]{1,13}\d)(?!\w)")  # "call or text 988", "text 838255"
TRANSLATED = re.compile(r"-(es|fr|de|pt|id|ms|th|zh|vi|ar)$")  # a fixed text in another language says so in its key
LIST_ITEM = re.compile(r"[-*+•]\s+")

# One sign per level, so that neither colour nor the word alone tells urgency: an octagon, a telephone, a question, a bar, a triangle, an i.
SIGNS = {
    "emergency": "M8 2h8l6 6v8l-6 6H8l-6-6V8zM12 7v6M12 16v1",
    "crisis": "M6 3h4l2 5-3 2c1 3 2 4 5 5l2-3 5 2v4c0 2-2 3-4 3C10 20 4 14 3 7c0-2 1-4 3-4z",
    "check": "M12 2a10 10 0 1 0 .1 0M9 9.5a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1-1.5 2M12 16.5v1",
    "decline": "M12 2a10 10 0 1 0 .1 0M7 12h10",
    "caution": "M12 3l10 18H2zM12 10v5M12 17.5v1",
    "info": "M12 2a10 10 0 1 0 .1 0M12 11v6M12 7v1",
}


def notice_html(notice: Notice, label: Mapping[str, str]) -> str:
    """One fixed text as a banner: title, the word and the sign of its level, lines with numbers to tap."""
    lines = "".join(f"<li>{phones_html(line)}</li>" for line in notice.text.splitlines())
    translated = TRANSLATED.search(notice.key)
    language = translated.group(1) if translated else "en"
    sign = f'<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="{SIGNS[notice.level]}"/></svg>'
    return (
        f'<section class="kf-banner kf-level-{escape(notice.level)}" data-key="{escape(notice.key)}" lang="{language}" dir="auto"><div class="kf-top">'
        f'<h2 class="kf-title">{phones_html(notice.title)}</h2><p class="kf-kind" lang="en">{sign} {escape(label[f"level_{notice.level}"])}</p></div>'
        f"<ul>{lines}</ul></section>"
    )


def phones_html(text: str) -> str:
    """Escaped text with each telephone number as a tap-to-call link, and each number to text as a link to a message, around the same characters."""
    parts, last = [], 0
    for match in sorted([*TEXT_TO.finditer(text), *PHONE.finditer(text)], key=lambda one: one.start()):
        if match.start() < last:
            continue
        parts.append(escape(text[last : match.start()]))
        parts.append(_text_to(match) if match.re is TEXT_TO else _dial("tel", match.group(), match.group()))
        last = match.end()
    return "".join([*parts, escape(text[last:])])


def _text_to(match: re.Match[str]) -> str:
    word, number = match.group("word"), match.group("number")
    if match.group("call"):
        return f"{match.group('call')}{_dial('sms', number, word)} {_dial('tel', number, number)}"
    return f"{word} {_dial('sms', number, number)}"


def _dial(scheme: str, number: str, shown: str) -> str:
    return f'<a href="{scheme}:{re.sub(r"[^0-9]", "", number)}">{escape(shown)}</a>'


def context_address(passage: Passage) -> str:
    """Where the passage stands in its document, for good: the link names the passage's text, not its place."""
    return f"/read/{quote(passage.document_id)}?passage={passage.key}#passage"


def references_html(references: Sequence[Reference], texts: Texts) -> str:
    """The sources of a passage or a document, numbered as its citations are."""
    rows = []
    for reference in references:
        title = link_html(reference.url, reference.title) or f"<span>{escape(reference.title)}</span> "
        note = f' · <span class="kf-note">{escape(reference.interest)}</span>' if reference.interest else ""
        rows.append(
            f"<li>{title}<cite>{escape(reference.source)}</cite> · "
            f'<span class="kf-tier">{escape(reference.tier)}</span> · {dated_html(reference, texts)}{note}</li>'
        )
    return f'<ol class="kf-references">{"".join(rows)}</ol>'


def dated_html(reference: Reference, texts: Texts) -> str:
    """The date a reference speaks for, or the day it was read."""
    label = texts.labels["undated" if reference.undated else "as_of"]
    return f"<span>{escape(label)}</span> <time>{escape(reference.as_of)}</time>"


def link_html(url: str | None, text: str) -> str:
    """A link to another site; nothing where the address is no web address."""
    if not url or not re.match(r"https?://", url):
        return ""
    return f'<a href="{escape(url, quote=True)}" target="_blank" rel="noopener noreferrer">{escape(text)}</a> '


def text_html(text: str, span: Span, mark: Span | None, numbers: Mapping[str, int]) -> str:
    """The text at `span` as paragraphs and lists, `mark` marked, citations as numbers."""
    html = []
    for is_item, lines in groupby(_lines(text, span), key=lambda line: line[1]):
        tag = "li" if is_item else "p"
        body = "".join(f"<{tag}>{_runs(text, line, mark, numbers)}</{tag}>" for line, _ in lines)
        html.append(f"<ul>{body}</ul>" if is_item else body)
    return "".join(html)


def _lines(text: str, span: Span) -> Iterator[tuple[Span, bool]]:
    """Paragraphs and list items of a span: (where, whether it is a list item)."""
    paragraph: Span | None = None
    for match in re.compile(r"[^\n]+|\n[ \t\r]*(?=\n)").finditer(text, span.start, span.end):
        start = match.start() + len(match.group()) - len(match.group().lstrip())
        item = LIST_ITEM.match(text, start, match.end())
        if paragraph and (item or not match.group().strip()):
            yield paragraph, False
            paragraph = None
        if item:
            yield Span(item.end(), match.end()), True
        elif match.group().strip():
            paragraph = Span(paragraph.start if paragraph else start, match.end())
    if paragraph:
        yield paragraph, False


def _runs(text: str, line: Span, mark: Span | None, numbers: Mapping[str, int]) -> str:
    edges = {line.start, line.end}
    if mark:
        edges |= {edge for edge in (mark.start, mark.end) if line.start < edge < line.end}
    citations = list(CITATION.finditer(text, line.start, line.end))
    for citation in citations:
        edges |= {citation.start(), citation.end()}
    cited = {citation.start(): citation.group() for citation in citations}
    html = []
    places = sorted(edges)
    for start, end in pairwise(places):
        if start in cited:
            shown = ",".join(str(numbers[key]) for key in keys(cited[start]) if key in numbers)
            html.append(f'<sup class="kf-cite" data-n="{shown}" aria-hidden="true"></sup>')
        elif not any(citation.start() < start < citation.end() for citation in citations):
            run = escape(text[start:end])
            html.append(f"<mark>{run}</mark>" if mark and mark.start <= start and end <= mark.end else run)
    return "".join(html)
