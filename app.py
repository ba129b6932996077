"""The Gradio page and the Space's entry point: shows what bot/ decides, decides nothing.

`demo` stands at module level because a Space may import this file and launch it itself; `python app.py` and `make run` launch it here.
"""

from __future__ import annotations

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported: no call to any host
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.__main__ import progress_bar
from bot.errors import BotError
from bot.pipeline import open_bot
from bot.records import Span
from bot.render import about_page, as_html, document_page, notice_html
from bot.service import create_service, opened
from bot.service import routes as service_routes
from bot.settings import PACKAGE, Settings

STYLE = (PACKAGE / "style.css").read_text("utf-8")
SCRIPT = (PACKAGE / "page.js").read_text("utf-8")
EXAMPLES = 6
SESSIONS = 200  # conversations whose state Gradio keeps: about 32 kB each, and the bot itself keeps none
# Gradio's own routes that this page has no use for: uploads, files by URL (the server would fetch them), proxying, saved links, run history.
CLOSED = (
    "upload",
    "upload_progress",
    "file={path:path}",
    "file/{path:path}",
    "proxy={path:path}",
    "stream/{path:path}",
    "deep_link",
    "monitoring",
    "component_server",
)

settings = Settings().with_environment()
bot = open_bot(settings, progress_bar())
texts = bot.texts
label = texts.labels
Chat = list[dict[str, Any]]


def respond(message: str, chat: Chat, region: str) -> tuple[Chat, str]:
    """The chat with the message and its answer, and an empty box."""
    if not message or not message.strip():
        return chat, ""
    reply = bot.reply(message, chat, region=region)
    options = [{"value": question, "label": question} for question in reply.choices or reply.suggestions]
    if reply.urgency == "possible":
        options = [{"value": label[name], "label": label[name]} for name in ("in_danger", "not_in_danger")]
    elif reply.urgency == "now":
        options = [{"value": label["not_in_danger"], "label": label["not_in_danger"]}]
    card = gr.HTML(as_html(reply, message, texts, datetime.now(UTC).date()))
    answer = {"role": "assistant", "content": card, "options": options}
    return [*chat, {"role": "user", "content": message}, answer], ""


def always(region: str) -> str:
    """The calm line at the top: whom to call, for the chosen region."""
    line = texts.line("always", region)
    return notice_html(line).replace("kf-banner kf-level-info", "kf-always") if line else ""


def choose(event: gr.SelectData, chat: Chat, region: str) -> tuple[Chat, str]:
    """A suggestion or an example was tapped: ask it."""
    value = event.value["text"] if isinstance(event.value, dict) else str(event.value)
    return respond(value, chat, region)


def search(query: str, limit: int = 5) -> list[dict[str, Any]]:
    """Verbatim passages for a query, best first, without guardrails: for programs."""
    return [hit.to_dict() for hit in bot.search(query, limit=limit)]


def answer(message: str, history: list[str] | None = None, region: str | None = None) -> dict[str, Any]:
    """The whole reply, with its receipt: for programs."""
    return bot.reply(message, history or [], region=region).to_dict()


class Page(gr.Blocks):
    """The page with its own way to be served, so that a Space which launches `demo` by itself serves the same."""

    def launch(self, **given: Any) -> Any:  # type: ignore[override]  # the options are gradio's own, passed on by name
        """Serve until interrupted, on this host alone unless the environment says otherwise. `given` goes before our options."""
        service = create_service(opened(bot))
        options: dict[str, Any] = {
            "server_name": os.environ.get("GRADIO_SERVER_NAME", settings.host),
            "server_port": int(os.environ.get("GRADIO_SERVER_PORT", settings.port)),
            "head": f"<style>{STYLE}</style><script>{SCRIPT}</script>",
            "theme": gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
            "app_kwargs": {"routes": routes(service), "lifespan": lambda _: service.router.lifespan_context(service), "docs_url": None, "redoc_url": None},
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
        remembered = gr.BrowserState(settings.region, storage_key="kratom-faq-region", secret="kratom-faq")  # noqa: S106  # no secret: it only keeps the value readable after a restart
        gr.HTML(f'<header class="kf-head"><h1>{escape(label["title"])}</h1><p>{escape(label["tagline"])}</p></header>')
        line = gr.HTML(always(settings.region), elem_id="kf-always")
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
            examples=[{"text": label[f"example_{number}"]} for number in range(1, EXAMPLES + 1)],
            placeholder=f"**{escape(label['examples'])}**",
        )
        box = gr.Textbox(
            label=label["question"], placeholder=label["placeholder"], submit_btn=label["ask"], lines=1, max_lines=6, elem_id="kf-ask", autofocus=False
        )
        with gr.Row():
            urgent = gr.Button(label["help_now"], elem_id="kf-help")
            clear = gr.Button(label["clear"])
            region = gr.Dropdown(
                [(name, key) for key, name in texts.regions.items()], value=settings.region, label=label["region"], filterable=False, elem_id="kf-region"
            )
        link = f'<a href="/about" target="_blank" rel="noopener">{escape(label["about"])}</a>'
        gr.HTML(f'<p class="kf-meta">{escape(label["disclaimer"])} {link}</p>')
        private: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 4, "show_progress": "minimal"}
        box.submit(respond, [box, chat, region], [chat, box], **private)
        chat.option_select(choose, [chat, region], [chat, box], **private)
        chat.example_select(choose, [chat, region], [chat, box], **private)
        urgent.click(lambda shown, place: respond(label["help_now"], shown, place), [chat, region], [chat, box], **private)
        clear.click(lambda: ([], ""), None, [chat, box], **private)
        region.change(lambda place: (always(place), place), region, [line, remembered], **private)
        page.load(lambda place: place if place in texts.regions else settings.region, remembered, region, **private)
        gr.api(search, api_name="search")  # type: ignore[attr-defined]  # exported by gradio at run time only
        gr.api(answer, api_name="reply")  # type: ignore[attr-defined]  # the same
    assert isinstance(page, Page)
    page.queue(max_size=64)
    return page


def read(request: Request) -> Response:
    """A document with a passage marked: GET /read/{document}?start=&end=."""
    document = bot.documents.get(request.path_params["document"])
    if document is None:
        return PlainTextResponse("There is no such document.", status_code=404)
    start, end = (request.query_params.get(name, "") for name in ("start", "end"))
    inside = start.isdecimal() and end.isdecimal() and int(start) < int(end) <= len(document.text)
    return HTMLResponse(document_page(document, Span(int(start), int(end)) if inside else None, texts, STYLE))


def about(request: Request) -> Response:
    """GET /about: what the bot is, and how often it was wrong when it was measured."""
    return HTMLResponse(about_page(tuple(bot.documents.values()), bot.index.manifest, bot.index.certificate, texts, STYLE))


def closed(request: Request) -> Response:
    """A route of Gradio's that this page does not need."""
    return PlainTextResponse("This page takes no files.", status_code=404)


def routes(service: FastAPI) -> Sequence[Route]:
    """Our routes, those of the JSON service among them; they come before Gradio's and shadow those that are closed."""
    shut = [Route(f"/gradio_api/{path}", closed, methods=["GET", "POST", "PUT", "DELETE"]) for path in CLOSED]
    return [Route("/read/{document}", read), Route("/about", about), *service_routes(service), *shut]


demo = build_page()

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    try:
        demo.launch()
    except (BotError, OSError) as error:
        raise SystemExit(f"{error}\nIs the port taken? Try: python -m bot serve --port {settings.port + 1}") from error
