"""Pictures of the page for docs/screenshots/, taken anew by each run; looked at by people, and by a test for what cannot be right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from chromium import DESKTOP, DISPUTED, DOUBTFUL, EMERGENCY, ORDINARY, PHONE, ROOT, ask, fold, in_context, visit, wide
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
PICTURES = ROOT / "docs" / "screenshots"


def asked(message: str) -> Callable[[Page], None]:
    def steps(page: Page) -> None:
        ask(page, message)
        fold(page)

    return steps


def opened(page: Page) -> None:
    asked(ORDINARY)(page)
    in_context(page)


def printed(page: Page) -> None:
    asked(ORDINARY)(page)
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")


def still(page: Page) -> None:
    """The page as it opens."""


LOOKS: dict[str, tuple[tuple[int, int], str, Callable[[Page], None], dict[str, Any]]] = {
    "start-desktop-light": (DESKTOP, "/", still, {}),
    "start-phone-dark": (PHONE, "/", still, {}),
    "answer-desktop-light": (DESKTOP, "/", asked(ORDINARY), {}),
    "answer-desktop-dark": (DESKTOP, "/", asked(ORDINARY), {}),
    "answer-phone-light": (PHONE, "/", asked(ORDINARY), {}),
    "disagreement-desktop-light": (DESKTOP, "/", asked(DISPUTED), {}),
    "disagreement-phone-light": (PHONE, "/", asked(DISPUTED), {"full_page": True}),
    "emergency-desktop-light": (DESKTOP, "/", asked(EMERGENCY), {}),
    "emergency-phone-dark": (PHONE, "/", asked(EMERGENCY), {}),
    "check-phone-dark": (PHONE, "/", asked(DOUBTFUL), {}),
    "context-desktop-light": (DESKTOP, "/", opened, {}),
    "context-phone-light": (PHONE, "/", opened, {}),
    "library-desktop-light": (DESKTOP, "/library?q=liver", still, {}),
    "library-phone-light": (PHONE, "/library", still, {}),
    "quality-desktop-dark": (DESKTOP, "/quality", still, {}),
    "quality-phone-light": (PHONE, "/quality", still, {}),
    "about-phone-dark": (PHONE, "/about", still, {}),
    "answer-forced-colours": (DESKTOP, "/", asked(ORDINARY), {"forced_colors": "active"}),
    "emergency-arabic-phone-light": (PHONE, "/", asked("صديقي تناول القرطوم ولا يستيقظ"), {"locale": "ar"}),
    "answer-paper-light": ((794, 1123), "/", printed, {}),
}


@pytest.mark.parametrize("name", LOOKS)
def test_the_page_is_pictured_and_nothing_scrolls_sideways(browser: Browser, address: str, name: str) -> None:
    size, path, steps, options = LOOKS[name]
    scheme = "dark" if name.endswith(("dark", "forced-colours")) else "light"
    window = {key: value for key, value in options.items() if key != "full_page"}
    with visit(browser, address, path, size, color_scheme=scheme, **window) as page:
        steps(page)
        page.wait_for_timeout(300)
        page.screenshot(path=PICTURES / f"{name}.png", full_page="full_page" in options)
        assert wide(page) <= size[0]
        if path == "/" and "paper" not in name:
            assert (page.locator("#kf-always").bounding_box() or {"y": 999})["y"] < 20, "the line scrolled away"
