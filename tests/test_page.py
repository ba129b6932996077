"""The chat in a real headless Chromium: every visible character accounted for, each way through it, no request elsewhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from chromium import (
    DECLINED,
    DISPUTED,
    DOUBTFUL,
    EMERGENCY,
    ORDINARY,
    PHONE,
    ROOT,
    allowed,
    ask,
    card,
    elsewhere,
    go,
    in_context,
    place,
    region,
    runs,
    strangers,
    visit,
)
from playwright.sync_api import Browser, Page, Route

from bot.chat import Bot
from bot.evaluation import read_questions
from bot.records import TIERS, Reply
from bot.render import as_html

pytestmark = pytest.mark.browser
TODAY = date(2026, 11, 22)


def test_three_questions_and_a_suggestion_show_nothing_but_quotes_and_fixed_texts(browser: Browser, address: str) -> None:
    with visit(browser, address) as page:
        corpus, others = allowed(), elsewhere(page, address)
        assert "benzodiazepine" in ask(page, ORDINARY)
        assert page.locator(".kf-reply figure.kf-quote mark").count() >= 1
        assert strangers(runs(page), corpus, ORDINARY) == []

        suggestion = page.locator("#kf-chat .option").first
        question = suggestion.inner_text().strip()
        assert question in corpus
        suggestion.click()
        card(page, 1)
        assert question in page.inner_text("#kf-chat")
        assert strangers(runs(page), corpus, question) == []

        assert "I can't give an amount" in ask(page, DECLINED)
        assert strangers(runs(page), corpus, DECLINED) == []
        assert ask(page, EMERGENCY).startswith("Call 911 now")
        assert page.locator(".kf-reply").last.locator("figure").count() == 0
        assert strangers(runs(page), corpus, EMERGENCY) == []
        assert others() == []


def shown(page: Page, reply: Reply, message: str, bot: Bot) -> list[str]:
    """What the page's own style sheet and card make of a reply."""
    style = (ROOT / "bot" / "style.css").read_text("utf-8")
    page.set_content(f"<style>{style}</style>{as_html(reply, message, bot.texts, TODAY, feedback=True)}")
    return runs(page)


def test_200_answers_show_nothing_but_quotes_and_fixed_texts(browser: Browser, bot: Bot) -> None:
    corpus, page, found, quoted = allowed(), browser.new_page(), {}, 0
    questions = read_questions("tune")[::3][:200]  # spread over all topics
    for question in questions:
        strange = strangers(shown(page, bot.reply(question.text), question.text, bot), corpus, question.text)
        quoted += page.locator("blockquote").count()
        if strange:
            found[question.text] = strange
    page.close()
    assert found == {} and len(questions) == 200 and quoted > 300


@pytest.mark.parametrize("edit", [("can be dangerous", "cannot be dangerous"), ("in a person", "in any person"), (".", ". It is safe for you.")])
def test_one_changed_word_in_a_quote_is_noticed(browser: Browser, bot: Bot, edit: tuple[str, str]) -> None:
    reply, page = bot.reply(ORDINARY), browser.new_page()
    lead = reply.hits[0]
    text = lead.passage.text.replace(*edit, 1) if edit[0] in lead.passage.text else lead.passage.text + f" Kratom is safe {edit[1]}."
    changed = replace(reply, hits=(replace(lead, passage=replace(lead.passage, text=text), highlight=None),))
    assert strangers(shown(page, reply, ORDINARY, bot), allowed(), ORDINARY) == []
    assert strangers(shown(page, changed, ORDINARY, bot), allowed(), ORDINARY) != []
    page.close()


def test_two_sides_of_a_disagreement_stand_side_by_side_and_on_a_phone_one_under_the_other(browser: Browser, address: str) -> None:
    with visit(browser, address) as page:
        ask(page, DISPUTED)
        assert "Sources disagree here" in page.inner_text(".kf-reply")
        sides = page.locator(".kf-sides > figure")
        first, second = (place(sides.nth(number)) for number in (0, 1))
        assert sides.count() == 2 and first["y"] == second["y"] and first["x"] + first["width"] <= second["x"]
        grades = [TIERS.index(sides.nth(number).locator("figcaption .kf-tier").first.inner_text()) for number in (0, 1)]
        assert grades == sorted(grades), "the stronger evidence stands first"
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        first, second = (place(sides.nth(number)) for number in (0, 1))
        assert first["x"] == second["x"] and first["y"] + first["height"] <= second["y"]


def test_the_check_has_its_yes_and_no_in_sight_on_a_phone(browser: Browser, address: str) -> None:
    with visit(browser, address, size=PHONE) as page:
        ask(page, DOUBTFUL)
        yes, no = page.locator(".kf-reply button[data-ask]:visible").all()
        box = place(page.locator(".form:has(> #kf-ask)"))
        for button in (yes, no):
            assert place(button)["y"] + place(button)["height"] <= box["y"], "behind the box"
        yes.click()
        assert card(page, 1).startswith("Call 911 now")
        assert page.locator(".kf-reply").first.locator("button[data-ask]:visible").count() == 0, "the question is answered"


def test_the_region_is_chosen_on_the_page_and_changes_the_numbers(browser: Browser, address: str) -> None:
    with visit(browser, address) as page:
        region(page, "United Kingdom", "999")
        assert ask(page, EMERGENCY).startswith("Call 999 now")


def test_the_region_is_remembered_on_the_device_and_by_the_other_pages(browser: Browser, address: str) -> None:
    with visit(browser, address) as page:
        region(page, "United Kingdom", "999")
        go(page, address, "/library")
        assert "999" in page.locator(".kf-pinned:visible").inner_text()
        go(page, address, "/")
        page.wait_for_function("document.querySelector('#kf-always').innerText.includes('999')", timeout=15_000)
        go(page, address, "/about")
        page.locator("[data-help]:visible").click()
        assert card(page, 0).startswith("Call 999 now")


def test_the_region_kept_on_the_device_counts_before_the_server_has_answered(browser: Browser, address: str) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        """The request that would put the kept region into the menu is on its way for ever."""
        if '"data":["UK"]' in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    with visit(browser, address, "/about") as page:
        page.evaluate("localStorage.setItem('kf-region', 'UK')")
        page.context.route("**/queue/join**", hold)
        page.goto(f"{address}/?help=1")
        assert card(page, 0).startswith("Call 999 now")
        assert ask(page, EMERGENCY).startswith("Call 999 now")
        assert held, "the page no longer asks that way, so this test proves nothing"


def test_help_is_one_tap_away(browser: Browser, address: str) -> None:
    with visit(browser, address, size=PHONE) as page:
        page.click("[data-help]")
        assert card(page, 0).startswith("Call 911 now")


def test_read_in_context_opens_the_document_with_the_passage_marked(browser: Browser, address: str) -> None:
    with visit(browser, address) as page:
        ask(page, ORDINARY)
        link = page.locator(".kf-reply figure a[href^='/read/']").first.get_attribute("href")
        in_context(page)
        assert page.locator(".kf-close strong").inner_text() == "Kratom with alcohol, sedatives and opioids"
        go(page, address, str(link))
        assert page.locator("mark").count() >= 1
        assert page.locator("h1").inner_text() == "Kratom with alcohol, sedatives and opioids"


def test_an_example_of_the_first_visit_is_asked_with_one_tap(browser: Browser, address: str) -> None:
    with visit(browser, address, size=PHONE) as page:
        assert page.locator(".kf-start h3").count() == 3
        page.locator(".kf-start button").first.click()
        card(page, 0)
        assert not page.locator(".kf-start").is_visible()


def test_two_quick_taps_leave_the_button_as_it_was(browser: Browser, address: str) -> None:
    with visit(browser, address) as page:
        ask(page, ORDINARY)
        button = page.locator(".kf-reply [data-copy]").first
        label = button.inner_text()
        for _ in range(2):
            button.click()
            page.wait_for_timeout(300)
        assert button.inner_text() != label
        page.wait_for_timeout(2500)
        assert button.inner_text() == label


def test_danger_typed_into_the_library_gets_the_help_text(browser: Browser, address: str) -> None:
    with visit(browser, address, "/library", PHONE) as page:
        page.fill("#kf-q", EMERGENCY)
        page.keyboard.press("Enter")
        page.wait_for_url("**q=**")
        assert page.locator(".kf-level-emergency:visible .kf-title").first.inner_text() == "Call 911 now"
        page.evaluate("localStorage.setItem('kf-region', 'UK')")
        page.reload()
        assert page.locator(".kf-level-emergency:visible .kf-title").first.inner_text() == "Call 999 now"
