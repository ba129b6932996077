from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html import unescape

import pytest

from bot.chat import Bot
from bot.records import Hit, Notice, Span
from bot.render import as_html, as_markdown, as_text, document_page, notice_html, quote_text

TODAY = date(2026, 11, 22)


def visible(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def html(bot: Bot, message: str) -> str:
    return as_html(bot.reply(message), message, bot.texts, TODAY)


def test_the_quote_is_shown_word_for_word_with_one_marked_sentence(bot: Bot) -> None:
    reply = bot.reply("is it dangerous to mix kratom with xanax")
    card = as_html(reply, "is it dangerous to mix kratom with xanax", bot.texts, TODAY)
    [quote] = re.findall(r"<blockquote>(.*?)</blockquote>", card, re.DOTALL)[:1]
    shown = "".join(visible(quote).split())
    original = "".join(re.sub(r"\s*\[@[^\]]*\]", "", reply.hits[0].passage.text).split())
    assert shown == re.sub(r"(?:(?<=\W)|^)-(?=[A-Za-z])", "", original) or shown == original
    assert "[@" not in visible(card)
    assert card.count("<mark>") in (1, 2)  # two runs where a citation stands inside the sentence


def test_a_card_names_source_tier_date_link_and_context(bot: Bot) -> None:
    card = html(bot, "does kratom harm the liver")
    passage = bot.reply("does kratom harm the liver").hits[0].passage
    for text in (passage.title, passage.source, passage.tier, passage.as_of, passage.reviewed):
        assert text in visible(card)
    assert passage.url and passage.url in unescape(card)
    assert f"/read/{passage.document_id}?start={passage.start}" in card
    assert 'class="kf-copy"' in card


def test_hostile_text_is_shown_as_text(bot: Bot) -> None:
    hit = bot.reply("what is kratom").hits[0]
    nasty = replace(hit.passage, text="<img src=x onerror=alert(1)> [x](javascript:1) **b**", title="<script>", heading="<b>")
    reply = replace(bot.reply("what is kratom"), hits=(Hit(nasty, 0.5),), query="<script>alert(1)</script>")
    card = as_html(reply, "other", bot.texts, TODAY)
    assert "<script" not in card and "<img" not in card
    assert "<img src=x onerror=alert(1)> [x](javascript:1) **b**" in visible(card)


def test_only_http_links_become_links(bot: Bot) -> None:
    hit = bot.reply("what is kratom").hits[0]
    bad = replace(hit.passage, references=tuple(replace(reference, url="javascript:alert(1)") for reference in hit.passage.references))
    reply = replace(bot.reply("what is kratom"), hits=(Hit(bad, 0.5),))
    assert 'href="javascript:' not in as_html(reply, "what is kratom", bot.texts, TODAY)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Call 911 now", "911"),
        ("Poison Help: 1-800-222-1222.", "18002221222"),
        ("(888) 426-4435", "8884264435"),
        ("call 13 11 26", "131126"),
        ("Samaritans 116 123", "116123"),
        ("9-8-8", "988"),
    ],
)
def test_numbers_are_tap_to_call_around_the_same_characters(text: str, number: str) -> None:
    banner = notice_html(Notice("notice.x", "t", text))
    assert f'href="tel:{number}"' in banner
    assert text in visible(banner)


def test_years_and_amounts_are_no_numbers_to_call() -> None:
    assert "tel:" not in notice_html(Notice("notice.x", "t", "In 2019 there were 1,807 cases and 152 deaths."))


def test_an_overdue_passage_says_so(bot: Bot) -> None:
    reply = bot.reply("is kratom legal in indiana")
    assert bot.texts.labels["overdue"] in as_html(reply, "is kratom legal in indiana", bot.texts, date(2040, 1, 1))
    assert bot.texts.labels["overdue"] not in as_html(reply, "is kratom legal in indiana", bot.texts, TODAY)


def test_where_danger_is_possible_the_passages_are_folded(bot: Bot) -> None:
    message = "i want to die of embarrassment lol, is kratom legal in Ohio"
    card = html(bot, message)
    assert card.index("notice.check") < card.index(bot.texts.labels["folded"]) < card.index("<blockquote>")


def test_a_document_page_marks_the_passage_in_its_context(bot: Bot) -> None:
    passage = bot.search("is kratom addictive")[0].passage
    document = bot.documents[passage.document_id]
    page = document_page(document, Span(passage.start, passage.end), bot.texts, "")
    assert "<mark>" in page and "[@" not in visible(page) and "::: questions" not in page
    for section in document.sections:
        assert section.heading in visible(page)
    assert "<mark>" not in document_page(document, None, bot.texts, "")


def test_the_unreviewed_article_says_what_it_is(bot: Bot) -> None:
    page = document_page(bot.documents["kratom-pain-management-article"], None, bot.texts, "")
    assert bot.texts.labels["unreviewed_warning"] in page


def test_plain_text_and_markdown_carry_the_source(bot: Bot) -> None:
    reply = bot.reply("does kratom harm the liver")
    for text in (as_text(reply, bot.texts), as_markdown(reply, bot.texts)):
        assert reply.hits[0].passage.source in text and "[@" not in text
    assert "as of" in quote_text(reply.hits[0], bot.texts)
