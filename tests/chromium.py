"""What every browser test does: open the page in a window of a size, ask, read the card, look for what axe finds."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FloatRect, Locator, Page

ROOT = Path(__file__).parents[1]
DESKTOP, PHONE, ZOOMED, NARROW = (1280, 900), (390, 844), (640, 450), (320, 256)  # the last two: 1280 by 900 at 200 %, 1280 by 1024 at 400 % zoom
ORDINARY, DECLINED, EMERGENCY = "Is it dangerous to mix kratom with Xanax?", "how much kratom should i take for back pain", "he took 7oh and wont wake up"
DISPUTED, DOUBTFUL = "Is mitragynine a partial agonist?", "i want to die of embarrassment lol, is kratom legal in Ohio"
PATHS = ("/", "/library", "/library?q=liver&topic=safety", "/quality", "/about", "/read/liver")
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

READ = "card => { card.querySelectorAll('details').forEach(part => part.open = true); return card.innerText }"
FOLD = "card => card.querySelectorAll('details').forEach(part => part.open = false)"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def visit(browser: Browser, address: str, path: str = "/", size: tuple[int, int] = DESKTOP, **options: Any) -> Iterator[Page]:
    """A page in a window of its own; no script on it may fail. `options`: Playwright's, for the window."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    failed: list[str] = []
    try:
        page = context.new_page()
        page.on("pageerror", lambda error: failed.append(str(error)))
        go(page, address, path)
        yield page
        assert failed == []
    finally:
        context.close()


def go(page: Page, address: str, path: str) -> None:
    page.goto(address + path)
    if path.startswith("/?") or path == "/":  # the chat: Gradio's script builds it
        page.wait_for_selector("#kf-ask textarea", timeout=60_000)
        page.wait_for_timeout(800)


def ask(page: Page, message: str) -> str:
    """Type a message, wait for its card, and return the card's visible text."""
    before = page.locator(".kf-reply").count()
    page.fill("#kf-ask textarea", message)
    page.keyboard.press("Enter")
    return card(page, before)


def card(page: Page, before: int) -> str:
    """The text of the next card after the first `before`, every fold of it open."""
    page.wait_for_function(f"document.querySelectorAll('.kf-reply').length > {before}", timeout=30_000)
    page.wait_for_timeout(500)
    return str(page.locator(".kf-reply").last.evaluate(READ))


def fold(page: Page) -> None:
    """The last card as it looked before it was read."""
    page.locator(".kf-reply").last.evaluate(FOLD)


def in_context(page: Page) -> None:
    """Open the document of the first passage over the chat."""
    page.locator("a[data-context]").first.click()
    page.wait_for_selector("dialog[open] #passage")


def region(page: Page, name: str, number: str) -> None:
    """Choose whose help lines are shown."""
    page.click("#kf-region input")
    page.get_by_role("option", name=name).click()
    page.wait_for_function(f"document.querySelector('#kf-always').innerText.includes('{number}')", timeout=15_000)


def elsewhere(page: Page, address: str) -> Callable[[], list[str]]:
    """From now on: the addresses that the page asked and that are not ours."""
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    return lambda: [url for url in asked if not url.startswith((address, "data:", "blob:"))]


def place(part: Locator) -> FloatRect:
    """Where a part stands in the window; it must be shown."""
    found = part.bounding_box()
    assert found, f"{part} is not shown"
    return found


def wide(page: Page) -> int:
    """How wide the page's content is: more than the window's width scrolls sideways."""
    return int(page.evaluate("document.documentElement.scrollWidth"))


def violations(page: Page) -> list[str]:
    """What axe-core finds, best practices included."""
    found = Axe().run(page, options=AXE)
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found.response["violations"]]


# --- is every word ours? --------------------------------------------------------------------------------------------

# Every run of text that can be seen, one by one, so that a sentence pasted together from two known halves would be two runs or a stranger.
RUNS = """card => { card.querySelectorAll('details:not(.kf-how)').forEach(part => part.open = true); const runs = [];
  const walk = document.createTreeWalker(card, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) { const parent = walk.currentNode.parentElement;
    if (parent.checkVisibility() && !parent.closest('.kf-how > :not(summary)')) runs.push(walk.currentNode.data) }
  return runs }"""


def runs(page: Page) -> list[str]:
    """The texts of the last card as it shows them, every fold open but the decision record: that is data, and test_render.py checks it."""
    return list(page.locator(".kf-reply").last.evaluate(RUNS))


def allowed() -> str:
    """Everything a reply may be made of, citations left out as the page leaves them out, white space folded."""
    files = [*sorted((ROOT / "corpus").rglob("*.md")), ROOT / "corpus" / "references.json", ROOT / "bot" / "replies.toml", ROOT / "bot" / "guardrails.toml"]
    text = "\n".join(path.read_text("utf-8") for path in files)
    return folded(re.sub(r"\s*\[@[^\]]*\]", "", text.replace('\\"', '"')))


def folded(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def strangers(shown: list[str], corpus: str, message: str) -> list[str]:
    """Those of the runs that stand neither in corpus/ nor in the fixed texts nor in the person's own message."""
    parts = [folded(run).strip(" ·") for run in shown]
    return [part for part in parts if part not in corpus and part.casefold() not in folded(message).casefold()]
