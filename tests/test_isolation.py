"""One conversation with the page's server in a network that has nothing but loopback: it answers, connects nowhere, and writes no word of it anywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_closure import BUILD_ONLY, GENERATIVE

from bot.chat import Bot

ROOT = Path(__file__).parents[1]
CANARY = "zanzibarianquokka"
ALONE = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$0" "$@"']


def can_be_alone() -> bool:
    tools = all(shutil.which(tool) for tool in ("unshare", "ip"))
    return tools and subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def folder(bot: Bot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything the server wrote, and `seen.json`."""
    folder = tmp_path_factory.mktemp("conversation")
    command = [sys.executable, "tests/conversation.py", str(folder), CANARY]
    done = subprocess.run([*(ALONE if can_be_alone() else []), *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + (folder / "stderr").read_text("utf-8", "replace")[-3000:]
    return folder


@pytest.fixture(scope="module")
def seen(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "seen.json").read_text("utf-8"))
    return data


def test_without_any_network_every_door_answers(seen: dict[str, Any]) -> None:
    if not can_be_alone():
        pytest.skip("no network namespace can be made here; run as root with util-linux and iproute2")
    assert json.loads(seen["reply"]["text"])["hits"]
    assert json.loads(seen["emergency"]["text"])["notices"][0]["title"].startswith("Call 999")
    assert json.loads(seen["mcp"]["text"])["result"]["structuredContent"]["hits"]
    assert "event: complete" in seen["gradio"]["text"]
    assert seen["page"]["status"] == seen["about"]["status"] == seen["library"]["status"] == 200


def test_no_connection_is_tried_and_no_name_looked_up_but_its_own(folder: Path) -> None:
    noted = (folder / "connects").read_text("utf-8").splitlines() if (folder / "connects").exists() else []
    assert noted, "the recorder did not run: a start binds its own address"
    others = [line for line in noted if not any(own in line for own in ("'127.0.0.1'", "'localhost'", "'::1'", "b'127.0.0.1'"))]
    assert not others


def test_a_page_that_has_answered_has_loaded_nothing_of_the_build_and_nothing_that_can_generate(folder: Path) -> None:
    loaded = {name.split(".")[0] for name in (folder / "loaded").read_text("utf-8").splitlines()}
    assert {"gradio", "onnxruntime", "bot"} <= loaded, "the recorder did not run"
    assert not loaded & (BUILD_ONLY - {"huggingface_hub"}), "Gradio's client loads the Hub's, which is offline here"
    assert not loaded & {name.replace("-", "_") for name in GENERATIVE}


def test_nothing_that_was_written_holds_a_word_of_a_message(folder: Path, seen: dict[str, Any]) -> None:
    written = [path for path in folder.rglob("*") if path.is_file() and path.name != "seen.json"]
    assert {"stdout", "stderr"} <= {path.name for path in written}
    assert len((folder / "stderr").read_text("utf-8").splitlines()) > 20, "requests were not logged, so this test proves nothing"
    found = [str(path) for path in written if CANARY.encode() in path.read_bytes().lower()]
    assert not found, (folder / "stderr").read_text("utf-8")[-3000:]
    assert CANARY not in seen["metrics"]["text"]
    for name in ("not json", "wrong type", "no such path", "no such document", "thumb", "method", "gradio wrong history"):
        assert CANARY not in seen[name]["text"], name


def test_nothing_in_the_house_was_changed_by_answering(folder: Path) -> None:
    began = (folder / "site" / "sitecustomize.py").stat().st_mtime
    skipped = {".git", "__pycache__", ".hypothesis", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
    fresh = [
        path
        for path in ROOT.rglob("*")
        if not skipped & set(path.parts) and path.is_file() and path.stat().st_mtime > began and CANARY.encode() in path.read_bytes()
    ]
    assert [path for path in fresh if path != Path(__file__)] == []
    assert not [
        path for path in (folder / "home").rglob("*") if path.is_file() and path.stat().st_size and "matplotlib" not in str(path)
    ]  # Gradio's import lists fonts


def test_each_request_has_an_id_and_one_line_of_json(folder: Path, seen: dict[str, Any]) -> None:
    lines = [json.loads(line) for line in (folder / "stderr").read_text("utf-8").splitlines() if line.startswith("{")]
    requests = {line["request"]: line for line in lines if line["event"] == "request"}
    line = requests[seen["reply"]["headers"]["x-request-id"]]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/v1/reply", 200) and line["milliseconds"] > 0
    assert seen["id"]["headers"]["x-request-id"] == "0123456789abcdef"
    assert seen["bad id"]["headers"]["x-request-id"] != CANARY


def test_metrics_count_actions_rules_times_and_the_queue(seen: dict[str, Any]) -> None:
    text = seen["metrics"]["text"]
    for wanted in (
        'kratom_faq_replies_total{action="emergency",door="http",urgency="now"}',
        "kratom_faq_rules_total{",
        "kratom_faq_page_queue 0.0",
        "kratom_faq_waiting 0.0",
    ):
        assert wanted in text, wanted
    assert 'kratom_faq_reply_seconds_count{door="gradio"}' in text and 'kratom_faq_refused_total{why="unknown"}' in text


def test_what_the_page_has_no_use_for_is_closed(seen: dict[str, Any]) -> None:
    assert set(seen["closed"].values()) <= {403, 404, 405}, seen["closed"]
    assert "root:" not in seen["traversal"]["text"] and seen["traversal"]["status"] == 404


def test_headers_name_what_may_run_and_who_may_frame(seen: dict[str, Any]) -> None:
    page = seen["page"]["headers"]["content-security-policy"]
    assert "'unsafe-inline'" not in page.split("script-src")[1].split(";")[0]
    assert "frame-ancestors 'self'" in page and "default-src 'none'" in page
    assert "script-src 'sha256-" in seen["about"]["headers"]["content-security-policy"]
    assert seen["reply"]["headers"]["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    for name in ("page", "about", "reply", "no such path", "not json"):
        assert (seen[name]["headers"]["x-content-type-options"], seen[name]["headers"]["referrer-policy"]) == ("nosniff", "no-referrer")


def test_no_other_site_may_read_an_answer(seen: dict[str, Any]) -> None:
    for name in ("other host", "preflight"):
        assert not [header for header in seen[name]["headers"] if header.startswith("access-control")], name


def test_a_server_that_is_told_to_stop_stops(seen: dict[str, Any]) -> None:
    assert seen["exit"] in (0, 130)


@pytest.mark.skipif(os.name != "posix", reason="namespaces are Linux's")
def test_the_namespace_is_really_closed() -> None:
    if not can_be_alone():
        pytest.skip("no network namespace can be made here")
    code = "import socket; socket.create_connection(('192.0.2.1', 80), 2)"
    assert "unreachable" in subprocess.run([*ALONE, sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr
