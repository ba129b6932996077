"""A Reply as HTML for the page, Markdown for export, plain text for the terminal. Everything is escaped; nothing is added but labels.

A quote is shown as the document has it: paragraphs, lists, the answering sentence marked, citations as small numbers that belong to
the list of sources below. Numbers come from the style sheet, so that every character a reader can select is the document's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from bot.citations import plain
from bot.feedback import REASONS, THUMBS
from bot.markup import context_address, dated_html, link_html, notice_html, references_html, text_html
from bot.records import Decision, Hit, Match, Notice, Passage, Reply, Span
from bot.replies import Texts

DANGER = ("crisis", "emergency")


@dataclass(frozen=True, slots=True)
class Card:
    """What every part of an answer's card needs: the texts, the day, and whether the host keeps thumbs and reports (with the message)."""

    texts: Texts
    today: date
    feedback: bool = False
    keeps_message: bool = False

    @property
    def label(self) -> Mapping[str, str]:
        """The words of the page."""
        return self.texts.labels


# --- HTML ---------------------------------------------------------------------------------------------------------


def as_html(reply: Reply, message: str, texts: Texts, today: date, *, feedback: bool = False, keeps_message: bool = False) -> str:
    """The answer card: banners by urgency, then the lead quote, further passages folded, and how it was found.

    `feedback`: the host keeps thumbs and reports; `keeps_message`: with the message, which is said beside them.
    """
    card, label = Card(texts, today, feedback, keeps_message), texts.labels
    parts = [notice_html(notice, label) for notice in _before(reply.notices)]
    if reply.urgency == "possible":
        parts.append(f'<p class="kf-actions kf-next">{"".join(_ask(label[name]) for name in ("in_danger", "not_in_danger"))}</p>')
    if reply.carried and reply.action not in (*DANGER, "smalltalk"):
        parts.append(_searched(reply.query, message, label))
    if reply.hits:
        if reply.missing:
            words = ", ".join(f"<q>{escape(word)}</q>" for word in reply.missing)
            parts.append(f'<p class="kf-meta">{escape(label["missing"])} {words}</p>')
        quotes = _quotes(reply, card)
        if reply.choices and reply.urgency == "none":
            parts.append(f'<p class="kf-meta">{escape(label["choose"])}</p>')
        if reply.urgency == "possible" or reply.choices:
            summary = label["folded"] if reply.urgency == "possible" else label["found"]
            quotes = f'<details class="kf-fold"><summary>{escape(summary)}</summary>{quotes}</details>'
        parts.append(quotes)
    parts += [notice_html(notice, label) for notice in _after(reply.notices)]
    if reply.hits:
        parts.append(f'<p class="kf-meta">{escape(label["disclaimer"])}</p>')
    if reply.action not in (*DANGER, "smalltalk"):
        parts.append(_how(reply, label))
    told = f' data-message="{escape(message, quote=True)}"' if feedback and keeps_message else ""
    if reply.suggestions and not reply.choices and reply.urgency == "none":
        parts.append(_above(label["suggestions"]).replace("kf-above", "kf-above kf-next"))
    return f'<article class="kf-reply kf-{reply.action}" lang="en" tabindex="-1" aria-label="{escape(label["answer"])}"{told}>{"".join(parts)}</article>'


def _quotes(reply: Reply, card: Card) -> str:
    lead, *others = reply.hits
    answers = [hit for hit in reply.hits if hit.part]
    if answers:
        html = "".join(_figure(hit, number, card) for number, hit in enumerate(answers, 1))
        return _above(card.label["lead"]) + html + _more([hit for hit in reply.hits if not hit.part], len(answers) + 1, card)
    if reply.disagreement and others:
        sides = "".join(_figure(hit, number, card) for number, hit in enumerate(reply.hits[:2], 1))
        return f'{_above(card.label["disagree"])}<div class="kf-sides">{sides}</div>{_more(others[1:], 3, card)}'
    return f"{_above(card.label['lead'])}{_figure(lead, 1, card)}{_more(others, 2, card)}"


def _above(text: str) -> str:
    return f'<h2 class="kf-above">{escape(text)}</h2>'


def _more(hits: Sequence[Hit], first: int, card: Card) -> str:
    if not hits:
        return ""
    figures = "".join(_folded(hit, number, card) for number, hit in enumerate(hits, first))
    return f'<section class="kf-more">{_above(card.label["more"])}{figures}</section>'


def _folded(hit: Hit, number: int, card: Card) -> str:
    passage = hit.passage
    summary = f'<h3>{escape(passage.heading)}</h3> <span class="kf-tier">{escape(passage.tier)}</span>'
    return f'<details class="kf-fold"><summary>{summary}</summary>{_figure(hit, number, card, headed=False)}</details>'


def _figure(hit: Hit, number: int, card: Card, *, headed: bool = True) -> str:
    passage, label = hit.passage, card.label
    numbers = {reference.key: place for place, reference in enumerate(passage.references, 1)}
    warning = f'<p class="kf-warning">{escape(label["unreviewed_warning"])}</p>' if passage.status == "unreviewed" else ""
    overdue = f'<p class="kf-warning">{escape(label["overdue"])} <time>{escape(passage.review_by)}</time></p>' if _overdue(passage, card.today) else ""
    part = f'<p class="kf-meta">{escape(label["part"])} <q>{escape(hit.part)}</q></p>' if hit.part else ""
    heading = f'<h3 class="kf-heading">{escape(passage.heading)}</h3>' if headed and passage.heading != passage.title else ""
    named = f'aria-label="{escape(passage.heading, quote=True)}" data-number="{number}" data-document="{escape(passage.document_id)}"'
    return (
        f'<figure class="kf-quote" {named}>{part}{warning}{overdue}{heading}'
        f"<blockquote>{text_html(passage.text, Span(0, len(passage.text)), _relative(hit), numbers)}</blockquote>"
        f"<figcaption>{_source(passage, card.texts)}{_actions(hit, card)}"
        f'<details class="kf-fold kf-small"><summary>{escape(label["references"])}</summary>{references_html(passage.references, card.texts)}</details>'
        f"{_report(passage, card)}</figcaption></figure>"
    )


def _overdue(passage: Passage, today: date) -> bool:
    return date.fromisoformat(passage.review_by) < today


def _source(passage: Passage, texts: Texts) -> str:
    """The line below a quote: grade, main source, date, whose law, link; and below it whose document was quoted."""
    label = texts.labels
    place = f" · {escape(label['law_of'])} <span>{escape(passage.jurisdiction)}</span>" if passage.jurisdiction else ""
    source = link_html(passage.url, passage.source).rstrip() or escape(passage.source)
    page = f" · <span>{escape(label['page'])}</span> {passage.page}" if passage.page else ""
    note = f'<p class="kf-note">{escape(passage.lead.interest)}</p>' if passage.lead.interest else ""
    return (
        f'<p class="kf-source"><span>{escape(label["tier"])}</span> <span class="kf-tier">{escape(passage.tier)}</span> · '
        f"<span>{escape(label['source'])}</span> <cite>{source}</cite> · {dated_html(passage.lead, texts)}{place}</p>"
        f'<p class="kf-source kf-ours"><span>{escape(label[passage.status])}</span> <b>{escape(passage.title)}</b>{page} · '
        f"<span>{escape(label['reviewed_on'])}</span> <time>{escape(passage.reviewed)}</time></p>{note}"
    )


def _actions(hit: Hit, card: Card) -> str:
    label, passage = card.label, hit.passage
    thumbs = "".join(_send(kind, passage, label) for kind in THUMBS) if card.feedback else ""
    context = f'href="{context_address(passage)}" data-context data-close="{escape(label["close"], quote=True)}" target="_blank" rel="noopener"'
    return f'<p class="kf-actions"><a {context}>{escape(label["read_context"])}</a>{_copy(quote_text(hit, card.texts), label["copy"], label)}{thumbs}</p>'


def _copy(text: str, name: str, label: Mapping[str, str]) -> str:
    return f'<button type="button" class="kf-button" data-copy="{escape(text, quote=True)}" data-done="{escape(label["copied"])}">{escape(name)}</button>'


def _send(kind: str, passage: Passage, label: Mapping[str, str]) -> str:
    """A button that sends one word about a passage to this host."""
    told = json.dumps({"kind": kind, "document": passage.document_id, "passage": passage.key})
    return (
        f'<button type="button" class="kf-button" data-feedback="{escape(told, quote=True)}" data-done="{escape(label["thanks"])}" '
        f'data-failed="{escape(label["not_sent"])}">{escape(label[kind])}</button>'
    )


def _report(passage: Passage, card: Card) -> str:
    """A problem with a passage: sent where the host keeps reports, else copied for whoever runs the page."""
    label = card.label
    if card.feedback:
        inside = "".join(_send(reason, passage, label) for reason in REASONS)
        inside = f'<p class="kf-meta">{escape(label["report_kept_message" if card.keeps_message else "report_kept"])}</p><p class="kf-actions">{inside}</p>'
    else:
        told = f"{passage.title}, {passage.heading}\n{context_address(passage)}\n{passage.file}:{passage.start}-{passage.end}"
        inside = f'<p class="kf-meta">{escape(label["report_copy"])}</p><p class="kf-actions">{_copy(told, label["copy_report"], label)}</p>'
    return f'<details class="kf-fold kf-small kf-report"><summary>{escape(label["report"])}</summary>{inside}</details>'


def _how(reply: Reply, label: Mapping[str, str]) -> str:
    """The decision record and the scores, folded."""
    decision = reply.decision
    rows = [(label["how_query"], f"<q>{escape(reply.query)}</q>")] if reply.query else []
    rows.append((label["how_action"], f"<span>{escape(reply.action)}</span> · <span>{escape(label['how_urgency'])}</span> <span>{reply.urgency}</span>"))
    rows += [(label[name], _matches(matches)) for name, matches in _fired(decision) if matches]
    if reply.hits:
        scores = "".join(f"<li><span>{escape(hit.passage.heading)}</span> <b>{hit.score:.2f}</b></li>" for hit in reply.hits)
        rows.append((label["how_scores"], f"<ol>{scores}</ol>"))
    rows.append((label["about_index"], f"<code>{escape(str(reply.receipt()['index'])[:16])}</code>"))
    rows.append((label["how_version"], f"<code>{escape(decision.version)}</code>"))
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in rows)
    receipt = _copy(json.dumps(reply.receipt(), ensure_ascii=False), label["copy_receipt"], label)
    return f'<details class="kf-fold kf-small kf-how"><summary>{escape(label["how"])}</summary><dl>{listed}</dl><p class="kf-actions">{receipt}</p></details>'


def _fired(decision: Decision) -> list[tuple[str, tuple[Match, ...]]]:
    return [("how_rules", decision.matches), ("how_lowered", decision.lowered)]


def _matches(matches: Sequence[Match]) -> str:
    rows = []
    for match in matches:
        why = f"<q>{escape(match.text)}</q>" if match.text else ""
        score = f" <b>{match.score:.2f}</b>" if match.score is not None else ""
        rows.append(f"<li><span>{escape(match.rule)}</span> · <span>{escape(match.net)}</span>{score} {why}</li>")
    return f"<ul>{''.join(rows)}</ul>"


def _searched(query: str, message: str, label: Mapping[str, str]) -> str:
    """What was searched for a follow-up, with a way to change it and one to search the message as typed."""
    typed = '"' + re.sub('["“”„]', "'", message.strip()) + '"'
    edit = f'<button type="button" class="kf-button" data-edit="{escape(query)}">{escape(label["edit_query"])}</button>'
    alone = _ask(typed, label["as_typed"])
    return f'<p class="kf-meta">{escape(label["searched"])} <q>{escape(query)}</q></p><p class="kf-actions">{edit} {alone}</p>'


def _ask(message: str, name: str = "") -> str:
    """A button that sends `message`; it bears the message itself unless it has a name."""
    return f'<button type="button" class="kf-button" data-ask="{escape(message)}">{escape(name or message)}</button>'


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


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the reply as text and what it is, so that a terminal can show it its own way.

    `role`: title, text, quote, mark (the sentence that answers), source, label or option; of a title it may be one of `DANGER` instead.
    """

    role: str
    text: str
    url: str | None = None


def as_text(reply: Reply, texts: Texts) -> str:
    """The reply for a terminal."""
    return "\n\n".join("".join(piece.text for piece in part) for part in as_pieces(reply, texts))


def as_pieces(reply: Reply, texts: Texts) -> list[list[Piece]]:
    """The paragraphs of the reply's text, each in pieces."""
    label = texts.labels
    parts = before_passages(reply)
    if reply.choices:
        parts.append(_options(label["choose"], reply.choices))
    parts += passages_only(reply, texts)
    if reply.suggestions:
        parts.append(_options(label["suggestions"], reply.suggestions))
    return parts


def before_passages(reply: Reply) -> list[list[Piece]]:
    """What must be read first: danger, the check, refusals, cautions."""
    return [_notice_pieces(notice) for notice in _before(reply.notices)]


def passages_only(reply: Reply, texts: Texts) -> list[list[Piece]]:
    """The passages, what they lack, and the notices that come behind them."""
    parts = []
    if reply.missing and reply.hits:
        parts.append([Piece("label", texts.labels["missing"] + " "), Piece("text", ", ".join(reply.missing))])
    parts += [hit_pieces(hit, texts) for hit in reply.hits]
    return parts + [_notice_pieces(notice) for notice in _after(reply.notices)]


def hit_pieces(hit: Hit, texts: Texts) -> list[Piece]:
    """A passage with its heading and source, the sentence that answers apart."""
    passage, mark = hit.passage, _relative(hit)
    pieces = [Piece("label", f"{texts.labels['part']} {hit.part}\n")] if hit.part else []
    pieces.append(Piece("title", f"{passage.heading}\n"))
    marked = [plain(passage.text[: mark.start]), plain(passage.text[mark.start : mark.end]), plain(passage.text[mark.end :])] if mark else []
    if "".join(marked) == plain(passage.text):  # a mark that ends inside a citation would leave half of it
        pieces += [Piece(role, text) for role, text in zip(("quote", "mark", "quote"), marked, strict=True) if text]
    else:
        pieces.append(Piece("quote", plain(passage.text)))
    return [*pieces, Piece("text", "\n"), Piece("source", f"— {source_line(passage, texts)}", passage.url)]


def _notice_pieces(notice: Notice) -> list[Piece]:
    return [Piece(notice.level if notice.level in DANGER else "title", f"{notice.title}\n"), Piece("text", notice.text)]


def _options(title: str, questions: Sequence[str]) -> list[Piece]:
    return [Piece("label", title), *(piece for question in questions for piece in (Piece("text", "\n- "), Piece("option", question)))]


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
