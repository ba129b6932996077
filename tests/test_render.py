from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html import unescape
from itertools import pairwise

import pytest

from bot.chat import Bot
from bot.markup import notice_html
from bot.receipt import FORMAT
from bot.records import Hit, Notice
from bot.render import as_html, as_markdown, as_text, quote_text
from bot.replies import load_texts

TODAY = date(2026, 11, 22)
LABEL = load_texts().labels


def visible(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def html(bot: Bot, message: str) -> str:
    return as_html(bot.reply(message), message, bot.texts, TODAY)


def test_the_quote_is_shown_word_for_word_with_its_sentence_marked(bot: Bot) -> None:
    reply = bot.reply("is it dangerous to mix kratom with xanax")
    card = as_html(reply, "is it dangerous to mix kratom with xanax", bot.texts, TODAY)
    [quote] = re.findall(r"<blockquote>(.*?)</blockquote>", card, re.DOTALL)[:1]
    shown = "".join(visible(quote).split())
    original = "".join(re.sub(r"\s*\[@[^\]]*\]", "", reply.hits[0].passage.text).split())
    assert shown == re.sub(r"(?:(?<=\W)|^)-(?=[A-Za-z])", "", original) or shown == original
    assert "[@" not in visible(card)
    assert card.count("<mark>") in (1, 2, 3, 4)  # one or two sentences, each in two runs where a citation stands before its full stop


def test_a_card_names_source_tier_date_link_and_context(bot: Bot) -> None:
    card = html(bot, "does kratom harm the liver")
    passage = bot.reply("does kratom harm the liver").hits[0].passage
    for text in (passage.title, passage.source, passage.tier, passage.as_of, passage.reviewed):
        assert text in visible(card)
    assert passage.url and passage.url in unescape(card)
    assert f"/read/{passage.document_id}?passage={passage.key}#passage" in card
    assert "data-copy=" in card and "data-feedback" not in card


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
    banner = notice_html(Notice("notice.x", "t", text), LABEL)
    assert f'href="tel:{number}"' in banner
    assert text in visible(banner)


def test_years_and_amounts_are_no_numbers_to_call() -> None:
    assert "tel:" not in notice_html(Notice("notice.x", "t", "In 2019 there were 1,807 cases and 152 deaths."), LABEL)


def test_an_overdue_passage_says_so(bot: Bot) -> None:
    reply = bot.reply("is kratom legal in indiana")
    assert bot.texts.labels["overdue"] in as_html(reply, "is kratom legal in indiana", bot.texts, date(2040, 1, 1))
    assert bot.texts.labels["overdue"] not in as_html(reply, "is kratom legal in indiana", bot.texts, TODAY)


def test_where_danger_is_possible_the_passages_are_folded(bot: Bot) -> None:
    message = "i want to die of embarrassment lol, is kratom legal in Ohio"
    card = html(bot, message)
    assert card.index("notice.check") < card.index(bot.texts.labels["folded"]) < card.index("<blockquote>")


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("Call or text 988 now", ["sms:988", "tel:988"]),
        ("Call or text 9-8-8 now", ["sms:988", "tel:988"]),
        ("Veterans: call 988, then press 1, or text 838255.", ["tel:988", "sms:838255"]),
        ("MotherToBaby: 866-626-6847, or text 855-999-3525, free", ["tel:8666266847", "sms:8559993525"]),
        ("Lifeline: 13 11 14, or text 0477 13 11 14, day and night.", ["tel:131114", "sms:0477131114"]),
    ],
)
def test_numbers_to_text_open_a_message_around_the_same_characters(text: str, links: list[str]) -> None:
    banner = notice_html(Notice("notice.x", "t", text), LABEL)
    assert re.findall(r'href="((?:tel|sms):\d+)"', banner) == links
    assert text in visible(banner)


@pytest.mark.parametrize("level", ["emergency", "crisis", "check", "decline", "caution", "info"])
def test_a_level_is_told_by_a_word_and_a_sign(level: str) -> None:
    banner = notice_html(Notice("notice.x", "t", "text", level), LABEL)
    assert LABEL[f"level_{level}"] in visible(banner) and "<svg" in banner


def test_how_it_was_found_shows_rules_scores_and_receipt(bot: Bot) -> None:
    reply = bot.reply("is it dangerous to mix kratom with xanax")
    card = as_html(reply, "", bot.texts, TODAY)
    found = card[card.index("kf-how") :]
    assert f"{reply.hits[0].score:.2f}" in found and reply.decision.matches[0].rule in found and reply.query in unescape(found)
    assert "passage" in unescape(found) and f'"receipt": {FORMAT}' in unescape(found)
    assert "kf-how" not in html(bot, "he took 7oh and wont wake up")


def test_thumbs_and_the_message_stand_in_the_card_only_where_the_host_keeps_them(bot: Bot) -> None:
    reply = bot.reply("does kratom harm the liver")
    assert "data-message" not in as_html(reply, "my secret", bot.texts, TODAY, feedback=True)
    card = as_html(reply, "my secret", bot.texts, TODAY, feedback=True, keeps_message=True)
    assert 'data-message="my secret"' in card and bot.texts.labels["report_kept_message"] in card
    assert card.count("data-feedback=") == len(reply.hits) * 6


def test_headings_go_down_one_level_at_a_time(bot: Bot) -> None:
    for message in ("is it dangerous to mix kratom with xanax", "what is kratom", "he took 7oh and wont wake up"):
        levels = [1, *(int(level) for level in re.findall(r"<h([1-6])", html(bot, message)))]
        assert all(later - earlier <= 1 for earlier, later in pairwise(levels)), message


def test_plain_text_and_markdown_carry_the_source(bot: Bot) -> None:
    reply = bot.reply("does kratom harm the liver")
    for text in (as_text(reply, bot.texts), as_markdown(reply, bot.texts)):
        assert reply.hits[0].passage.source in text and "[@" not in text
    assert "as of" in quote_text(reply.hits[0], bot.texts)
