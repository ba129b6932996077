"""The Gradio page and the Space's entry point: shows what bot/ decides, decides nothing.

`demo` stands at module level because a Space may import this file and launch it itself; `python app.py` and `make run` launch it here.
"""

from __future__ import annotations

import os

from bot.headers import SPACES

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported: no call to any host
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
if os.environ.get("SPACE_ID"):
    os.environ.setdefault("KRATOM_FAQ_MCP_HOSTS", "*")  # a Space is public, and its host name is not known ahead
    os.environ.setdefault("KRATOM_FAQ_FRAMES", SPACES)
    os.environ.setdefault("FORWARDED_ALLOW_IPS", "*")  # uvicorn's: a Space is reached through its proxy alone, which says whom it asks for

import json
import logging
import re
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.commands.shared import progress_bar
from bot.errors import BotError, InputError, StoreError
from bot.feedback import Feedback
from bot.library import Choice, library_page
from bot.logs import configure, take_over
from bot.markup import notice_html
from bot.metrics import Metrics
from bot.pages import Frame, about_page, always_html, document_page, navigation, start_html
from bot.pipeline import open_bot
from bot.quality import quality_page
from bot.records import Span
from bot.render import as_html
from bot.replies import load_texts
from bot.service import create_service, opened
from bot.service import routes as service_routes
from bot.service.guard import Guard
from bot.service.limits import MAX_DEPTH, depth
from bot.service.scripts import Scripts
from bot.settings import PACKAGE, Settings
from bot.waiting import waiting_page

STYLE = (PACKAGE / "style.css").read_text("utf-8")
SCRIPT = (PACKAGE / "page.js").read_text("utf-8")
MAX_BODY = 20_000  # bytes of a thumb or report; the message in it is cut to 2,000 characters
SESSIONS = 200  # conversations whose state Gradio keeps: about 32 kB each, and the bot itself keeps none
KEEP_REGION = "(place) => { kfKeep(place); return place; }"  # on this device alone: page.js
# The only addresses there are. Of Gradio's own, those that its page and gradio_client ask for: no uploads, no files by path or URL (the server
# would fetch them), no proxying, saved links, run history, monitoring, editing of the app.
KNOWN = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|robots\.txt|manifest\.json|pwa_icon(/\d+)?|login_check)/?"
    r"|/(static|assets|svelte)/[\w./@-]+"
    r"|/gradio_api/(info|openapi\.json|app_id|startup-events|theme\.css|login_check|queue/join|queue/data|cancel|reset|heartbeat/[\w-]+)/?"
    r"|/gradio_api/(call|run|api)/[\w/-]+"
    r"|/(read/[\w.-]+|library|quality|about|feedback|v1/.*|healthz|metrics|docs|openapi\.json|mcp)"
)


async def _refused(*_: object, **__: object) -> str:
    """Stands where Gradio would fetch a file that a message names, from any address: no component here takes one."""
    raise InputError("a message is words; files and addresses of files are not taken")


setattr(gr.blocks.Block, "async_move_resource_to_block_cache", _refused)  # noqa: B010  # a method is not assigned
settings = Settings().with_environment()
configure(settings.log, words=settings.log_messages)
texts = load_texts()
label = texts.labels
HOST = os.environ.get("GRADIO_SERVER_NAME", settings.host)
PORT = int(os.environ.get("GRADIO_SERVER_PORT", settings.port))
KEPT = f"({json.dumps(list(texts.regions))}.find((one) => one === kfKept()) ?? place)"  # read at the tap: the menu gets it from the server, maybe later
KEPT_REGION = f"(place) => {KEPT}"
frame = Frame(texts, STYLE, SCRIPT, texts.region(settings.region))
counters = Metrics()
with waiting_page(frame, HOST, PORT, progress_bar()) as progress:
    bot = open_bot(settings, progress)
log = logging.getLogger("bot.page")
known = {(passage.document_id, passage.key): passage for passage in bot.index.passages}
feedback = (
    Feedback(Path(settings.feedback), known, bot.index.id, keeps_message=settings.feedback_message, days=settings.feedback_days) if settings.feedback else None
)
Chat = list[dict[str, Any]]
Result = TypeVar("Result")


def respond(message: str, chat: Chat, region: str) -> tuple[Chat, str]:
    """The chat with the message and its answer, and an empty box."""
    if not message or not message.strip():
        return chat, ""
    try:
        reply = counters.replied("page", lambda: bot.reply(message, chat, region=region))
    except Exception:  # whatever it is, a person who waits gets the numbers to call
        log.exception("a message could not be answered")
        failed = "".join(notice_html(notice, label) for notice in texts.notices(("unavailable",), region if region in texts.regions else settings.region))
        return [*chat, {"role": "user", "content": message}, {"role": "assistant", "content": gr.HTML(failed)}], ""
    options = [{"value": question, "label": question} for question in reply.choices or reply.suggestions]
    if reply.urgency == "possible":
        options = []  # yes and no stand in the card, right below the question
    elif reply.urgency == "now":
        options = [{"value": label["not_in_danger"], "label": label["not_in_danger"]}]
    today = datetime.now(UTC).date()
    card = gr.HTML(as_html(reply, message, texts, today, feedback=feedback is not None, keeps_message=settings.feedback_message))
    answer = {"role": "assistant", "content": card, "options": options}
    return [*chat, {"role": "user", "content": message}, answer], ""


def choose(event: gr.SelectData, chat: Chat, region: str) -> tuple[Chat, str]:
    """A suggestion was tapped: ask it."""
    value = event.value["text"] if isinstance(event.value, dict) else str(event.value)
    return respond(value, chat, region)


def search(query: str, limit: int = 5) -> list[dict[str, Any]]:
    """Verbatim passages for a query, best first, without guardrails: for programs."""
    hits = answered(lambda: bot.search(query, limit=limit))
    counters.search("gradio")
    return [hit.to_dict() for hit in hits]


def answer(message: str, history: list[str] | None = None, region: str | None = None) -> dict[str, Any]:
    """The whole reply, with its receipt: for programs."""
    return answered(lambda: counters.replied("gradio", lambda: bot.reply(message, history or [], region=region))).to_dict()


def answered(ask: Callable[[], Result]) -> Result:
    """What `ask` returns; its errors as Gradio tells them to a client, and none printed with what was typed."""
    try:
        return ask()
    except BotError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except Exception as error:
        log.exception("a call could not be answered")
        told = texts.notices(("unavailable",), settings.region)
        raise gr.Error("\n".join(f"{notice.title}\n{notice.text}" for notice in told), print_exception=False) from error


def guarded(service: FastAPI) -> Callable[[FastAPI], Any]:
    """What runs while Gradio's server does: the JSON service, and `Guard` around Gradio's finished app, outside of all that Gradio adds."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        take_over()
        assert app.middleware_stack is not None, "Starlette builds it before it starts the lifespan"
        app.middleware_stack = Guard(app.middleware_stack, counters, settings, known=KNOWN, script=SCRIPT)
        counters.watch_queue(lambda: len(demo._queue))  # Gradio tells it nowhere else
        async with service.router.lifespan_context(service):
            yield

    return lifespan


class Page(gr.Blocks):
    """The page with its own way to be served, so that a Space which launches `demo` by itself serves the same."""

    def launch(self, **given: Any) -> Any:  # type: ignore[override]  # the options are gradio's own, passed on by name
        """Serve until interrupted, on this host alone unless the environment says otherwise. `given` goes before our options."""
        service = create_service(opened(bot), counters)
        options: dict[str, Any] = {
            "server_name": HOST,
            "server_port": PORT,
            "head": f"<style>{STYLE}</style><script>{SCRIPT}</script>",
            "i18n": words,
            "theme": gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
            "app_kwargs": {
                "routes": routes(service),
                "middleware": [Middleware(Scripts, script=SCRIPT, frames=settings.frames)],
                "lifespan": guarded(service),
                "docs_url": None,
                "redoc_url": None,
            },
            "allowed_paths": [],
            "blocked_paths": ["/"],  # no file of this machine
            "strict_cors": True,
            "footer_links": [],
            "run_history": False,
            "enable_monitoring": False,
            "show_error": False,
            "ssr_mode": False,
            "pwa": False,
            "share": False,
            "state_session_capacity": SESSIONS,
            "max_file_size": 1,
        }
        return super().launch(**{**options, **given})


def build_page() -> Page:
    """The page."""
    with Page(title=label["title"], analytics_enabled=False, fill_width=False) as page:
        gr.HTML(
            f'<a class="kf-skip" href="#kf-ask">{escape(label["skip_question"])}</a><p id="kf-live" class="kf-unseen" role="status"></p>',
            padding=False,
            elem_id="kf-first",
        )
        line = gr.HTML(always_html(texts, settings.region), elem_id="kf-always", padding=False)
        gr.HTML(
            f'<header class="kf-head" lang="en">{navigation(label, "chat", new_tab=True)}<h1>{escape(label["title"])}</h1></header>',
            padding=False,
        )
        gr.HTML(words("tagline"), padding=False, elem_id="kf-tagline")
        chat = gr.Chatbot(
            elem_id="kf-chat",
            show_label=False,
            container=False,
            height=None,
            max_height=None,
            layout="bubble",
            buttons=[],
            autoscroll=False,
            latex_delimiters=[],
            feedback_options=None,
            group_consecutive_messages=False,
        )
        box = gr.Textbox(
            label=words("question"),
            placeholder=words("placeholder"),
            submit_btn=words("ask"),  # type: ignore[arg-type]  # translated in the browser like the label; gradio's annotation forgot it
            lines=1,
            max_lines=6,
            elem_id="kf-ask",
            autofocus=False,
        )
        gr.HTML(start_html(texts), padding=False, elem_id="kf-start")  # below the box, so that nothing on it is ever covered
        with gr.Row():
            urgent = gr.Button(label["help_now"], elem_id="kf-help")
            clear = gr.Button(words("clear"), elem_id="kf-clear")
            region = gr.Dropdown(
                [(name, key) for key, name in texts.regions.items()], value=settings.region, label=words("region"), filterable=False, elem_id="kf-region"
            )
        gr.HTML(words("disclaimer"), padding=False, elem_id="kf-foot")
        private: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 4, "show_progress": "minimal"}
        box.submit(respond, [box, chat, region], [chat, box], js=f"(message, shown, place) => [message, shown, {KEPT}]", **private)
        chat.option_select(choose, [chat, region], [chat, box], js=f"(shown, place) => [shown, {KEPT}]", **private)
        help_now = partial(respond, label["help_now"])
        urgent.click(help_now, [chat, region], [chat, box], js=f"(shown, place) => [shown, {KEPT}]", **private)
        clear.click(lambda: ([], ""), None, [chat, box], **private)
        region.change(lambda place: always_html(texts, place), region, line, js=KEEP_REGION, **private)
        page.load(lambda place: place if place in texts.regions else settings.region, region, region, js=KEPT_REGION, **private)
        gr.api(search, api_name="search", concurrency_limit=4)  # type: ignore[attr-defined]  # exported by gradio at run time only
        gr.api(answer, api_name="reply", concurrency_limit=4)  # type: ignore[attr-defined]  # the same
    assert isinstance(page, Page)
    page.queue(max_size=64)
    return page


def read(request: Request) -> Response:
    """A document with a passage marked: GET /read/{document}?passage=KEY, or ?start=&end= in characters. 503 where its text cannot be had."""
    document = bot.documents.get(request.path_params["document"])
    if document is None:
        return PlainTextResponse("There is no such document.", status_code=404)
    key = request.query_params.get("passage", "")
    passage = known.get((document.id, key))
    start, end = (request.query_params.get(name, "") for name in ("start", "end"))
    numbers = all(one.isdecimal() and len(one) < 10 for one in (start, end))  # Python reads no number of thousands of digits
    own = [one for one in bot.index.passages if one.document_id == document.id]
    try:
        inside = numbers and int(start) < int(end) <= len(document.text)
        span = Span(passage.start, passage.end) if passage else Span(int(start), int(end)) if inside else None
        return HTMLResponse(document_page(frame, document, own, span, moved=bool(key) and passage is None))
    except StoreError as error:
        log.error("%s", error)
        return HTMLResponse(frame.page("", document.title, frame.notices(("unavailable",))), status_code=503)


def library(request: Request) -> Response:
    """GET /library?q=&topic=&tier=&since=: the documents that fit. Words that tell of danger get the help text before the list."""
    choice = Choice.read(request.query_params)
    reply = bot.reply(choice.words) if choice.words else None
    shown = reply.notices if reply and reply.urgency != "none" else ()
    danger = [notice.key.removeprefix("notice.") for notice in shown if notice.key.startswith("notice.")]  # the help lines come with them
    return HTMLResponse(library_page(frame, bot.documents, bot.index.passages, choice, danger))


def quality(request: Request) -> Response:
    """GET /quality: the last evaluation and the index in service, as plots."""
    return HTMLResponse(quality_page(frame, bot.index.passages, settings.reports))


async def keep_feedback(request: Request) -> Response:
    """POST /feedback: a thumb or a report from this page, where the host keeps them; 404 where it does not."""
    if feedback is None:
        return JSONResponse({"error": "This host keeps no feedback."}, status_code=404)
    here = request.headers.get("sec-fetch-site", "same-origin") == "same-origin" and request.headers.get("content-type") == "application/json"
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            break
    try:
        if not here or len(body) > MAX_BODY or depth(body) > MAX_DEPTH:
            raise InputError("feedback is a small JSON object sent by this page itself")
        feedback.keep(json.loads(body))
    except (InputError, ValueError) as error:
        return JSONResponse({"error": str(error)}, status_code=400)
    return JSONResponse({"kept": True})


def about(request: Request) -> Response:
    """GET /about: what the bot is, what grades mean, and how often it was wrong when it was measured."""
    kept = () if feedback is None else ("about-feedback-message",) if settings.feedback_message else ("about-feedback",)
    gaps = ("about-gaps",) if settings.gaps else ()
    return HTMLResponse(about_page(frame, bot.index.manifest, bot.index.certificate, (*kept, *gaps)))


def routes(service: FastAPI) -> Sequence[Route]:
    """Our routes, those of the JSON service among them; they come before Gradio's."""
    pages = [Route("/read/{document}", read), Route("/library", library), Route("/quality", quality), Route("/about", about)]
    return [*pages, Route("/feedback", keep_feedback, methods=["POST"]), *service_routes(service)]


english = {name: label[name] for name in next(iter(texts.interface.values()))}
words = gr.I18n(**{language: dict(shown) for language, shown in {"en": english, **texts.interface}.items()})
demo = build_page()

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Gradio then closes its server, which ends what it has begun
    try:
        demo.launch()
    except (BotError, OSError) as error:
        raise SystemExit(f"{error}\nIs the port taken? Try: python -m bot serve --port {PORT + 1}") from error
