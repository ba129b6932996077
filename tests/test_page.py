"""The page in a real headless Chromium: three questions, a suggestion, every visible character accounted for, no request elsewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from bot.chat import Bot
from bot.evaluation import read_questions
from bot.render import as_html
from bot.replies import load_texts

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "screenshots"
ORDINARY, DECLINED, EMERGENCY = "Is it dangerous to mix kratom with Xanax?", "how much kratom should i take for back pain", "he took 7oh and wont wake up"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
pytestmark = pytest.mark.browser


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The host's feedback file."""
    return tmp_path_factory.mktemp("feedback") / "feedback.jsonl"


@pytest.fixture(scope="module")
def address(bot: Bot, kept: Path) -> Iterator[str]:
    """The running page, started as a user starts it."""
    port = free_port()
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "KRATOM_FAQ_FEEDBACK": str(kept)}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
                    assert answer.status == 200
                    break
            except OSError:
                assert process.poll() is None, "the page did not start"
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or whichever is on the path."""
    path = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    assert path, "no Chromium found; install the package 'chromium'"
    with sync_playwright() as player:
        chromium = player.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


def opened(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("#kf-ask textarea", timeout=60_000)
    page.wait_for_timeout(800)
    page.on("pageerror", lambda error: pytest.fail(f"script error: {error}"))
    return page


def ask(page: Page, message: str) -> str:
    """Type a message, wait for its card, and return the card's visible text."""
    before = page.locator(".kf-reply").count()
    page.fill("#kf-ask textarea", message)
    page.keyboard.press("Enter")
    return card(page, before)


def card(page: Page, before: int) -> str:
    page.wait_for_function(f"document.querySelectorAll('.kf-reply').length > {before}", timeout=30_000)
    page.wait_for_timeout(500)
    return str(page.locator(".kf-reply").last.evaluate(READ))


# A card's text with every fold open, but for the decision record: that is data about the decision, and test_render.py checks it.
READ = """card => { card.querySelectorAll('details').forEach(part => part.open = true); const how = card.querySelector('.kf-how');
  if (how) how.open = false; const text = card.innerText; return text }"""


def allowed() -> str:
    """Everything a reply may be made of, citations left out as the page leaves them out, white space folded."""
    files = [*sorted((ROOT / "corpus").rglob("*.md")), ROOT / "corpus" / "references.json", ROOT / "bot" / "replies.toml", ROOT / "bot" / "guardrails.toml"]
    text = "\n".join(path.read_text("utf-8") for path in files)
    return folded(re.sub(r"\s*\[@[^\]]*\]", "", text.replace('\\"', '"')))


def folded(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def strangers(text: str, corpus: str, message: str) -> list[str]:
    """The parts of a card, between line breaks and separators, that stand neither in corpus/ nor in replies.toml."""
    parts = [folded(part) for line in text.splitlines() for part in re.split(r" · |\s{2,}", line)]
    own = f"{load_texts().labels['part']} "  # "You asked:" with the person's own words behind it
    return [part for part in parts if part and part not in corpus and not inside(part, corpus) and part.removeprefix(own) not in folded(message)]


def inside(part: str, corpus: str) -> bool:
    """A label with a value beside it ("as of 2017"), or a title with its tier: each word run of it must be known."""
    words = part.split(" ")
    return any(" ".join(words[:cut]) in corpus and " ".join(words[cut:]) in corpus for cut in range(1, len(words)))


def test_three_questions_and_a_suggestion_show_nothing_but_quotes_and_fixed_texts(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    elsewhere: list[str] = []
    context.on("request", lambda request: elsewhere.append(request.url) if not request.url.startswith((address, "data:", "blob:")) else None)
    page = opened(context, address)
    corpus = allowed()
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / "start-desktop-light.png")

    ordinary = ask(page, ORDINARY)
    page.locator(".kf-reply").last.evaluate("card => card.querySelectorAll('details').forEach(part => part.open = false)")
    page.screenshot(path=PICTURES / "answer-desktop-light.png")
    assert "benzodiazepine" in ordinary
    assert page.locator(".kf-reply figure.kf-quote mark").count() >= 1

    suggestion = page.locator("#kf-chat .option").first
    question = suggestion.inner_text().strip()
    suggestion.click()
    followed = card(page, 1)
    assert question in page.inner_text("#kf-chat")

    declined = ask(page, DECLINED)
    assert "I can't give an amount" in declined
    emergency = ask(page, EMERGENCY)
    page.screenshot(path=PICTURES / "emergency-desktop-light.png")
    assert emergency.startswith("Call 911 now")
    assert page.locator(".kf-reply").last.locator("figure").count() == 0

    for message, text in ((ORDINARY, ordinary), (question, followed), (DECLINED, declined), (EMERGENCY, emergency)):
        assert strangers(text, corpus, message) == []
    assert elsewhere == []
    context.close()


def test_200_answers_show_nothing_but_quotes_and_fixed_texts(browser: Browser, bot: Bot) -> None:
    corpus = allowed()
    page, style = browser.new_page(), (ROOT / "bot" / "style.css").read_text("utf-8")
    found: dict[str, list[str]] = {}
    for question in read_questions("tune")[:200]:
        page.set_content(f"<style>{style}</style>{as_html(bot.reply(question.text), question.text, bot.texts, date(2026, 11, 22))}")
        strange = strangers(str(page.locator(".kf-reply").evaluate(READ)), corpus, question.text)
        if strange:
            found[question.text] = strange
    page.close()
    assert found == {}


def test_a_sentence_that_is_not_ours_would_be_noticed() -> None:
    corpus = allowed()
    assert strangers("Kratom is perfectly safe for everyone.", corpus, "") == ["Kratom is perfectly safe for everyone."]


def test_dark_and_phone_look_right_and_nothing_scrolls_sideways(browser: Browser, address: str) -> None:
    looks: tuple[tuple[str, int, int, Literal["dark", "light"]], ...] = (("desktop-dark", 1280, 900, "dark"), ("phone-light", 390, 844, "light"))
    for name, width, height, scheme in looks:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        page = opened(context, f"{address}/?__theme={scheme}")
        ask(page, ORDINARY)
        page.locator(".kf-reply").last.evaluate("card => card.querySelectorAll('details').forEach(part => part.open = false)")
        page.screenshot(path=PICTURES / f"answer-{name}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("#kf-always").bounding_box() is not None
        assert (page.locator("#kf-always").bounding_box() or {"y": 999})["y"] < 20, "the calm line scrolled away"
        context.close()


def test_the_region_is_chosen_on_the_page_and_changes_the_numbers(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = opened(context, address)
    page.click("#kf-region input")
    page.get_by_role("option", name="United Kingdom").click()
    page.wait_for_function("document.querySelector('#kf-always').innerText.includes('999')", timeout=15_000)
    assert ask(page, EMERGENCY).startswith("Call 999 now")
    context.close()


def test_help_is_one_tap_away(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = opened(context, address)
    page.click("[data-help]")
    assert card(page, 0).startswith("Call 911 now")
    context.close()


def test_read_in_context_opens_the_document_with_the_passage_marked(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = opened(context, address)
    ask(page, ORDINARY)
    link = page.locator(".kf-reply figure a[href^='/read/']").first.get_attribute("href")
    page.goto(address + str(link))
    assert page.locator("mark").count() >= 1
    assert page.locator("h1").inner_text() == "Kratom with alcohol, sedatives and opioids"
    context.close()


PAGES = ("/", "/library", "/library?q=liver&topic=safety", "/quality", "/about", "/read/liver")


def violations(page: Page) -> list[str]:
    """What axe-core finds, best practices included."""
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found.response["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(browser: Browser, address: str, scheme: Literal["light", "dark"]) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page = opened(context, address)
    assert violations(page) == []
    for message in (ORDINARY, DECLINED, EMERGENCY):
        ask(page, message)  # every fold is open now
        assert violations(page) == [], message
    for path in PAGES[1:]:
        page.goto(address + path)
        assert violations(page) == [], path
    context.close()


@pytest.mark.parametrize("path", PAGES)
def test_320_pixels_are_wide_enough_and_nothing_is_fetched_from_elsewhere(browser: Browser, address: str, path: str) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 256})  # 1280 by 1024 at 400 % zoom
    elsewhere: list[str] = []
    context.on("request", lambda request: elsewhere.append(request.url) if not request.url.startswith((address, "data:", "blob:")) else None)
    page = context.new_page()
    page.goto(address + path)
    page.wait_for_timeout(1000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert elsewhere == [] and context.cookies() == []
    assert page.locator("[data-help]:visible").count() == 1
    context.close()


def test_our_buttons_and_links_are_large_enough_for_a_thumb(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = opened(context, address)
    ask(page, ORDINARY)
    heights = page.locator(".kf-reply").evaluate(
        "card => [...card.querySelectorAll('button, summary, .kf-actions a')].filter(one => one.offsetParent).map(one => one.getBoundingClientRect().height)"
    )
    assert heights and min(heights) >= 43.9
    context.close()


def test_the_whole_way_goes_by_keyboard(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = opened(context, address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "kf-skip"
    page.keyboard.press("Enter")
    page.keyboard.type(ORDINARY)
    page.keyboard.press("Enter")
    card(page, 0)
    assert "kf-reply" in page.evaluate("document.activeElement.className"), "the reader's place is not at the answer"
    assert "Mixing can be dangerous" in page.inner_text("#kf-live")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.hasAttribute('data-context')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] #passage")
    assert page.evaluate("document.activeElement.id") == "passage"
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert page.evaluate("document.activeElement.hasAttribute('data-context')"), "focus does not come back"
    context.close()


def test_an_example_of_the_first_visit_is_asked_with_one_tap(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = opened(context, address)
    assert page.locator(".kf-start h3").count() == 3
    page.locator(".kf-start button").first.click()
    card(page, 0)
    assert not page.locator(".kf-start").is_visible()
    context.close()


def test_a_thumb_is_kept_without_the_message_and_strangers_are_refused(browser: Browser, address: str, kept: Path) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = opened(context, address)
    ask(page, ORDINARY)
    with page.expect_response("**/feedback") as sent:
        page.locator(".kf-reply [data-feedback]").first.click()
    assert sent.value.status == 200 and "Xanax" not in str(sent.value.request.post_data)
    assert page.locator(".kf-reply [data-feedback]").first.is_disabled()
    [row] = [json.loads(line) for line in kept.read_text("utf-8").splitlines()]
    assert set(row) == {"day", "kind", "document", "passage", "index"} and row["kind"] == "helpful"
    script = {"Content-Type": "application/json"}
    for headers, body in (({"Content-Type": "text/plain"}, b"{}"), (script, b"x" * 30_000), (script, b"[" * 19_999), (script, b"[]")):
        with pytest.raises(urllib.error.HTTPError, match="400") as refused:
            urllib.request.urlopen(urllib.request.Request(f"{address}/feedback", body, headers), timeout=10)
        refused.value.close()
    assert len(kept.read_text("utf-8").splitlines()) == 1
    context.close()


def test_two_quick_taps_leave_the_button_as_it_was(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = opened(context, address)
    ask(page, ORDINARY)
    button = page.locator(".kf-reply [data-copy]").first
    label = button.inner_text()
    for _ in range(2):
        button.click()
        page.wait_for_timeout(300)
    assert button.inner_text() != label
    page.wait_for_timeout(2500)
    assert button.inner_text() == label
    context.close()


def test_the_region_kept_on_the_device_counts_before_the_server_has_answered(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script("localStorage.setItem('kf-region', 'UK')")
    held: list[Route] = []

    def hold(route: Route) -> None:
        """The request that would put the kept region into the menu is on its way for ever."""
        if '"data":["UK"]' in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    context.route("**/queue/join**", hold)
    page = context.new_page()
    page.goto(f"{address}/?help=1")
    assert card(page, 0).startswith("Call 999 now")
    assert ask(page, EMERGENCY).startswith("Call 999 now")
    assert held, "the page no longer asks that way, so this test proves nothing"
    context.close()


def test_the_region_is_remembered_on_the_device_and_by_the_other_pages(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = opened(context, address)
    page.click("#kf-region input")
    page.get_by_role("option", name="United Kingdom").click()
    page.wait_for_function("document.querySelector('#kf-always').innerText.includes('999')", timeout=15_000)
    page.goto(f"{address}/library")
    assert "999" in page.locator(".kf-pinned:visible").inner_text()
    page = opened(context, address)
    page.wait_for_function("document.querySelector('#kf-always').innerText.includes('999')", timeout=15_000)
    page.goto(f"{address}/about")
    page.locator("[data-help]:visible").click()
    assert card(page, 0).startswith("Call 999 now")
    context.close()


def test_danger_typed_into_the_library_gets_the_help_text(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{address}/library")
    page.fill("#kf-q", EMERGENCY)
    page.keyboard.press("Enter")
    page.wait_for_url("**q=**")
    assert page.locator(".kf-level-emergency:visible .kf-title").first.inner_text() == "Call 911 now"
    page.evaluate("localStorage.setItem('kf-region', 'UK')")
    page.reload()
    assert page.locator(".kf-level-emergency:visible .kf-title").first.inner_text() == "Call 999 now"
    context.close()


@pytest.mark.parametrize(("language", "words"), [("es", "Su pregunta"), ("ar", "سؤالك"), ("sv", "Your question")])
def test_the_pages_own_words_follow_the_browsers_language(browser: Browser, address: str, language: str, words: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale=language)
    page = opened(context, address)
    assert words in page.inner_text("#kf-ask")
    assert page.locator(".kf-start").get_attribute("lang") == "en"
    context.close()


def test_folded_parts_are_opened_for_printing_and_buttons_left_out(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = opened(context, address)
    ask(page, ORDINARY)
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert not page.locator(".kf-actions").first.is_visible() and not page.locator("#kf-ask").is_visible()
    context.close()


def test_the_other_pages_look_right(browser: Browser, address: str) -> None:
    looks: tuple[tuple[str, str, int, int, Literal["dark", "light"]], ...] = (
        ("library-desktop-light", "/library?q=liver", 1280, 900, "light"),
        ("quality-desktop-dark", "/quality", 1280, 900, "dark"),
        ("quality-phone-light", "/quality", 390, 844, "light"),
        ("about-phone-dark", "/about", 390, 844, "dark"),
        ("context-desktop-light", "", 1280, 900, "light"),
    )
    for name, path, width, height, scheme in looks:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        page = opened(context, address)
        if path:
            page.goto(address + path)
        else:
            ask(page, ORDINARY)
            page.locator("a[data-context]").first.click()
            page.wait_for_selector("dialog[open] #passage")
        page.screenshot(path=PICTURES / f"{name}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        context.close()


SPACE = """
import socket, sys, urllib.request
allowed, real = ("127.0.0.1", "localhost", "0.0.0.0", "::1", "None"), socket.getaddrinfo
def only_here(host, *rest, **named):
    if str(host) not in allowed:
        raise OSError(f"outbound connection to {host}")
    return real(host, *rest, **named)
socket.getaddrinfo = only_here
import app
app.demo.launch(prevent_thread_lock=True)
page = urllib.request.urlopen("http://127.0.0.1:" + sys.argv[1] + "/").read().decode()
health = urllib.request.urlopen("http://127.0.0.1:" + sys.argv[1] + "/healthz").read().decode()
print("kf-always" in page, "ready" in health)
app.demo.close()
"""


def test_a_space_that_launches_the_page_itself_serves_the_same_and_calls_nobody(bot: Bot) -> None:
    port = str(free_port())
    space = {"SYSTEM": "spaces", "SPACE_ID": "me/faq", "SPACE_HOST": "me-faq.hf.space", "GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": port}  # noqa: S104  # where a Space listens
    command = [sys.executable, "-c", SPACE, port]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **space}, capture_output=True, text=True, check=False, timeout=240)
    assert "True True" in done.stdout, done.stdout + done.stderr
    assert "outbound connection" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/read/nothing", 404),
        (f"/read/liver?start={'1' * 4301}&end={'2' * 4301}", 200),
        ("/gradio_api/file=/etc/hostname", 404),
        ("/gradio_api/file=http://127.0.0.1:1/", 404),
        ("/v1/nothing", 404),
    ],
)
def test_routes_the_page_has_no_use_for_are_closed(address: str, path: str, status: int) -> None:
    try:
        with urllib.request.urlopen(address + path, timeout=10) as answer:
            found = answer.status
    except urllib.error.HTTPError as error:
        found = error.code
    assert found == status


def test_the_json_service_and_mcp_answer_beside_the_page(address: str) -> None:
    from json import dumps, loads

    def post(path: str, data: dict[str, object]) -> dict[str, Any]:
        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        with urllib.request.urlopen(urllib.request.Request(address + path, dumps(data).encode(), headers), timeout=30) as answer:
            return dict(loads(answer.read()))

    assert post("/v1/reply", {"message": EMERGENCY, "region": "UK"})["notices"][0]["title"].startswith("Call 999")
    assert len(post("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})["result"]["tools"]) == 2
    for path in ("/docs", "/openapi.json", "/metrics"):
        assert urllib.request.urlopen(address + path, timeout=10).status == 200


def test_the_named_endpoints_answer_programs(address: str) -> None:
    from gradio_client import Client

    client = Client(address, verbose=False)
    hits = client.predict("liver injury", 2, api_name="/search")
    assert len(hits) == 2 and hits[0]["passage"]["document_id"] == "liver"
    reply = client.predict("he wont wake up", [], "UK", api_name="/reply")
    assert reply["action"] == "emergency" and "999" in reply["notices"][0]["title"]
    counted = urllib.request.urlopen(f"{address}/metrics", timeout=10).read().decode()
    assert 'kratom_faq_replies_total{action="emergency",door="gradio",urgency="now"}' in counted and 'kratom_faq_searches_total{door="gradio"}' in counted
