"""The library page: every document and a lasting link to each passage, narrowed down by words, topic, grade and year in the address itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from bot.markup import context_address
from bot.pages import Frame, topic_name
from bot.records import TIERS, Document, Passage

OPENED = 5  # so few documents show their passages at once; more would bury each other on a phone


@dataclass(frozen=True, slots=True)
class Choice:
    """What was asked for; empty fields leave nothing out. `since`: a year."""

    words: str = ""
    topic: str = ""
    tier: str = ""
    since: str = ""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Choice:
        """From the address's query parameters; what cannot be read counts as not given."""
        since = given.get("since", "").strip()
        return cls(
            words=given.get("q", "").strip()[:200],  # a title and a half: more is no search for a document
            topic=given.get("topic", ""),
            tier=tier if (tier := given.get("tier", "")) in TIERS else "",
            since=since if since.isdecimal() and len(since) == 4 else "",
        )

    def admits(self, passage: Passage, questions: Sequence[str]) -> bool:
        """Whether the passage is of the topic, grade and years, and has every word; where its text lies elsewhere, in its title, heading and questions."""
        if (self.topic and passage.topic != self.topic) or (self.tier and passage.tier != self.tier) or passage.as_of[:4] < self.since:
            return False
        text = " ".join((passage.title, passage.heading, *questions, passage.at_hand)).casefold()
        return all(word in text for word in self.words.casefold().split())


def library_page(frame: Frame, documents: Mapping[str, Document], passages: Sequence[Passage], choice: Choice, danger: Sequence[str] = ()) -> str:
    """The page for a choice. `passages`: all, in the order of their documents; `danger`: keys of what must be read before, if the words tell of danger."""
    label = frame.texts.labels
    found = [one for one in passages if choice.admits(one, documents[one.document_id].sections[one.section].questions)]
    grouped = [(documents[name], list(group)) for name, group in groupby(found, key=lambda one: one.document_id)]
    grouped.sort(key=lambda row: row[0].status == "unreviewed")  # what is not ours comes last
    narrowed = choice != Choice()
    entries = "".join(_entry(document, group, label, is_open=narrowed and len(grouped) <= OPENED) for document, group in grouped)
    nothing = "" if grouped else f'<p class="kf-warning">{escape(label["library_none"])}</p>'
    body = (
        f"<h1>{escape(label['library'])}</h1>{frame.notices(danger)}<p>{escape(label['library_lead'])}</p>"
        f"{_form(documents, passages, choice, label)}"
        f'<p role="status" class="kf-meta"><span>{escape(label["library_found"])}</span> <b>{len(grouped)}</b> · '
        f"<span>{escape(label['library_passages'])}</span> <b>{len(found)}</b></p>{nothing}{entries}"
    )
    return frame.page("library", label["library"], body)


def _form(documents: Mapping[str, Document], passages: Sequence[Passage], choice: Choice, label: Mapping[str, str]) -> str:
    topics = sorted({document.topic for document in documents.values()})
    years = sorted({passage.as_of[:4] for passage in passages}, reverse=True)
    searched = "library_search" if all(passage.at_hand for passage in passages[:1]) else "library_search_far"
    fields = (
        _select("topic", label["topic"], [(topic, topic_name(label, topic)) for topic in topics], choice.topic, label["library_all"])
        + _select("tier", label["library_tier"], [(tier, tier) for tier in TIERS], choice.tier, label["library_all"])
        + _select("since", label["library_since"], [(year, year) for year in years], choice.since, label["library_all"])
    )
    return (
        f'<form class="kf-form" action="/library" role="search"><p class="kf-wide"><label for="kf-q">{escape(label[searched])}</label>'
        f'<input id="kf-q" type="search" name="q" value="{escape(choice.words, quote=True)}" autocomplete="off"></p>{fields}'
        f'<p class="kf-wide"><button type="submit" class="kf-button kf-main">{escape(label["library_show"])}</button> '
        f'<a href="/library">{escape(label["library_reset"])}</a></p></form>'
    )


def _select(name: str, title: str, options: Sequence[tuple[str, str]], chosen: str, everything: str) -> str:
    rows = "".join(
        f'<option value="{escape(value, quote=True)}"{" selected" if value == chosen else ""}>{escape(shown)}</option>'
        for value, shown in [("", everything), *options]
    )
    return f'<p><label for="kf-{name}">{escape(title)}</label><select id="kf-{name}" name="{name}">{rows}</select></p>'


def _entry(document: Document, passages: Sequence[Passage], label: Mapping[str, str], *, is_open: bool) -> str:
    tiers = sorted({passage.tier for passage in passages}, key=TIERS.index)
    badges = " ".join(f'<span class="kf-tier">{escape(tier)}</span>' for tier in tiers)
    rows = "".join(
        f'<li><a href="{context_address(passage)}">{escape(passage.heading)}</a> <span class="kf-tier">{escape(passage.tier)}</span> '
        f"<time>{escape(passage.as_of)}</time></li>"
        for passage in passages
    )
    warning = f' · <span class="kf-warning">{escape(label["unreviewed_warning"])}</span>' if document.status == "unreviewed" else ""
    return (
        f'<article class="kf-entry"><h2><a href="/read/{escape(document.id)}">{escape(document.title)}</a></h2>'
        f'<p class="kf-meta"><span>{escape(topic_name(label, document.topic))}</span> · <span>{escape(label["reviewed_on"])}</span> '
        f"<time>{escape(document.reviewed)}</time>{warning}</p><p>{badges}</p>"
        f'<details class="kf-fold kf-small"{" open" if is_open else ""}><summary>{escape(label["library_list"])} <span>({len(passages)})</span></summary>'
        f"<ul>{rows}</ul></details></article>"
    )
