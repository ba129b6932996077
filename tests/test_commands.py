"""The commands: what they say, in a terminal and piped, and that the pages about them are true. How users start them is in test_main.py."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from bot.chat import Bot
from bot.commands import main, parser
from bot.commands.describing import SHELLS, reference
from bot.commands.shared import EXIT_CODES
from bot.commands.talking import Talk, offered
from bot.commands.terminal import plain_text
from bot.gaps import Gaps
from bot.render import Piece, as_pieces, as_text

ROOT = Path(__file__).parents[1]


def run(*arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bot", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False, input=given)


def test_no_command_reads_an_index_before_it_runs() -> None:
    code = "import sys, bot.commands; bot.commands.parser(); sys.exit('faiss' in sys.modules)"  # `build` sets first how faiss's threads wait
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def in_terminal(*arguments: str, typed: str = "", **environment: str) -> str:
    """What a command writes to a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", *arguments],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # the terminal is closed: the command has ended
        pass
    os.close(ours)
    process.wait()
    return shown.decode()


def test_the_page_of_the_commands_is_what_the_parsers_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["python -m bot"])
    assert (ROOT / "docs" / "commands.md").read_text("utf-8") == reference(parser()) + "\n", "run: python -m bot commands > docs/commands.md"


def test_every_exit_code_is_documented_and_kept() -> None:
    assert set(EXIT_CODES) == {0, 1, 2, 3, 130}
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert all(f"| {code} | {meaning} |" in text for code, meaning in EXIT_CODES.items())


@pytest.mark.parametrize("arguments", [["dance"], ["serch", "x"], ["ask", "hi", "--regoin", "UK"], ["evaluate", "guardrail"], []])
def test_a_command_that_is_not_understood_gets_code_2_and_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    told = capsys.readouterr().err
    assert ended.value.code == 2 and "--help" in told
    near = {"serch": "search", "--regoin": "--region", "guardrail": "guardrails"}
    assert all(f"Did you mean: {right}?" in told for wrong, right in near.items() if wrong in arguments)


def test_errors_are_json_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(ROOT / "README.md"), "--json"]) == 1
    assert json.loads(capsys.readouterr().err) == {"error": "InputError", "message": f"{ROOT / 'README.md'} is a file; name a folder, new or begun before"}


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_a_script_that_names_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for name in ("ask", "search", "build", "serve", "evaluate", "verify", "audit", "gaps", "mcp", "sign", "init"):
        assert name in script
    assert "kratom-faq" in script


def test_bash_completes_commands_and_options_with_the_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    script = tmp_path / "kratom-faq"
    script.write_text(capsys.readouterr().out, "utf-8")
    words = "COMP_WORDS=(kratom-faq %s); COMP_CWORD=$((${#COMP_WORDS[@]}-1))"
    asks = f"source {script}; {words}; $(complete -p kratom-faq | sed 's/.*-F \\([^ ]*\\).*/\\1/'); echo ${{COMPREPLY[@]}}"
    assert "search" in subprocess.run(["bash", "-c", asks % "sea"], capture_output=True, text=True, check=True).stdout
    assert "--region" in subprocess.run(["bash", "-c", asks % "ask --re"], capture_output=True, text=True, check=True).stdout


def test_the_pieces_of_a_reply_are_its_text(bot: Bot) -> None:
    for message in ("does kratom harm the liver", "is it dangerous to mix kratom with xanax", "he wont wake up", "kratom", "who won the world cup"):
        reply = bot.reply(message)
        assert plain_text(as_pieces(reply, bot.texts)) == as_text(reply, bot.texts)
        assert any(piece.role == "mark" for part in as_pieces(reply, bot.texts) for piece in part) == any(hit.highlight is not None for hit in reply.hits)


def test_control_characters_of_a_document_do_not_reach_the_terminal() -> None:
    assert plain_text([[Piece("quote", "a\x1b]0;title\x07b\x9b2Jc\nd")]]) == "a]0;titleb2Jc\nd"


def test_in_a_terminal_sources_are_links_and_colours_say_nothing_alone(bot: Bot) -> None:
    shown = in_terminal("search", "liver injury", "--limit", "1")
    assert "\x1b]8;" in shown and "https://" in shown and "\x1b[1" in shown
    plain = in_terminal("search", "liver injury", "--limit", "1", NO_COLOR="1")
    assert "\x1b]8;" not in plain and "\x1b[3" not in plain
    piped = run("search", "liver injury", "--limit", "1").stdout
    assert "\x1b" not in piped


def test_a_piped_conversation_keeps_its_history_and_ends_with_the_urgency_of_the_last_reply(bot: Bot) -> None:
    done = run("ask", given="does kratom interact with other drugs\nwhat about with xanax\n", NO_COLOR="1")
    assert done.returncode == 0 and "\x1b" not in done.stdout and "> " not in done.stdout.split("\n")[0]
    rows = [json.loads(line) for line in run("ask", "--json", given="does kratom interact with other drugs\nwhat about with xanax\n").stdout.splitlines()]
    assert len(rows) == 2 and rows[1]["carried"]
    assert run("ask", given="hello\nhe wont wake up\n").returncode == 3


def test_in_a_terminal_a_number_asks_what_it_stands_for(bot: Bot) -> None:
    shown = in_terminal("ask", typed="does kratom harm the liver\n1\n/quit\n", NO_COLOR="1")
    assert bot.texts.labels["talk"] in shown.replace("\r\n", " ").replace("\n", " ") and "> " in shown
    assert shown.count(bot.texts.labels["suggestions"]) >= 2


def test_numbers_choose_suggestions_the_check_and_what_was_folded(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    talk = Talk(bot, [], "US", as_json=False)
    rows = (json.loads(line) for line in (ROOT / "tests" / "golden" / "messages_tune.jsonl").read_text("utf-8").splitlines())
    message = next(row["message"] for row in rows if not row["history"] and bot.decide(row["message"]).urgency == "possible" and bot.reply(row["message"]).hits)
    reply = bot.reply(message)
    labels = [option.label for option in offered(reply, bot.texts.labels)]
    assert labels[0] == bot.texts.labels["in_danger"] and len(labels) == 2
    talk.answer(message)
    shown = out.getvalue()
    assert f"1 {labels[0]}" in shown and f"2 {labels[1]}" in shown
    assert not any(hit.passage.heading + "\n" in shown for hit in reply.hits), "folded until the person says no"
    talk.answer("2")
    assert reply.hits[0].passage.heading in out.getvalue().removeprefix(shown)
    talk.answer("/new")
    talk.answer("does kratom harm the liver")
    before = len(out.getvalue())
    first = bot.reply("does kratom harm the liver").suggestions[0]
    talk.answer("1")
    assert bot.reply(first, ["does kratom harm the liver"]).hits[0].passage.heading in out.getvalue()[before:]


def test_gaps_are_grouped_with_what_comes_near_and_become_golden_questions(bot: Bot, tmp_path: Path) -> None:
    kept = Gaps(tmp_path / "gaps.jsonl")
    for question in ("kratom and my goldfish pond", "is kratom bad for a goldfish pond", "kratom and my goldfish pond", "best pizza in town"):
        kept.keep(question)
    place = ["--file", str(tmp_path / "gaps.jsonl")]
    rows = json.loads(run("gaps", *place, "--json").stdout)
    assert [(row["count"], len(row["alike"])) for row in rows] == [(3, 1), (1, 0)]
    assert len(rows[0]["nearest"]) == 3 and rows[0]["nearest"][0]["document"] in bot.documents
    assert f"gaps --golden {rows[0]['id']}" in run("gaps", *place).stdout
    golden = tmp_path / "golden.jsonl"
    command = ["gaps", *place, "--golden", rows[0]["id"], "--document", "children-and-pets", "--into", str(golden)]
    assert run(*command).stdout.startswith("added to") and run(*command).stdout.startswith("stands already in")
    [row] = [json.loads(line) for line in golden.read_text("utf-8").splitlines()]
    assert row == {"question": "kratom and my goldfish pond", "style": "plain", "documents": ["children-and-pets"], "note": "gap, asked 3 times"}
    assert "no group has the id" in run("gaps", *place, "--golden", "nope").stderr
    assert "there is no document" in run("gaps", *place, "--golden", rows[0]["id"], "--document", "nope").stderr


def test_without_the_setting_gaps_says_how_to_keep_them(bot: Bot) -> None:
    done = run("gaps", KRATOM_FAQ_GAPS="")
    assert done.returncode == 1 and "KRATOM_FAQ_GAPS=gaps.jsonl" in done.stderr


def test_verify_and_build_speak_json(bot: Bot, tmp_path: Path) -> None:
    (tmp_path / "reply.json").write_text(json.dumps(bot.reply("does kratom harm the liver").to_dict()), "utf-8")
    assert json.loads(run("verify", str(tmp_path / "reply.json"), "--json").stdout)["verified"] is True
    (tmp_path / "reply.json").write_text("{}", "utf-8")
    done = run("verify", str(tmp_path / "reply.json"), "--json")
    assert json.loads(done.stdout)["verified"] is False and done.returncode in (1, 2)
    told = json.loads(run("build", "--json").stdout)
    assert told["built"] is False and told["index"] == bot.index.id
