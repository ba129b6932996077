"""The page's server: what it keeps, what it refuses, what it answers to programs, and how it starts as a Space."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from json import dumps, loads
from pathlib import Path
from typing import Any

import pytest
from chromium import EMERGENCY, ORDINARY, ROOT, ask, free_port, visit
from playwright.sync_api import Browser

from bot.chat import Bot

pytestmark = pytest.mark.browser


def test_a_thumb_is_kept_without_the_message_and_strangers_are_refused(browser: Browser, address: str, kept: Path) -> None:
    with visit(browser, address) as page:
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
