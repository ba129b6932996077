"""The page for those who hear it, type it, enlarge it, print it, or read it from right to left."""

from __future__ import annotations

import re
from typing import Any, Literal

import pytest
from chromium import (
    DECLINED,
    DESKTOP,
    DISPUTED,
    DOUBTFUL,
    EMERGENCY,
    NARROW,
    ORDINARY,
    PATHS,
    PHONE,
    ZOOMED,
    ask,
    card,
    elsewhere,
    fold,
    go,
    in_context,
    place,
    violations,
    visit,
    wide,
)
from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser
STARTED = "هل القرطوم خطير على الكبد؟"  # "is kratom dangerous for the liver?"
UNCONSCIOUS = "صديقي تناول القرطوم ولا يستيقظ"  # "my friend took kratom and does not wake up"


def style(part: Locator, name: str) -> str:
    return str(part.evaluate("(part, name) => getComputedStyle(part).getPropertyValue(name)", name))


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(browser: Browser, address: str, scheme: Literal["light", "dark"], size: tuple[int, int]) -> None:
    with visit(browser, address, size=size, color_scheme=scheme) as page:
        found = {"start": violations(page)}
        for message in (ORDINARY, DISPUTED, DECLINED, DOUBTFUL, EMERGENCY):
            ask(page, message)  # every fold of its card stays open, the report of a problem among them
        found["five answers"] = violations(page)
        in_context(page)
        found["read in context"] = violations(page)
        for path in (*PATHS[2:], "/library?topic=mixing"):  # the whole list is the same markup 111 times, and takes axe half a minute
            go(page, address, path)
            found[path] = violations(page)
        assert {name: rules for name, rules in found.items() if rules} == {}


def test_320_pixels_are_wide_enough_and_nothing_is_fetched_from_elsewhere(browser: Browser, address: str) -> None:
    with visit(browser, address, size=NARROW) as page:
        others = elsewhere(page, address)
        for path in PATHS:
            go(page, address, path)
            assert wide(page) <= NARROW[0], path
            assert page.locator("[data-help]:visible").count() == 1
        go(page, address, "/")
        for message in (ORDINARY, DISPUTED, EMERGENCY):
            ask(page, message)
            assert wide(page) <= NARROW[0], message
        in_context(page)
        assert wide(page) <= NARROW[0]
        assert others() == [] and page.context.cookies() == []


def test_nothing_is_covered_on_the_first_visit(browser: Browser, address: str) -> None:
    with visit(browser, address, size=PHONE) as page:
        box, first = place(page.locator("#kf-ask")), place(page.locator(".kf-start"))
        assert box["y"] + box["height"] <= first["y"] and box["y"] < PHONE[1] / 2
        assert style(page.locator(".form:has(> #kf-ask)"), "position") != "sticky"
        ask(page, ORDINARY)
        assert style(page.locator(".form:has(> #kf-ask)"), "position") == "sticky"


def test_our_buttons_and_links_are_large_enough_for_a_thumb(browser: Browser, address: str) -> None:
    with visit(browser, address, size=PHONE) as page:
        ask(page, ORDINARY)
        heights = page.locator(".kf-reply").evaluate(
            "card => [...card.querySelectorAll('button, summary, .kf-actions a')].filter(one => one.offsetParent).map(one => one.offsetHeight)"
        )
        assert heights and min(heights) >= 44
        ask(page, EMERGENCY)
        assert place(page.locator(".kf-level-emergency .kf-title a").first)["height"] >= 43.9, "the number to call"


def reach(page: Page, what: str, key: str = "Tab", most: int = 60) -> None:
    """Press `key` until the focus is on `what` (a selector); it must be seen there, with a ring around it."""
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate("what => document.activeElement.matches(what)", what):
            seen = """() => { const one = document.activeElement, place = one.getBoundingClientRect();
              const at = [place.x + place.width / 2, place.y + place.height / 2];
              return one.contains(document.elementFromPoint(...at)) && getComputedStyle(one).outlineStyle !== 'none' }"""
            assert page.evaluate(seen), f"{what} has the focus but cannot be seen"
            return
    raise AssertionError(f"{what} is not reached")


def test_the_whole_way_goes_by_keyboard(browser: Browser, address: str) -> None:
    def focused(what: str) -> bool:
        return bool(page.evaluate("what => document.activeElement.matches(what)", what))

    with visit(browser, address) as page:
        page.keyboard.press("Tab")
        assert focused(".kf-skip"), "the first stop"
        page.keyboard.press("Enter")
        assert focused("#kf-ask textarea")
        page.keyboard.type(ORDINARY)
        page.keyboard.press("Enter")
        card(page, 0)
        assert focused(".kf-reply"), "the reader's place is not at the answer"
        assert "Mixing can be dangerous" in page.inner_text("#kf-live"), "the answer is not announced"

        reach(page, "[data-context]")
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open] #passage")
        assert focused("#passage")
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
        assert focused("[data-context]"), "focus does not come back"
        reach(page, "summary")
        fold(page)
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.parentElement.open")

        reach(page, "#kf-ask textarea")
        page.keyboard.type(DOUBTFUL)
        page.keyboard.press("Enter")
        card(page, 1)
        reach(page, ".kf-reply button[data-ask]")
        page.keyboard.press("Enter")
        assert card(page, 2).startswith("Call 911 now") and focused(".kf-reply")
        reach(page, "[data-help]", "Shift+Tab", 200)
        page.keyboard.press("Enter")
        assert card(page, 3).startswith("Call 911 now") and focused(".kf-reply")


def test_a_screen_reader_hears_headings_quote_source_and_buttons_in_order(browser: Browser, address: str) -> None:
    with visit(browser, address) as page:
        ask(page, ORDINARY)
        fold(page)
        heard = page.locator(".kf-reply").aria_snapshot()
        order = (
            'article "Answer"',
            'heading "Mixing can be dangerous" [level=2]',
            "Take care",
            'heading "Quoted word for word:" [level=2]',
            "figure",
            "blockquote",
        )
        also = (
            "mark",
            "Evidence:",
            'link "California Poison Control System"',
            'link "Read in context"',
            'button "Copy quote with source"',
            "Sources of this passage",
        )
        places = [heard.find(part) for part in (*order, *also)]
        assert -1 not in places and places == sorted(places), heard


def test_forced_colours_leave_nothing_to_colour_alone(browser: Browser, address: str) -> None:
    with visit(browser, address, forced_colors="active", color_scheme="dark") as page:
        for button in ("#kf-ask button", ".kf-start button"):
            assert style(page.locator(button).first, "border-top-style") == "solid", button
        assert style(page.locator(".kf-nav [aria-current]"), "border-bottom-width") == "3px", "a shadow is not painted here"
        ask(page, ORDINARY)
        marked, around = page.locator(".kf-reply mark").first, page.locator("body")
        assert style(marked, "background-color") not in (style(around, "background-color"), "rgba(0, 0, 0, 0)")
        assert style(marked, "color") != style(page.locator(".kf-reply blockquote").first, "color"), "the text of a mark has a colour of its own"
        assert style(page.locator("#kf-clear"), "border-top-style") == "solid"
        go(page, address, "/quality")
        assert style(page.locator(".kf-dot").first, "fill") == style(page.locator("h1"), "color")


def test_arabic_reads_from_right_to_left(browser: Browser, address: str) -> None:
    with visit(browser, address, size=PHONE, locale="ar") as page:
        box, button = (place(page.locator(f"#kf-ask {part}")) for part in ("textarea", "button"))
        assert button["x"] + button["width"] <= box["x"] + 1, "the button comes after the text, so on its left"
        assert page.get_attribute("html", "lang") == "ar" and page.get_attribute(".kf-start", "lang") == "en"
        for part in ("#kf-ask", "#kf-ask label > span", "#kf-region", "#kf-foot .prose", "[data-help]"):
            assert style(page.locator(part).first, "direction") == "rtl", part
        assert style(page.locator("#kf-ask textarea"), "direction") == "rtl", "the hint in the empty box"
        ask(page, STARTED)  # first: after an emergency no passage is shown
        assert style(page.locator(".kf-reply blockquote").last, "direction") == "ltr"
        ask(page, UNCONSCIOUS)
        banner = page.locator(".kf-level-emergency[lang=ar]").first
        assert style(banner, "direction") == "rtl" and (style(banner, "border-right-width"), style(banner, "border-left-width")) == ("10px", "3px")
        assert style(page.locator(".kf-banner[lang=en]").first, "direction") == "ltr" and wide(page) <= PHONE[0]


@pytest.mark.parametrize(("language", "words", "named"), [("es", "Su pregunta", "es"), ("ar", "سؤالك", "ar"), ("sv", "Your question", "en")])
def test_the_pages_own_words_follow_the_browsers_language(browser: Browser, address: str, language: str, words: str, named: str) -> None:
    with visit(browser, address, size=PHONE, locale=language) as page:
        assert words in page.inner_text("#kf-ask")
        assert page.get_attribute("html", "lang") == named


MOVING = """() => [...document.querySelectorAll('*')].flatMap(one => [null, '::before', '::after'].map(part => getComputedStyle(one, part)))
  .filter(one => one.animationName !== 'none' || one.transitionDuration.split(', ').some(time => time !== '0s') || one.scrollBehavior === 'smooth')
  .length"""


def test_who_asks_for_less_motion_gets_none(browser: Browser, address: str) -> None:
    counted = {}
    for motion in ("no-preference", "reduce"):
        with visit(browser, address, reduced_motion=motion) as page:
            ask(page, ORDINARY)
            counted[motion] = page.evaluate(MOVING)
    assert counted["reduce"] == 0 < counted["no-preference"]


def test_200_percent_zoom_keeps_help_in_reach_and_the_answer_in_sight(browser: Browser, address: str) -> None:
    with visit(browser, address, size=ZOOMED) as page:
        assert wide(page) <= ZOOMED[0]
        ask(page, ORDINARY)
        line, banner = (place(page.locator(part).first) for part in (".kf-always", ".kf-reply .kf-banner"))
        assert line["y"] == 0 and line["height"] <= ZOOMED[1] / 6, "whom to call is in reach and leaves room"
        assert line["height"] <= banner["y"] < ZOOMED[1] / 2, "the answer begins in the upper half"
        assert style(page.locator(".form:has(> #kf-ask)"), "position") == "static" and wide(page) <= ZOOMED[0]


FIXED = """() => [...document.querySelectorAll('*')].filter(one => one.offsetHeight && one.innerText?.trim())
  .filter(one => /fixed|sticky/.test(getComputedStyle(one).position)).map(one => one.outerHTML.slice(0, 80))"""


def paper(page: Page) -> list[bytes]:
    """The sheets that come out of the printer."""
    return re.findall(rb"/Type /Page\b(?!s)", page.pdf(format="A4"))


def test_an_answer_is_printed_dark_on_white_with_its_sources_and_without_buttons(browser: Browser, address: str) -> None:
    with visit(browser, address, "/?__theme=dark", color_scheme="dark") as page:
        ask(page, ORDINARY)
        fold(page)
        page.emulate_media(media="print")
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open]):visible").count() == 0
        for part in (".kf-actions", ".kf-report", ".kf-next", ".form:has(> #kf-ask)", "#kf-clear", "[data-help]"):
            assert not page.locator(part).first.is_visible(), part
        for part in (".kf-head h1", ".kf-reply blockquote", ".kf-source", "#kf-chat .user p, #kf-chat .user span"):
            red, green, blue = (int(value) for value in re.findall(r"\d+", style(page.locator(part).last, "color"))[:3])
            assert red + green + blue < 330, f"{part} is pale on white paper"
        assert style(page.locator("body"), "background-color") == "rgb(255, 255, 255)"
        covers: list[Any] = page.evaluate(FIXED)
        assert covers == [], "it would cover text on every sheet"
        assert 1 <= len(paper(page)) <= 4
        go(page, address, "/read/liver")
        page.wait_for_load_state()
        assert 1 <= len(paper(page)) <= 6
        go(page, address, "/library")
        assert len(paper(page)) <= 30, "the list of documents alone, its folds as they are"
