"""The pages beside the chat, without a browser: what they hold, what they leave out, what they refuse."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
import urllib.error
import urllib.request
from html import unescape
from pathlib import Path

import pytest

from bot import feedback
from bot.chat import Bot
from bot.errors import InputError
from bot.feedback import Feedback
from bot.library import Choice, library_page
from bot.pages import Frame, about_page, document_page
from bot.quality import quality_page
from bot.records import TIERS, Span
from bot.replies import load_texts
from bot.reports import read_report
from bot.waiting import waiting_html, waiting_page

ROOT = Path(__file__).parents[1]
TEXTS = load_texts()
FRAME = Frame(TEXTS, "", "", "US")
GUARDRAILS = ("en", "es", "fr", "de", "pt", "id", "ms", "th", "zh", "vi", "ar")


def _silent(what: str, done: int, total: int) -> None:
    del what, done, total


def visible(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def test_a_document_page_marks_the_passage_in_its_context(bot: Bot) -> None:
    passage = bot.search("is kratom addictive")[0].passage
    document = bot.documents[passage.document_id]
    own = [one for one in bot.index.passages if one.document_id == document.id]
    page = document_page(FRAME, document, own, Span(passage.start, passage.end))
    assert page.count('<mark id="passage"') == 1 and "[@" not in visible(page) and "::: questions" not in page
    for section in document.sections:
        assert section.heading in visible(page)
    assert all(f"?passage={one.key}#passage" in page for one in own)
    assert "<mark" not in document_page(FRAME, document, own, None)


def test_a_link_to_a_passage_that_changed_says_so(bot: Bot) -> None:
    assert "notice.moved" in document_page(FRAME, bot.documents["liver"], [], None, moved=True)


def test_the_unreviewed_article_says_what_it_is(bot: Bot) -> None:
    assert TEXTS.labels["unreviewed_warning"] in document_page(FRAME, bot.documents["kratom-pain-management-article"], [], None)


def test_every_passage_has_a_link_of_its_own_in_the_library(bot: Bot) -> None:
    page = library_page(FRAME, bot.documents, bot.index.passages, Choice())
    assert all(f"/read/{passage.document_id}?passage={passage.key}#passage" in page for passage in bot.index.passages)
    assert len({(passage.document_id, passage.key) for passage in bot.index.passages}) == len(bot.index.passages)


def test_the_library_is_narrowed_by_words_topic_grade_and_year(bot: Bot) -> None:
    for given in ({"q": "liver"}, {"topic": "law"}, {"tier": "case report"}, {"since": "2025"}, {"q": "liver injury", "topic": "safety", "since": "2020"}):
        choice = Choice.read(given)
        found = [one for one in bot.index.passages if choice.admits(one, bot.documents[one.document_id].sections[one.section].questions)]
        page = library_page(FRAME, bot.documents, bot.index.passages, choice)
        assert 0 < len(found) < len(bot.index.passages)
        assert set(re.findall(r"passage=(\w+)", page)) == {one.key for one in found}
    assert TEXTS.labels["library_none"] in library_page(FRAME, bot.documents, bot.index.passages, Choice("xyzzy"))


def test_hostile_words_in_the_library_are_shown_as_text(bot: Bot) -> None:
    page = library_page(FRAME, bot.documents, bot.index.passages, Choice.read({"q": '"><script>alert(1)</script>', "tier": "<b>", "since": "x"}))
    assert "<script>alert" not in page


def test_the_quality_page_draws_every_figure_of_the_reports(bot: Bot) -> None:
    page = visible(quality_page(FRAME, bot.index.passages, ROOT / "docs"))
    report = read_report(ROOT / "docs" / "guardrails.md")
    assert report
    shares = report.shares("Other actions", "recall", "count")
    assert len(shares) >= 5
    for one in shares:
        assert one.name.removeprefix("· ").replace("-", " ") in page and f"{one.share:.0%}" in page
    for tier in {passage.tier for passage in bot.index.passages}:
        assert tier in page


def test_without_reports_the_quality_page_says_so_and_still_shows_the_index(bot: Bot, tmp_path: Path) -> None:
    page = quality_page(FRAME, bot.index.passages, tmp_path)
    assert TEXTS.labels["quality_unmeasured"] in visible(page) and TEXTS.labels["quality_age"] in page


def test_the_about_page_explains_each_grade_and_names_what_is_in_service(bot: Bot) -> None:
    page = visible(about_page(FRAME, bot.index.manifest, None))
    assert set(TEXTS.tiers) == set(TIERS)
    for text in (*TEXTS.tiers.values(), bot.index.manifest["id"][:16], TEXTS.labels["about_unmeasured"]):
        assert text in page
    for key in ("about", "about-not", "about-authors", "about-certificate", "about-review", "about-licences", "about-privacy"):
        assert TEXTS.notices([key], "US")[0].title in page


def test_every_language_of_the_guardrails_has_the_words_of_the_page() -> None:
    assert {"en", *TEXTS.interface} == set(GUARDRAILS)
    words = {tuple(shown) for shown in TEXTS.interface.values()}
    assert len(words) == 1 and set(words.pop()) <= set(TEXTS.labels)


def test_our_style_and_script_stay_small() -> None:
    assert sum((ROOT / "bot" / name).stat().st_size for name in ("style.css", "page.js")) <= 60_000


def test_feedback_keeps_a_line_without_the_message_by_default(bot: Bot, tmp_path: Path) -> None:
    passage = bot.index.passages[0]
    given = {"kind": "helpful", "document": passage.document_id, "passage": passage.key, "message": "my secret"}
    known = {(passage.document_id, passage.key)}
    Feedback(tmp_path / "quiet.jsonl", known, "index").keep(given)
    Feedback(tmp_path / "told.jsonl", known, "index", keeps_message=True).keep(given)
    assert "secret" not in (tmp_path / "quiet.jsonl").read_text("utf-8")
    assert json.loads((tmp_path / "told.jsonl").read_text("utf-8"))["message"] == "my secret"


@pytest.mark.parametrize(
    "given", [[], "x", {}, {"kind": "rm"}, {"kind": "helpful", "document": "a", "passage": "b"}, {"kind": "helpful", "document": [], "passage": {}}]
)
def test_feedback_that_names_nothing_known_is_refused(given: object, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        Feedback(tmp_path / "f.jsonl", {("liver", "0")}, "index").keep(given)
    assert not (tmp_path / "f.jsonl").exists()


def test_a_full_feedback_file_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "MAX_FILE", 200)
    kept = Feedback(tmp_path / "f.jsonl", {("liver", "0")}, "index")
    kept.keep({"kind": "wrong", "document": "liver", "passage": "0"})
    with pytest.raises(InputError, match="full"):
        for _ in range(5):
            kept.keep({"kind": "wrong", "document": "liver", "passage": "0"})


def test_while_the_index_is_built_the_address_answers_with_help_lines_and_progress() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    heard: list[object] = []
    with waiting_page(FRAME, "127.0.0.1", port, lambda *step: heard.append(step[1])) as progress:
        progress("encoding", 3, 9)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
        page = refused.value.read().decode()
        refused.value.close()
    assert refused.value.code == 503 and 'max="9" value="3"' in page and 'href="tel:911"' in page and heard == [3]
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gradio and uvicorn do
        probe.bind(("127.0.0.1", port))  # given back


def test_a_taken_port_does_not_stop_the_build() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with waiting_page(FRAME, "127.0.0.1", int(taken.getsockname()[1]), _silent) as progress:
            progress("encoding", 1, 2)
    assert "<progress" in waiting_html(FRAME, 0, 0)


def test_danger_words_bring_the_numbers_of_every_region_and_show_those_of_the_host(bot: Bot) -> None:
    searched = library_page(FRAME, bot.documents, bot.index.passages, Choice("he wont wake up"), ["emergency"])
    for page in (searched, waiting_html(FRAME, 1, 2, wants_help=True)):
        blocks = dict(re.findall(r'<div class="kf-notices" data-region="(\w+)"( hidden|)>', page))
        assert blocks == {region: "" if region == FRAME.region else " hidden" for region in TEXTS.regions}
        assert all(page.count(f'Call <a href="tel:{number}">{number}</a> now') == 1 for number in ("999", "000"))
    assert "kf-notices" not in library_page(FRAME, bot.documents, bot.index.passages, Choice())


def test_a_connection_that_breaks_while_waiting_leaves_no_address(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with waiting_page(FRAME, "127.0.0.1", port, _silent):
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not a goodbye
                client.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(100):
            if caplog.messages:
                break
            time.sleep(0.02)
    assert "ConnectionResetError" in caplog.text and "127.0.0.1" not in caplog.text + capfd.readouterr().err


def test_help_is_shown_while_the_index_is_built() -> None:
    page = waiting_html(FRAME, 1, 2, wants_help=True)
    assert page.index("notice.emergency") < page.index("notice.crisis") < page.index("notice.starting")
