"""The pages beside the chat, each whole without a script: a document with a passage marked, About, and the frame they all stand in.

Nothing here decides or generates: a page is documents, counts and texts of replies.toml.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from bot.markup import context_address, notice_html, phones_html, references_html, text_html
from bot.records import Document, Notice, Passage, Span
from bot.replies import Texts

PAGES = {"chat": "/", "library": "/library", "quality": "/quality", "about": "/about"}
CERTIFIED = ("date", "answers", "wrong", "upper_bound", "confidence", "target")
GRADES_DOCUMENT = "how-studies-are-graded"  # the corpus's own words on evidence grades


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every page: the fixed texts, the look, the script, and whose help lines come first until one is chosen."""

    texts: Texts
    style: str
    script: str
    region: str

    def page(self, name: str, title: str, body: str, head: str = "") -> str:
        """A whole page. `name`: which entry of `PAGES` it is, or of none; `body`: what stands in its main part, as HTML."""
        label = self.texts.labels
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>{escape(title)}</title>{head}<style>{self.style}</style><script>{self.script}</script></head>"
            f'<body class="kf-page"><a class="kf-skip" href="#content">{escape(label["skip"])}</a>{self._always()}'
            f'<header class="kf-top-of-page">{navigation(label, name)}</header><main class="kf-document" id="content" tabindex="-1">{body}</main>'
            f'<footer class="kf-document"><p class="kf-meta">{escape(label["disclaimer"])}</p></footer></body></html>'
        )

    def _always(self) -> str:
        return self._by_region("kf-pinned", lambda region: always_html(self.texts, region))

    def notices(self, keys: Iterable[str]) -> str:
        """The fixed texts under `keys` with the help lines of the region chosen on this device."""
        label, asked = self.texts.labels, tuple(keys)
        return self._by_region("kf-notices", lambda region: "".join(notice_html(one, label) for one in self.texts.notices(asked, region))) if asked else ""

    def _by_region(self, style: str, html: Callable[[str], str]) -> str:
        """A block for every region, all but one hidden; the script shows that of the region chosen on this device."""
        return "".join(
            f'<div class="{style}" data-region="{escape(region)}"{"" if region == self.region else " hidden"}>{html(region)}</div>'
            for region in self.texts.regions
        )


def always_html(texts: Texts, region: str) -> str:
    """The calm line at the top of every page: whom to call, and the way to "I need help now"."""
    line, label = texts.line("always", region), texts.labels
    told = f"<strong>{escape(line.title)}</strong> {phones_html(line.text)}" if line else ""
    name = escape(label["help_now"])
    words = escape(json.dumps({language: shown["help_now"] for language, shown in texts.interface.items()}, ensure_ascii=False), quote=True)
    return f'<aside class="kf-always" lang="en" aria-label="{name}"><p>{told}</p><a href="/?help=1" data-help data-words="{words}">{name}</a></aside>'


def navigation(label: Mapping[str, str], current: str, *, new_tab: bool = False) -> str:
    """The links between the pages. `new_tab`: the chat keeps its conversation while another page is read."""
    shown, links = {**label, "about": label["about_short"]}, []
    for name, address in PAGES.items():
        here = ' aria-current="page"' if name == current else ""
        tab = f' target="_blank" rel="noopener" aria-label="{escape(shown[name])} {escape(label["new_tab"])}"' if new_tab and not here else ""
        links.append(f'<li><a href="{address}"{here}{tab}>{escape(shown[name])}</a></li>')
    return f'<nav class="kf-nav" aria-label="{escape(label["pages"])}"><ul>{"".join(links)}</ul></nav>'


def start_html(texts: Texts) -> str:
    """The first visit: what the page can do, and three kinds of questions to tap."""
    label = texts.labels
    can = "".join(f"<li>{escape(label[f'can_{number}'])}</li>" for number in (1, 2, 3))
    kinds = []
    for kind in (1, 2, 3):
        asked = [label[f"example_{number}"] for number in (2 * kind - 1, 2 * kind)]
        buttons = "".join(f'<li><button type="button" class="kf-button" data-ask="{escape(text, quote=True)}">{escape(text)}</button></li>' for text in asked)
        kinds.append(f"<div><h3>{escape(label[f'kind_{kind}'])}</h3><ul>{buttons}</ul></div>")
    return (
        f'<section class="kf-start" lang="en"><h2>{escape(label["can"])}</h2><ul class="kf-can">{can}</ul>'
        f'<h2>{escape(label["examples"])}</h2><div class="kf-kinds">{"".join(kinds)}</div></section>'
    )


def document_page(frame: Frame, document: Document, passages: Sequence[Passage], span: Span | None, *, moved: bool = False) -> str:
    """A whole document, the passage at `span` marked: "read in context". `moved`: the link asked for a passage that is no longer there."""
    texts, label = frame.texts, frame.texts.labels
    numbers = {reference.key: number for number, reference in enumerate(document.references, 1)}
    sections, whole = [], document.text
    for place, section in enumerate(document.sections):
        heading = "" if section.heading == document.title else f"<h2>{escape(section.heading)}</h2>"
        links = _permalinks([passage for passage in passages if passage.section == place], label)
        sections.append(f'<section id="section-{place + 1}">{heading}{text_html(whole, section.span, span, numbers)}{links}</section>')
    warning = f'<p class="kf-warning">{escape(label["unreviewed_warning"])}</p>' if document.status == "unreviewed" else ""
    told = notice_html(_notice(texts, "moved"), label) if moved else ""
    text = "".join(sections).replace("<mark>", '<mark id="passage" tabindex="-1">', 1)
    body = (
        f'<h1>{escape(document.title)}</h1><p class="kf-meta"><span>{escape(topic_name(label, document.topic))}</span> · '
        f"<span>{escape(label['reviewed_on'])}</span> <time>{escape(document.reviewed)}</time> · "
        f"<span>{escape(label['review_by'])}</span> <time>{escape(document.review_by)}</time></p>{warning}{told}"
        f"{text}<h2>{escape(label['references'])}</h2>{references_html(document.references, texts)}"
    )
    return frame.page("", document.title, body)


def topic_name(label: Mapping[str, str], topic: str) -> str:
    """A topic's folder in words; an operator's own folder keeps its name."""
    return label.get(f"topic_{topic}", topic)


def _permalinks(passages: Sequence[Passage], label: Mapping[str, str]) -> str:
    if len(passages) == 1:
        return f'<p class="kf-meta kf-permalink"><a href="{context_address(passages[0])}">{escape(label["permalink"])}</a></p>'
    links = " ".join(
        f'<a href="{context_address(passage)}" aria-label="{escape(label["permalink"])} {number}">{number}</a>' for number, passage in enumerate(passages, 1)
    )
    return f'<p class="kf-meta kf-permalink">{escape(label["permalinks"])} {links}</p>' if passages else ""


def about_page(frame: Frame, manifest: Mapping[str, Any], claim: Mapping[str, Any] | None, kept: tuple[str, ...] = ()) -> str:
    """What the bot is and is not, who wrote it, what grades mean, how often it was wrong, what is in service, licences, privacy.

    `manifest`: the index's; `claim`: the abstention certificate, where the index was measured; `kept`: keys of notices on what the host keeps.
    """
    texts, label = frame.texts, frame.texts.labels
    grades = "".join(f'<dt><span class="kf-tier">{escape(tier)}</span></dt><dd>{escape(meaning)}</dd>' for tier, meaning in texts.tiers.items())
    more = f'<p><a href="/read/{GRADES_DOCUMENT}">{escape(label["about_tiers_more"])}</a></p>'
    if claim:
        measured = _facts([(label[f"about_{name}"], claim[name]) for name in CERTIFIED])
    else:
        measured = f'<p class="kf-warning">{escape(label["about_unmeasured"])}</p>'
    parts = [f"<h1>{escape(label['about'])}</h1>", *(_prose(texts, key) for key in ("about", "about-not", "about-authors"))]
    parts += [f'<section id="tiers"><h2>{escape(label["about_tiers"])}</h2><dl class="kf-grades">{grades}</dl>{more}</section>']
    parts += [_prose(texts, "about-certificate", measured), _prose(texts, "about-review")]
    parts += [f"<section><h2>{escape(label['about_manifest'])}</h2>{_facts(_manifest(manifest, texts))}</section>"]
    parts += [_prose(texts, "about-licences"), _prose(texts, "about-privacy"), *(_prose(texts, key) for key in kept)]
    return frame.page("about", label["about"], "".join(parts))


def _manifest(manifest: Mapping[str, Any], texts: Texts) -> list[tuple[str, object]]:
    label, counts = texts.labels, manifest["counts"]
    return [
        (label["about_documents"], f"{counts['documents']:,}"),
        (label["about_passages"], f"{counts['passages']:,}"),
        (label["about_questions"], f"{counts['questions']:,}"),
        (label["about_model"], manifest["encoder"]["name"]),
        (label["about_index"], manifest["id"][:16]),
        (label["about_created"], manifest["created"]),
        (label["about_corpus"], manifest["corpus"][:16]),
        (label["about_libraries"], ", ".join(f"{name} {version}" for name, version in manifest["libraries"].items())),
        (label["about_texts"], texts.version),
    ]


def _facts(rows: Sequence[tuple[str, object]]) -> str:
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in rows)
    return f'<dl class="kf-facts">{listed}</dl>'


def _prose(texts: Texts, key: str, below: str = "") -> str:
    notice = _notice(texts, key)
    return f"<section><h2>{escape(notice.title)}</h2>{''.join(f'<p>{escape(line)}</p>' for line in notice.text.splitlines())}{below}</section>"


def _notice(texts: Texts, key: str) -> Notice:
    return texts.notices((key,), next(iter(texts.regions)))[0]
