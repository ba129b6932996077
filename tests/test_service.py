"""The HTTP door: typed answers, clear refusals, an OpenAPI document that is current and true, and no word of a message in a log or a metric."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from concurrent.futures import Future
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings

from bot.chat import Bot
from bot.errors import CorpusError, Problem, StoreError
from bot.replies import load_texts
from bot.schema import MAX_HISTORY, MAX_MESSAGE, REGIONS, ReplyCard
from bot.service import create_service, opened
from bot.service.limits import MAX_BODY, MAX_DEPTH, depth
from bot.settings import Settings

ROOT = Path(__file__).parents[1]
OPENING: Future[Bot] = Future()
SERVICE = create_service(OPENING)
JSON = {"content-type": "application/json"}
HERE = "http://localhost:7860"  # /mcp answers under no name of a stranger's choice
MCP = {"accept": "application/json, text/event-stream"}
TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
schema = schemathesis.openapi.from_asgi("/openapi.json", SERVICE)  # asked only after `SERVICE` was given its bot, see below


@pytest.fixture(scope="module")
def client(bot: Bot) -> Iterator[TestClient]:
    """A client of the whole service."""
    with TestClient(create_service(opened(bot)), HERE, raise_server_exceptions=False) as client:
        yield client


def test_a_reply_is_the_one_that_python_gets(client: TestClient, bot: Bot) -> None:
    history = ["does kratom interact with other drugs"]
    asked: dict[str, Any] = {"message": "what about with xanax", "history": history, "region": "UK"}
    answer = client.post("/v1/reply", json=asked)
    assert answer.status_code == 200
    assert answer.json() == json.loads(json.dumps(bot.reply("what about with xanax", history, region="UK").to_dict()))
    asked["history"] = [{"role": "user", "content": history[0]}, {"role": "assistant", "content": "a passage"}]
    assert client.post("/v1/reply", json=asked).json() == answer.json()


@pytest.mark.parametrize(
    "message", ["he wont wake up", "hello", "weather in paris", "how much should i take", "is kratom legal in indiana", "kratom y alcohol"]
)
def test_the_typed_shape_holds_every_field_of_a_reply(bot: Bot, message: str) -> None:
    data = bot.reply(message).to_dict()
    assert ReplyCard.model_validate(data).model_dump() == data


def test_search_filters_and_says_which_index_it_was(client: TestClient, bot: Bot) -> None:
    found = client.post("/v1/search", json={"query": "liver injury", "limit": 3, "topics": ["safety"], "since": "2015"}).json()
    assert found["index"] == bot.index.id and 0 < len(found["hits"]) <= 3
    assert {hit["passage"]["topic"] for hit in found["hits"]} == {"safety"}
    tier = found["hits"][0]["passage"]["tier"]
    assert {hit["passage"]["tier"] for hit in client.post("/v1/search", json={"query": "liver", "tiers": [tier]}).json()["hits"]} == {tier}


def test_documents_and_claims_are_quoted_from_the_files(client: TestClient, bot: Bot) -> None:
    listed = client.get("/v1/documents").json()["documents"]
    assert [entry["id"] for entry in listed] == list(bot.documents)
    assert {entry["topic"] for entry in client.get("/v1/documents", params={"topic": "law"}).json()["documents"]} == {"law"}
    assert client.get("/v1/documents/liver").json()["text"] == bot.documents["liver"].text
    claims = client.get("/v1/claims").json()["claims"]
    assert len(claims) == len(bot.claims) > 0
    for claim in claims:
        for stance in claim["stances"]:
            assert bot.documents[stance["document_id"]].text[stance["start"] : stance["end"]] == stance["text"]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 422, "Field required"),
        (b"null", 422, "valid dictionary"),
        (b'{"message": ""}', 422, "#/message"),
        (b'{"message": " \\n\\u001c "}', 422, "the text is empty"),
        (b'{"message": 5}', 422, "valid string"),
        (b'{"message": "hi", "messages": []}', 422, "#/messages"),
        (b'{"message": "\\ud800"}', 422, "unicode"),
        (b'{"message": "hi", "region": "Mars"}', 422, "US, UK"),
        (b'{"message": "hi", "history": [[["deep"]]]}', 422, "#/history/0"),
        (b'{"message": "hi", "history": "hi"}', 422, "#/history"),
        (json.dumps({"message": "x" * (MAX_MESSAGE + 1)}).encode(), 422, f"at most {MAX_MESSAGE}"),
        (json.dumps({"message": "hi", "history": ["x"] * (MAX_HISTORY + 1)}).encode(), 422, f"at most {MAX_HISTORY}"),
        (b'{"message": "hi"', 400, "not valid JSON"),
        (b"\xff\xfe\x00\x01", 400, "not valid JSON"),
        (b"[" * 100_000, 400, "nested deeper"),
        (b'{"message":' + b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH + b"}", 400, "nested deeper"),
        (b" " * (MAX_BODY + 1), 413, f"at most {MAX_BODY} bytes"),
    ],
)
def test_what_is_no_request_gets_problem_details(client: TestClient, body: bytes, status: int, told: str) -> None:
    answer = client.post("/v1/reply", content=body, headers=JSON)
    problem = answer.json()
    assert (answer.status_code, problem["status"], answer.headers["content-type"]) == (status, status, "application/problem+json")
    assert {"type", "title", "detail"} <= problem.keys() and told in answer.text


@pytest.mark.parametrize(
    "change",
    [{"limit": 0}, {"limit": True}, {"limit": "5"}, {"limit": 5.5}, {"limit": 101}, {"tiers": ["best"]}, {"since": "last year"}, {"topics": "law"}],
    ids=str,
)
def test_a_wrong_filter_is_named(client: TestClient, change: dict[str, Any]) -> None:
    [told] = change
    answer = client.post("/v1/search", json={"query": "liver", **change})
    assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"].startswith(f"#/{told}")


def test_a_body_without_length_is_counted_while_it_comes(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    assert client.post("/v1/reply", content=endless(), headers=JSON).status_code == 413


def test_other_errors_are_problems_too(client: TestClient) -> None:
    assert client.get("/v1/documents/nothing").json()["detail"].startswith("there is no such document")
    wrong = client.get("/v1/reply")
    assert (wrong.status_code, wrong.headers["allow"], wrong.headers["content-type"]) == (405, "POST", "application/problem+json")
    assert client.post("/v1/reply", content=b"message=hi", headers={"content-type": "application/x-www-form-urlencoded"}).status_code == 415


def test_where_the_vector_store_is_stays_in_the_log(client: TestClient, bot: Bot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreError("the Milvus server at http://vectors.internal:19530 does not answer")

    monkeypatch.setattr(bot, "search", away)
    answer = client.post("/v1/search", json={"query": "liver"})
    assert answer.status_code == 500 and answer.json()["detail"].startswith("the store of vectors or texts does not answer")
    assert "vectors.internal" not in answer.text and "vectors.internal" in caplog.text


def test_the_longest_request_allowed_is_answered(client: TestClient) -> None:
    asked = {"message": "does kratom harm the liver " * 740, "history": ["i take it for my back " * 210] * MAX_HISTORY}
    assert len(json.dumps(asked)) < MAX_BODY
    answer = client.post("/v1/reply", json=asked)
    assert answer.status_code == 200, answer.text[:300]


def test_brackets_in_strings_are_no_depth() -> None:
    assert depth(b'{"a": "[[[[{{{\\"[[", "b": [[1], 2]}') == 3
    assert depth(b'"[[[') == 0


def test_before_the_index_is_in_service_it_says_so() -> None:
    opening: Future[Bot] = Future()
    with TestClient(create_service(opening)) as client:
        early = client.get("/healthz")
        assert (early.status_code, early.headers["content-type"], early.headers["retry-after"]) == (503, "application/problem+json", "10")
        assert client.post("/v1/reply", json={"message": "hi"}).status_code == 503
        assert "kratom_faq_ready 0.0" in client.get("/metrics").text
        assert client.get("/docs").status_code == 200
        opening.set_exception(CorpusError([Problem("liver.md", 1, "broken")]))
        assert client.get("/healthz").status_code == 503


def test_mcp_comes_when_the_bot_does_and_the_server_stops_cleanly(bot: Bot) -> None:
    opening: Future[Bot] = Future()
    with TestClient(create_service(opening), HERE) as client:
        assert client.post("/mcp", json={}, headers=MCP).status_code == 404
        opening.set_result(bot)
        answers = (client.post("/mcp", json=TOOLS, headers=MCP) for _ in range(200))
        assert any(answer.status_code == 200 for answer in answers)


def test_a_server_starts_although_mcp_cannot_and_says_why(bot: Bot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from bot import mcp_server

    monkeypatch.setattr(mcp_server, "create_mcp", lambda *_: 1 / 0)
    with TestClient(create_service(opened(bot)), HERE) as client:
        assert client.get("/healthz").status_code == 200
        assert client.post("/mcp", json=TOOLS, headers=MCP).status_code == 404
    assert "/mcp is out of service" in caplog.text and "ZeroDivisionError" in caplog.text


def test_mcp_answers_under_this_machines_names_and_those_that_are_set(client: TestClient, bot: Bot) -> None:
    def status(host: str, origin: str, asked: TestClient) -> int:
        return asked.post("/mcp", json=TOOLS, headers={**MCP, "host": host, "origin": origin}).status_code

    for host in ("localhost:7860", "127.0.0.1", "[::1]:7860"):
        assert status(host, f"http://{host}", client) == 200
    assert status("evil.example", "http://evil.example", client) == 421
    assert status("localhost:7860", "http://evil.example", client) == 403
    named = copy(bot)
    for hosts, other in (("faq.example other.example", 421), ("*", 200)):
        named.settings = replace(bot.settings, mcp_hosts=hosts)
        with TestClient(create_service(opened(named)), HERE) as public:
            assert status("faq.example", "https://faq.example", public) == 200
            assert status("evil.example", "http://evil.example", public) == other


def test_it_is_ready_when_the_index_is(client: TestClient, bot: Bot) -> None:
    health = client.get("/healthz").json()
    assert (health["status"], health["index"], health["documents"]) == ("ready", bot.index.id, len(bot.documents))


def test_metrics_and_logs_hold_no_word_of_a_message(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    word = "zanzibarian"
    for path, body in (("/v1/reply", {"message": word}), ("/v1/search", {"query": word}), ("/v1/reply", {"message": [word]}), (f"/v1/{word}", {})):
        answer = client.post(path, json=body)
        assert answer.status_code < 500 and (answer.status_code == 200 or word not in answer.text)
    client.request(word.upper(), "/v1/reply")
    calls: list[Any] = [{"name": 5, "arguments": {"message": word}}, {"name": "ask_kratom_faq", "arguments": word}, {"name": word, "arguments": {}}]
    calls += [{"name": "ask_kratom_faq", "arguments": {"message": sent}} for sent in (word, [word])]
    for call in calls:
        assert client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}, headers=MCP).status_code < 500
    bodies: tuple[Any, ...] = (
        {"jsonrpc": "2.0", "method": f"notifications/{word}", "params": {"text": word}},
        {"jsonrpc": word},
        [word],
        {"jsonrpc": "2.0", "id": word},
    )
    for body in bodies:
        assert client.post("/mcp", json=body, headers=MCP).status_code < 500
    client.post("/mcp", content=f'{{"{word}'.encode(), headers={**MCP, **JSON})
    text = client.get("/metrics").text
    told = logging.Formatter()  # a record as it is written, its traceback too
    logged = " ".join(told.format(record) for record in caplog.records if not record.name.startswith(("httpx", "httpcore")))  # the client's own
    assert "session.py:" in logged, "the malformed calls were not logged, so this test proves nothing"
    assert word not in f"{text} {logged}".casefold()
    assert 'kratom_faq_http_requests_total{method="POST",route="/v1/reply",status="422"}' in text
    assert re.search(r'kratom_faq_replies_total\{action="\w+",door="http",urgency="none"\}', text)


def test_the_documentation_is_one_page_that_fetches_nothing(client: TestClient) -> None:
    page = client.get("/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.findall(r"<(?:script|link|img)|https?://(?!127)", page.text)
    for anchor in set(re.findall(r'href="#([^"]+)"', page.text)):
        assert f'id="{anchor}"' in page.text, anchor
    for path in SERVICE.openapi()["paths"]:
        assert path in page.text


def test_the_committed_openapi_document_is_current() -> None:
    committed = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
    assert committed == SERVICE.openapi(), "run: python -m bot openapi > docs/openapi.json"


def test_limits_are_those_of_the_engine_and_regions_those_of_the_texts() -> None:
    from bot.chat.history import MAX_HISTORY as READ

    assert Settings().max_message == MAX_MESSAGE
    assert READ == MAX_HISTORY
    assert tuple(load_texts().regions) == REGIONS


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_service_keeps_its_openapi_document(case: schemathesis.Case[Any], bot: Bot) -> None:
    if not OPENING.done():
        OPENING.set_result(bot)
    case.call_and_validate()


def test_the_engine_itself_cuts_an_earlier_message_that_no_door_has_checked(bot: Bot) -> None:
    long = "i drink it for my back %s " * 30_000
    assert bot.reply("and alcohol?", [long]).query == bot.reply("and alcohol?", [f"{long[:10_000]}\n{long[-10_000:]}"]).query
