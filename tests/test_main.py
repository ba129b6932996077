"""The command line, started as users start it."""

from __future__ import annotations

import json
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.chat import Bot

ROOT = Path(__file__).parents[1]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bot", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def test_ask_prints_the_reply_as_json_and_verify_accepts_it(bot: Bot, tmp_path: Path) -> None:
    done = run("ask", "is it dangerous to mix kratom with xanax", "--json")
    assert done.returncode == 0, done.stderr
    reply = json.loads(done.stdout)
    assert reply["action"] == "caution"
    assert "benzodiazepine" in reply["hits"][0]["passage"]["text"]
    (tmp_path / "reply.json").write_text(done.stdout, "utf-8")
    assert run("verify", str(tmp_path / "reply.json")).stdout.startswith("verified:")


def test_ask_in_danger_prints_the_number_first_and_says_so_by_its_exit_code(bot: Bot) -> None:
    done = run("ask", "he wont wake up", "--region", "UK")
    assert done.returncode == 3
    assert done.stdout.startswith("Call 999 now")


def test_history_and_search_work_from_the_command_line(bot: Bot) -> None:
    done = run("ask", "what about with xanax", "--history", "does kratom interact with other drugs", "--json")
    assert json.loads(done.stdout)["query"].endswith("what about with xanax")
    hits = json.loads(run("search", "liver injury", "--limit", "2", "--topic", "safety", "--json").stdout)
    assert len(hits) == 2 and hits[0]["passage"]["topic"] == "safety"


def test_errors_are_one_clear_line_and_exit_code_1(bot: Bot, tmp_path: Path) -> None:
    done = run("ask", "hi", "--region", "Mars")
    assert (done.returncode, done.stdout) == (1, "")
    assert "region 'Mars' is not one of" in done.stderr and "Traceback" not in done.stderr
    done = run("build", KRATOM_FAQ_CORPUS=str(tmp_path))
    assert done.returncode == 1 and "references.json:1: missing" in done.stderr
    assert run("ask", "hi", KRATOM_FAQ_PORT="many").stderr.startswith("KRATOM_FAQ_PORT='many' is not a int")
    assert run("dance").returncode == 2


def test_a_taken_port_is_said_before_anything_is_built(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "--no-page", "--port", port, KRATOM_FAQ_INDEX=str(tmp_path / "index"))
    assert done.returncode == 1 and done.stderr.startswith(f"port {port} of 127.0.0.1 cannot be used"), done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "index").exists()


def test_the_port_asked_for_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_SERVER_PORT", "7000")
    monkeypatch.setenv("KRATOM_FAQ_PORT", "7000")
    monkeypatch.setattr(runpy, "run_path", lambda *_, **__: None)
    assert main(["serve", "--port", "1234"]) == 0
    assert (os.environ["GRADIO_SERVER_PORT"], os.environ["KRATOM_FAQ_PORT"]) == ("1234", "1234")


def test_a_second_build_has_nothing_to_do(bot: Bot) -> None:
    assert run("build").stdout == "index/ is up to date\n"


PROBE = """
import sys
from contextlib import redirect_stdout
from bot import open_bot
from bot.__main__ import main
bot = open_bot()
assert bot.reply("does kratom harm the liver").hits
with redirect_stdout(sys.stderr):
    assert main(["ask", "does kratom harm the liver"]) == 0
print([name for name in ("torch", "sentence_transformers", "transformers", "gradio", "sklearn") if name in sys.modules])
"""


def test_answering_with_a_ready_index_imports_no_torch_and_no_gradio(bot: Bot) -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


def test_importing_the_package_costs_nothing() -> None:
    code = "import sys, bot; print([name for name in ('numpy', 'faiss', 'onnxruntime') if name in sys.modules], bot.__all__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "[] ['Bot', 'build', 'open_bot']\n", done.stderr
