"""A FAQ on another subject, made from five small files as docs/your-own-corpus.md says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

import pytest
from test_converters import docx, pdf

from bot.chat import Bot
from bot.corpus import read_corpus
from bot.errors import InputError, SettingsError, TextsError
from bot.guardrails import load_guardrails
from bot.replies import load_texts
from bot.settings import OWN, Settings
from bot.starter import bring, start

ROOT = Path(__file__).parents[1]
TODAY = date(2026, 11, 22)
FILES = {
    "opening-hours.md": b"# Opening hours\n\n## When is the library open?\n\nThe library is open on Saturday from 10 to 4. On Sundays it is closed.\n",
    "fees.txt": b"A library card is free for everyone under 18. Adults pay 20 dollars a year.\n\nA book that comes back late costs 25 cents a day.\n",
    "rooms.html": b"<html><body><nav>Home</nav><p>Study rooms hold four people and can be booked for two hours a day at the desk.</p></body></html>",
    "faq.csv": b"question,answer\nIs there Wi-Fi?,The wireless network is free and needs no password.\nMay I bring my dog?,Only assistance dogs.\n",
    "accessibility.pdf": pdf("The library has a ramp at the side entrance and a lift to every floor."),
}
ASKED = {
    "when are you open on saturday": "opening-hours.md",
    "how much is a card for adults": "fees.txt",
    "can we book a study room": "rooms.html",
    "whats the wifi password": "faq.csv",
    "does the library have a lift": "accessibility.pdf",
}


@pytest.fixture(scope="module")
def faq(bot: Bot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, made by the command; its index borrows the exported model, so that a build takes seconds."""
    given = tmp_path_factory.mktemp("files")
    for name, data in FILES.items():
        (given / name).write_bytes(data)
    folder = tmp_path_factory.mktemp("own") / "my-faq"
    done = run(None, "init", str(folder), *map(str, sorted(given.iterdir())), "--subject", 'the "city" library')
    assert done.returncode == 0, done.stderr
    encoder = bot.index.manifest["encoder"]["folder"]
    (folder / "index").mkdir()
    (folder / "index" / encoder).symlink_to(bot.settings.index / encoder)
    return folder


def run(folder: Path | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    chosen = [] if folder is None else ["--folder", str(folder)]
    return subprocess.run([sys.executable, "-m", "bot", *chosen, *arguments], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False)


def test_five_files_become_a_bot_that_answers_from_each_and_refuses_the_rest(faq: Path, tmp_path: Path) -> None:
    given = "\n".join([*ASKED, "who won the world cup", "hello", "my father wont wake up"])
    done = subprocess.run(
        [sys.executable, "-m", "bot", "--folder", str(faq), "ask", "--json"],
        cwd=ROOT,
        input=given,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    for reply, (question, name) in zip(replies, ASKED.items(), strict=False):
        assert reply["action"] == "answer" and reply["hits"][0]["passage"]["file"] == name, question
    cup, hello, father = replies[-3:]
    assert cup["action"] == "abstain" and not cup["hits"] and 'They are about the "city" library.' in cup["notices"][0]["text"]
    assert father["action"] == "emergency" and father["notices"][0]["title"] == "Call 911 now"
    assert hello["action"] == "smalltalk" and 'the "city" library' in hello["notices"][0]["text"]
    (tmp_path / "reply.json").write_text(json.dumps(replies[4]), "utf-8")
    assert run(faq, "verify", str(tmp_path / "reply.json")).stdout.startswith("verified:")
    assert "kratom" not in json.dumps(replies).casefold()


def test_the_page_of_ones_own_faq_can_be_opened(faq: Path) -> None:
    code = "import app; page = app.demo.get_config_file(); assert 'library: answers you can check' in str(page), page; assert 'ratom' not in page['title']"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "KRATOM_FAQ_FOLDER": str(faq), "KRATOM_FAQ_PORT": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_is_there_already_is_not_overwritten(faq: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in faq.rglob("*") if path.is_file()}
    assert start(faq, "something else", TODAY) == []
    assert {path: path.read_bytes() for path in before} == before
    (tmp_path / "fees.txt").write_text("x", "utf-8")
    with pytest.raises(InputError, match="is there already"):
        bring(faq, [tmp_path / "fees.txt"], TODAY)


def test_no_file_of_the_folder_speaks_of_our_subject(tmp_path: Path) -> None:
    for path in start(tmp_path / "faq", "bees", TODAY):
        text = re.sub(r"kratom-faq|KRATOM_FAQ_[A-Z<>]+|ask_kratom_faq|learned kratom and pain", "", path.read_text("utf-8"))
        assert not re.search(r"kratom|7-?oh\b|mitragyn|naloxone|narcan", text, re.IGNORECASE), path
        assert "{subject}" not in text and "{today}" not in text and "{folder}" not in text


def test_each_rule_of_the_starter_keeps_its_examples_and_near_misses_apart(tmp_path: Path) -> None:
    start(tmp_path, "bees", TODAY)
    rails, texts = load_guardrails(tmp_path / "guardrails.toml"), load_texts(tmp_path / "replies.toml")
    for rule in rails.rules:
        assert texts.notices([rule.reply], "US"), rule.id
        for text in rule.examples:
            assert rails.decide(text).action == rule.action, (rule.id, text)
        for text in rule.near_misses:
            assert rule.id not in {match.rule for match in rails.decide(text).matches}, (rule.id, text)


def test_every_word_and_text_that_the_bot_needs_is_in_the_starter(tmp_path: Path) -> None:
    start(tmp_path, "bees", TODAY)
    ours, theirs = load_texts(), load_texts(tmp_path / "replies.toml")
    assert {name for name in ours.labels if not name.startswith("topic_")} <= set(theirs.labels)
    assert ours.tiers.keys() == theirs.tiers.keys() and ours.interface.keys() == theirs.interface.keys() and ours.regions == theirs.regions
    code = "".join(path.read_text("utf-8") for path in [*(ROOT / "bot").rglob("*.py"), ROOT / "app.py"])
    raw = tomllib.loads((tmp_path / "replies.toml").read_text("utf-8"))
    for key in tomllib.loads((ROOT / "bot" / "replies.toml").read_text("utf-8"))["notice"]:
        if f'"{key}"' in code and not key.startswith(("emergency-", "decline", "caution-")):
            assert key in raw["notice"], key
    for region in theirs.regions:
        for key in raw["notice"]:
            assert theirs.notices([key], region)


def test_markdown_keeps_its_text_and_gets_what_the_format_asks_for(tmp_path: Path) -> None:
    start(tmp_path / "faq", "bees", TODAY)
    bodies = {
        "plain.md": "Bees sleep at night.\n",
        "led.md": "# Bees\n\nA lead.\n\n## Where do bees live?\n\nIn hives.\n",
        "ready.md": (tmp_path / "faq" / "corpus" / "about-this-faq.md").read_text("utf-8").replace("id: about-this-faq", "id: ready"),
    }
    for name, body in bodies.items():
        (tmp_path / name).write_text(body, "utf-8")
    bring(tmp_path / "faq", [tmp_path / name for name in bodies], TODAY)
    (tmp_path / "word.docx").write_bytes(docx("Bees dance."))
    bring(tmp_path / "faq", [tmp_path / "word.docx"], TODAY)
    refused: list[object] = []
    documents = {document.file: document for document in read_corpus(tmp_path / "faq" / "corpus", refused)}  # type: ignore[arg-type]
    assert refused == [] and set(documents) == {"about-this-faq.md", "word.docx", *bodies}
    assert [section.heading for section in documents["led.md"].sections] == ["Bees", "Where do bees live?"]
    assert "Bees sleep at night." in documents["plain.md"].text and documents["plain.md"].status == "unreviewed"
    assert documents["word.docx"].topic == "general"


@pytest.mark.parametrize(("name", "told"), [("gone.md", "is no file"), ("photo.png", "is not one of")])
def test_files_that_cannot_be_used_are_named_before_anything_is_copied(tmp_path: Path, name: str, told: str) -> None:
    start(tmp_path / "faq", "bees", TODAY)
    (tmp_path / "photo.png").write_bytes(b"x")
    (tmp_path / "fine.txt").write_text("x", "utf-8")
    with pytest.raises(InputError, match=told):
        bring(tmp_path / "faq", [tmp_path / "fine.txt", tmp_path / name], TODAY)
    assert not (tmp_path / "faq" / "corpus" / "fine.txt").exists()


def test_settings_of_a_folder_go_behind_the_environment_and_before_the_defaults(tmp_path: Path) -> None:
    start(tmp_path, "bees", TODAY)
    (tmp_path / OWN).write_text('region = "UK"\nhits = 2\nclassifier = "linear"\ngaps = "gaps.jsonl"\ncorpus = "texts"\n', "utf-8")
    settings = Settings().with_environment({"KRATOM_FAQ_FOLDER": str(tmp_path), "KRATOM_FAQ_HITS": "1"})
    assert (settings.region, settings.hits, settings.classifier) == ("UK", 1, "linear")
    assert settings.corpus == tmp_path / "texts" and settings.gaps == str(tmp_path / "gaps.jsonl") and settings.replies == tmp_path / "replies.toml"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense", "mend the line"),
        ("speed = 1", "no setting 'speed'"),
        ('classifier = "big"', "is not one of tuned, linear, none"),
        ('hits = "x"', "is not a int"),
    ],
)
def test_a_broken_settings_file_is_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / OWN).write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=told):
        Settings().with_folder(tmp_path)
    with pytest.raises(SettingsError, match="python -m bot init"):
        Settings().with_folder(tmp_path / "nowhere")


def test_missing_and_broken_texts_and_rules_are_named(tmp_path: Path) -> None:
    (tmp_path / "replies.toml").write_text("[", "utf-8")
    for broken in (tmp_path / "replies.toml", tmp_path / "none.toml"):
        with pytest.raises(TextsError, match=broken.name):
            load_texts(broken)
        with pytest.raises(TextsError, match=broken.name):
            load_guardrails(broken)


def test_a_linear_classifier_is_trained_from_rows_of_ones_own(faq: Path) -> None:
    rows = [
        {"message": text, "history": [], "action": action}
        for text, action in (("want to die", "crisis"), ("lost my card", "answer"), ("hi there", "smalltalk"))
        for _ in range(4)
    ]
    (faq / "guardrails.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    done = run(faq, "train-guardrails", "--linear", "--json")
    assert json.loads(done.stdout)["written"] == str(faq / "weights"), done.stderr
    settings = Settings().with_folder(faq)
    from dataclasses import replace

    from bot.pipeline import open_bot

    (faq / "weights" / "guardrails.json").write_text("{}", "utf-8")
    refused = run(faq, "train-guardrails", "--linear")
    assert refused.returncode == 1 and "train both" in refused.stderr
    (faq / "weights" / "guardrails.json").unlink()
    own = open_bot(replace(settings, classifier="linear"))
    assert own.decide("I want to die").action == "crisis"
    assert own.reply("when are you open on saturday").hits
