"""A Reply as HTML for the page, Markdown for export, plain text for the terminal. Everything is escaped; nothing is added but labels.

A quote is shown as the document has it: paragraphs, lists, the answering sentence marked, citations as small numbers that belong to
the list of sources below. Numbers come from the style sheet, so that every character a reader can select is the document's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from html import escape
from itertools import groupby, pairwise
from typing import Any
from urllib.parse import quote

from bot.citations import CITATION, keys, plain
from bot.records import Document, Hit, Notice, Passage, Reference, Reply, Span
from bot.replies import Texts

PHONE = re.compile(
    r"(?<![\w-])(?:\(\d{3}\) \d{3}-\d{4}|1?-?\d{3}-\d{3}-\d{4}|\d{2} \d{2} \d{2}|0\d{4} \d{6}|\d{4} \d{3} \d{3}|116 123|9-8-8|911|999|000|112|988|111)(?![\w-])"
)
TRANSLATED = re.compile(r"-(es|fr|de|pt|id|ms|th|zh|vi|ar)$")  # a fixed text in another language says so in its key
LIST_ITEM = re.compile(r"[-*+•]\s+")


# --- HTML ---------------------------------------------------------------------------------------------------------


def as_html(reply: Reply, message: str, texts: Texts, today: date) -> str:
    """The answer card: banners by urgency, then the lead quote, further passages folded."""
    label = texts.labels
    parts = [_banner(notice) for notice in _before(reply.notices)]
    if reply.carried and reply.action not in ("crisis", "emergency", "smalltalk"):
        parts.append(_searched(reply.query, message, label))
    if reply.hits:
        if reply.missing:
            words = ", ".join(f"<q>{escape(word)}</q>" for word in reply.missing)
            parts.append(f'<p class="kf-meta">{escape(label["missing"])} {words}</p>')
        quotes = _quotes(reply, texts, today)
        if reply.choices and reply.urgency == "none":
            parts.append(f'<p class="kf-meta">{escape(label["choose"])}</p>')
        if reply.urgency == "possible" or reply.choices:
            summary = label["folded"] if reply.urgency == "possible" else label["found"]
            quotes = f'<details class="kf-fold"><summary>{escape(summary)}</summary>{quotes}</details>'
        parts.append(quotes)
    parts += [_banner(notice) for notice in _after(reply.notices)]
    if reply.hits:
        parts.append(f'<p class="kf-meta">{escape(label["disclaimer"])}</p>')
    return f'<article class="kf-reply kf-{reply.action}" lang="en">{"".join(parts)}</article>'


def document_page(document: Document, span: Span | None, texts: Texts, style: str) -> str:
    """A whole document as a page of its own, with the passage at `span` marked: "read in context"."""
    sections = []
    for section in document.sections:
        body = _blocks_html(document.text, section.span, span, {reference.key: number for number, reference in enumerate(document.references, 1)})
        heading = "" if section.heading == document.title else f"<h2>{escape(section.heading)}</h2>"
        sections.append(f"<section>{heading}{body}</section>")
    label = texts.labels
    warning = f'<p class="kf-warning">{escape(label["unreviewed_warning"])}</p>' if document.status == "unreviewed" else ""
    return _page(
        document.title,
        f'<main class="kf-document"><p><a href="/">{escape(label["document_back"])}</a></p>'
        f"<h1>{escape(document.title)}</h1>"
        f'<p class="kf-meta">{escape(label["reviewed_on"])} <time>{escape(document.reviewed)}</time></p>{warning}'
        f"{''.join(sections)}<h2>{escape(label['references'])}</h2>{_references(document.references, texts)}</main>",
        style,
    )


def _page(title: str, body: str, style: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{escape(title)}</title><style>{style}</style></head><body class="kf-page">{body}</body></html>'
    )


def about_page(documents: Sequence[Document], manifest: Mapping[str, Any], claim: Mapping[str, Any] | None, texts: Texts, style: str) -> str:
    """What the bot is, how often its answers were wrong when it was measured, and which index is in service, as a page of its own."""
    label = texts.labels
    about = texts.notices(("about",), next(iter(texts.regions)))[0]
    facts = [(label["about_documents"], len(documents)), (label["about_index"], manifest["id"][:16]), (label["about_model"], manifest["encoder"]["name"])]
    measured = []
    if claim:
        names = ("date", "answers", "wrong", "upper_bound", "confidence", "target")
        measured = [(label[f"about_{name}"], claim[name]) for name in names]
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in (*facts, *measured))
    missing = "" if claim else f'<p class="kf-warning">{escape(label["about_unmeasured"])}</p>'
    body = f'<p><a href="/">{escape(label["document_back"])}</a></p><h1>{escape(label["about"])}</h1>{_banner(about)}{missing}<dl>{rows}</dl>'
    return _page(label["about"], f'<main class="kf-document">{body}</main>', style)


def notice_html(notice: Notice) -> str:
    """One fixed text as a banner."""
    return _banner(notice)


def _quotes(reply: Reply, texts: Texts, today: date) -> str:
    lead, *others = reply.hits
    answers = [hit for hit in reply.hits if hit.part]
    if answers:
        html = "".join(_figure(hit, number, texts, today) for number, hit in enumerate(answers, 1))
        return html + _more([hit for hit in reply.hits if not hit.part], len(answers) + 1, texts, today)
    if reply.disagreement and others:
        sides = "".join(_figure(hit, number, texts, today) for number, hit in enumerate(reply.hits[:2], 1))
        html = f'<p class="kf-meta">{escape(texts.labels["disagree"])}</p><div class="kf-sides">{sides}</div>'
        return html + _more(others[1:], 3, texts, today)
    html = f'<p class="kf-meta">{escape(texts.labels["lead"])}</p>{_figure(lead, 1, texts, today)}'
    return html + _more(others, 2, texts, today)


def _more(hits: Sequence[Hit], first: int, texts: Texts, today: date) -> str:
    if not hits:
        return ""
    figures = "".join(_folded(hit, number, texts, today) for number, hit in enumerate(hits, first))
    return f'<section class="kf-more"><p class="kf-meta">{escape(texts.labels["more"])}</p>{figures}</section>'


def _folded(hit: Hit, number: int, texts: Texts, today: date) -> str:
    passage = hit.passage
    summary = f'{escape(passage.heading)} <span class="kf-tier">{escape(passage.tier)}</span>'
    return f'<details class="kf-fold"><summary>{summary}</summary>{_figure(hit, number, texts, today)}</details>'


def _figure(hit: Hit, number: int, texts: Texts, today: date) -> str:
    passage, label = hit.passage, texts.labels
    numbers = {reference.key: place for place, reference in enumerate(passage.references, 1)}
    warning = f'<p class="kf-warning">{escape(label["unreviewed_warning"])}</p>' if passage.status == "unreviewed" else ""
    overdue = f' <span class="kf-warning">{escape(label["overdue"])}</span>' if date.fromisoformat(passage.review_by) < today else ""
    place = f"<span>{escape(passage.jurisdiction)}</span> · " if passage.jurisdiction else ""
    page = f" · <span>{escape(label['page'])}</span> {passage.page}" if passage.page else ""
    note = f'<p class="kf-note">{escape(passage.lead.interest)}</p>' if passage.lead.interest else ""
    link = _link(passage.url, label["read_source"])
    context = f"/read/{quote(passage.document_id)}?start={passage.start}&amp;end={passage.end}#passage"
    part = f'<p class="kf-meta">{escape(label["part"])} <q>{escape(hit.part)}</q></p>' if hit.part else ""
    heading = "" if passage.heading == passage.title else f'<p class="kf-heading">{escape(passage.heading)}</p>'
    return (
        f'<figure class="kf-quote" data-number="{number}" data-document="{escape(passage.document_id)}">{part}{warning}{heading}'
        f"<blockquote>{_blocks_html(passage.text, Span(0, len(passage.text)), _relative(hit), numbers)}</blockquote>"
        f'<figcaption><p class="kf-source"><span>{escape(label[passage.status])}</span> <b>{escape(passage.title)}</b>{page}</p>'
        f'<p class="kf-source"><span>{escape(label["source"])}</span> <cite>{escape(passage.source)}</cite></p>'
        f'<p class="kf-card"><span>{escape(label["tier"])}</span> <span class="kf-tier">{escape(passage.tier)}</span> · {place}'
        f"{_dated(passage.lead, texts)} · "
        f"<span>{escape(label['reviewed_on'])}</span> <time>{escape(passage.reviewed)}</time>{overdue}</p>{note}"
        f'<p class="kf-actions">{link}<a href="{context}" target="_blank" rel="noopener">{escape(label["read_context"])}</a>'
        f'<button type="button" class="kf-copy" data-copy="{escape(quote_text(hit, texts), quote=True)}" '
        f'data-done="{escape(label["copied"])}">{escape(label["copy"])}</button></p>'
        f'<details class="kf-fold kf-small"><summary>{escape(label["references"])}</summary>{_references(passage.references, texts)}</details>'
        f"</figcaption></figure>"
    )


def _references(references: Sequence[Reference], texts: Texts) -> str:
    rows = []
    for reference in references:
        title = _link(reference.url, reference.title) or f"<span>{escape(reference.title)}</span> "
        note = f' · <span class="kf-note">{escape(reference.interest)}</span>' if reference.interest else ""
        rows.append(
            f"<li>{title}<cite>{escape(reference.source)}</cite> · "
            f'<span class="kf-tier">{escape(reference.tier)}</span> · {_dated(reference, texts)}{note}</li>'
        )
    return f'<ol class="kf-references">{"".join(rows)}</ol>'


def _dated(reference: Reference, texts: Texts) -> str:
    label = texts.labels["undated" if reference.undated else "as_of"]
    return f"<span>{escape(label)}</span> <time>{escape(reference.as_of)}</time>"


def _searched(query: str, message: str, label: Mapping[str, str]) -> str:
    """What was searched for a follow-up, with a way to change it and one to search the message as typed."""
    typed = '"' + re.sub('["“”„]', "'", message.strip()) + '"'
    edit = f'<button type="button" class="kf-link" data-edit="{escape(query)}">{escape(label["edit_query"])}</button>'
    alone = f'<button type="button" class="kf-link" data-ask="{escape(typed)}">{escape(label["as_typed"])}</button>'
    return f'<p class="kf-meta">{escape(label["searched"])} <q>{escape(query)}</q> {edit} {alone}</p>'


def _banner(notice: Notice) -> str:
    lines = "".join(f"<li>{_phones(line)}</li>" for line in notice.text.splitlines())
    translated = TRANSLATED.search(notice.key)
    language = translated.group(1) if translated else "en"
    return (
        f'<section class="kf-banner kf-level-{escape(notice.level)}" data-key="{escape(notice.key)}" lang="{language}" dir="auto">'
        f'<p class="kf-title">{_phones(notice.title)}</p><ul>{lines}</ul></section>'
    )


def _phones(text: str) -> str:
    """Escaped text with each telephone number as a tap-to-call link around the same characters."""
    parts, last = [], 0
    for match in PHONE.finditer(text):
        parts.append(escape(text[last : match.start()]))
        digits = re.sub(r"\D", "", match.group())
        parts.append(f'<a href="tel:{digits}">{escape(match.group())}</a>')
        last = match.end()
    return "".join([*parts, escape(text[last:])])


def _link(url: str | None, text: str) -> str:
    if not url or not re.match(r"https?://", url):
        return ""
    return f'<a href="{escape(url, quote=True)}" target="_blank" rel="noopener noreferrer">{escape(text)}</a> '


def _blocks_html(text: str, span: Span, mark: Span | None, numbers: dict[str, int]) -> str:
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


def _runs(text: str, line: Span, mark: Span | None, numbers: dict[str, int]) -> str:
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


def _relative(hit: Hit) -> Span | None:
    if hit.highlight is None:
        return None
    return Span(hit.highlight.start - hit.passage.start, hit.highlight.end - hit.passage.start)


def _before(notices: Iterable[Notice]) -> list[Notice]:
    """What must be read before a passage: danger, the check, refusals, cautions; help lines that calm ones bring come after."""
    return [notice for notice in notices if not _is_late(notice)]


def _after(notices: Iterable[Notice]) -> list[Notice]:
    return [notice for notice in notices if _is_late(notice)]


def _is_late(notice: Notice) -> bool:
    return notice.key.startswith("line.") and notice.level not in ("emergency", "crisis", "check")


# --- plain text and Markdown ----------------------------------------------------------------------------------------


def as_text(reply: Reply, texts: Texts) -> str:
    """The reply for a terminal."""
    parts = [f"{notice.title}\n{notice.text}" for notice in _before(reply.notices)]
    if reply.choices:
        parts.append("\n".join([texts.labels["choose"], *(f"- {question}" for question in reply.choices)]))
    for hit in reply.hits:
        part = [f"{texts.labels['part']} {hit.part}"] if hit.part else []
        parts.append("\n".join([*part, hit.passage.heading, quote_text(hit, texts)]))
    parts += [f"{notice.title}\n{notice.text}" for notice in _after(reply.notices)]
    if reply.suggestions:
        parts.append("\n".join([texts.labels["suggestions"], *(f"- {question}" for question in reply.suggestions)]))
    return "\n\n".join(parts)


def as_markdown(reply: Reply, texts: Texts) -> str:
    """The reply as Markdown: quotes as block quotes, each with its source."""
    parts = [f"**{notice.title}**\n\n{notice.text}" for notice in reply.notices]
    for hit in reply.hits:
        quoted = "\n".join(f"> {line}" for line in plain(hit.passage.text).splitlines())
        parts.append(f"{quoted}\n>\n> — {source_line(hit.passage, texts)}")
    return "\n\n".join(parts) + "\n"


def quote_text(hit: Hit, texts: Texts) -> str:
    """A passage without its citation marks, and its source below: what the copy button copies."""
    return f"{plain(hit.passage.text)}\n— {source_line(hit.passage, texts)}"


def source_line(passage: Passage, texts: Texts) -> str:
    """Title, publisher, tier, date and link of a passage on one line."""
    label = texts.labels
    dated = f"{label['undated' if passage.lead.undated else 'as_of']} {passage.as_of}"
    parts = [passage.title, f"{label['source']} {passage.source}", f"{label['tier']} {passage.tier}", dated]
    return " · ".join([*parts, *([passage.url] if passage.url else [])])
