from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.chat import Bot
from bot.corpus import TOPICS, read_corpus
from bot.errors import CorpusError
from bot.records import TIERS

Corpus = Callable[..., Path]
GOOD = "A sentence [@source-2020-study]."


def problems(folder: Path) -> list[str]:
    with pytest.raises(CorpusError) as caught:
        read_corpus(folder)
    return [str(problem) for problem in caught.value.problems]


def change(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_good_corpus_is_read_with_its_sections_questions_and_references(small_corpus: Corpus) -> None:
    [document] = read_corpus(small_corpus(liver=GOOD))
    [section] = document.sections
    assert section.heading == "About liver?"
    assert section.questions == ("About liver?", "tell me about liver")
    assert document.text[section.span.start : section.span.end] == GOOD
    assert document.references[0].url == "https://doi.org/10.1000/1"


def test_a_missing_field_is_named_with_file_and_line(small_corpus: Corpus) -> None:
    folder = small_corpus(liver=GOOD)
    change(folder, "liver.md", "topic: basics\n", "")
    assert problems(folder) == ["liver.md:1: the front matter has no 'topic'; add it"]


def test_an_unknown_citation_is_named_with_its_line(small_corpus: Corpus) -> None:
    [problem] = problems(small_corpus(liver="A sentence [@nobody-2020]."))
    assert problem.startswith("liver.md:17: citation '@nobody-2020' is not in references.json")


def test_broken_yaml_is_named_with_its_line(small_corpus: Corpus) -> None:
    folder = small_corpus(liver=GOOD)
    change(folder, "liver.md", "topic: basics", "topic: [basics")
    [problem] = problems(folder)
    assert problem.startswith(("liver.md:4: broken YAML", "liver.md:5: broken YAML"))


def test_bad_utf8_is_named_with_its_line(small_corpus: Corpus) -> None:
    folder = small_corpus(liver=GOOD)
    path = folder / "liver.md"
    path.write_bytes(path.read_bytes().replace(b"A sentence", b"A sent\xe9nce"))
    assert problems(folder) == ["liver.md:17: not UTF-8; save the file as UTF-8"]


@pytest.mark.parametrize("content", ["", "  \n\n"])
def test_an_empty_file_is_named(small_corpus: Corpus, content: str) -> None:
    folder = small_corpus(liver=GOOD)
    (folder / "liver.md").write_text(content, "utf-8")
    assert problems(folder) == ["liver.md:1: the file is empty; delete it or write the document"]


def test_a_duplicate_id_is_named_with_the_file_that_has_it(small_corpus: Corpus) -> None:
    folder = small_corpus(liver=GOOD, heart=GOOD)
    change(folder, "liver.md", "id: liver", "id: heart")
    assert problems(folder) == ["liver.md:2: id 'heart' is already used by heart.md; choose another"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("topic: basics", "topic: gossip", "topic 'gossip' is not one of"),
        ("status: reviewed", "status: maybe", "status 'maybe' must be"),
        ("reviewed: 2026-11-22", "reviewed: soon", "reviewed 'soon' is not a date"),
        ("id: liver", "id: The Liver", "id 'The Liver' must be lower-case"),
        ("## About liver?", "About liver?", "no citation"),
        (GOOD, "", "has no text"),
        (GOOD, f"{GOOD}\n\n::: note\nx\n:::", "':::' block"),
        ("- tell me", "tell me", "is not a '- question' line"),
        ("---\nid", "id", "no front matter"),
    ],
)
def test_each_mistake_gets_a_clear_message(small_corpus: Corpus, old: str, new: str, message: str) -> None:
    folder = small_corpus(liver=GOOD)
    change(folder, "liver.md", old, new)
    if "no citation" in message:
        change(folder, "liver.md", "[@source-2020-study]", "")
    [problem] = problems(folder)
    assert message in problem


def test_all_problems_are_listed_at_once_with_the_command_that_follows(small_corpus: Corpus) -> None:
    folder = small_corpus(liver="Text [@a].", heart="Text [@b].")
    with pytest.raises(CorpusError, match="python -m bot build") as caught:
        read_corpus(folder)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("change_entry", "message"),
    [
        ({"custom": {"tier": "rumour", "as_of": "2020"}}, "tier 'rumour' is not one of"),
        ({"custom": {"tier": "guideline", "as_of": "lately"}}, "as_of 'lately' is not a date"),
        ({"custom": None}, "no 'custom' with tier and as_of"),
        ({"DOI": None, "URL": "javascript:alert(1)"}, "is not an http(s) address"),
        ({"title": ""}, "no title"),
    ],
)
def test_a_bad_bibliography_entry_is_named(small_corpus: Corpus, change_entry: dict[str, object], message: str) -> None:
    folder = small_corpus(liver=GOOD)
    [entry] = json.loads((folder / "references.json").read_text("utf-8"))
    (folder / "references.json").write_text(json.dumps([{**entry, **change_entry}]), "utf-8")
    found = problems(folder)
    assert any(problem.startswith("references.json:1:") and message in problem for problem in found)


def test_broken_json_and_a_missing_bibliography_are_named(small_corpus: Corpus) -> None:
    folder = small_corpus(liver=GOOD)
    (folder / "references.json").write_text("[\n{,}\n]", "utf-8")
    assert problems(folder)[0].startswith("references.json:2: broken JSON")
    (folder / "references.json").unlink()
    assert problems(folder)[0].startswith("references.json:1: missing")


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "references.json").write_text("[]", "utf-8")
    assert "no documents here" in problems(tmp_path)[0]


def test_the_real_corpus_covers_the_subjects_asked_most(bot: Bot) -> None:
    reviewed = [document for document in bot.documents.values() if document.status == "reviewed"]
    assert len(reviewed) >= 48
    assert {document.topic for document in bot.documents.values()} == set(TOPICS)
    assert all(len(section.questions) >= 3 for document in reviewed for section in document.sections)
    assert all(section.questions[0].endswith("?") for document in reviewed for section in document.sections)
    assert {reference.tier for document in reviewed for reference in document.references} <= set(TIERS)


def test_every_paragraph_of_a_reviewed_document_is_cited_or_asks_to_ask(bot: Bot) -> None:
    bare = [p for p in bot.index.passages if p.status == "reviewed" and "[@" not in p.text]
    assert len(bare) <= 12, [f"{p.document_id}: {p.heading}" for p in bare]


def test_the_users_article_stands_there_word_for_word(bot: Bot) -> None:
    article = bot.documents["kratom-pain-management-article"]
    body = article.text[article.sections[0].span.start :].rstrip("\n")
    assert article.status == "unreviewed"
    assert len(body) == 3332
    assert body.startswith("Kratom, a tropical tree native to Southeast Asia") and body.endswith("sometimes controversial option.")


def test_a_date_that_is_no_day_is_named(tmp_path: Path) -> None:
    (tmp_path / "references.json").write_text("[]", "utf-8")
    (tmp_path / "a.md").write_text("---\nid: a\ntitle: A\nreviewed: 2026-02-31\n---\n\n## A\n\nText.\n", "utf-8")
    with pytest.raises(CorpusError, match=r"a\.md:2: a value in the front matter cannot be read"):
        read_corpus(tmp_path)
