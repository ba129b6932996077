from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from bot.audit import CHECKS, audit, figures
from bot.chat import Bot
from bot.corpus import read_corpus, read_coverage
from bot.readability import grade, syllables

ROOT = Path(__file__).parents[1]
Corpus = Callable[..., Path]
CITED = "[@source-2020-study]"
TODAY = date(2026, 11, 22)


def found(folder: Path) -> list[str]:
    [document] = read_corpus(folder)
    return [finding.message for check in CHECKS for finding in check(document, TODAY)]


def test_the_real_corpus_has_no_error(bot: Bot) -> None:
    errors = [str(finding) for finding in audit(bot, TODAY) if finding.error]
    assert errors == []


def test_the_corpus_is_as_large_and_as_plain_as_promised(bot: Bot) -> None:
    counts = figures(bot)
    assert counts["documents"] >= 80 and counts["passages"] >= 700
    assert counts["facts used"] + counts["facts left out with a reason"] == counts["facts"] >= 533
    assert counts["reading grade, median"] <= 8 and counts["reading grade, worst"] <= 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"Kratom is a tree {CITED}. Kratom is very bad.", "a statement without a citation"),
        (f"Take 5 grams in the morning {CITED}.", "an amount without its study"),
        (f"Buy it from a good shop {CITED}.", "reads like a vendor"),
        (f"Kratom is less deadly than heroin {CITED}.", "compares how deadly"),
        (f"Call Poison Help at 1-800-222-1222 {CITED}.", "law and help lines is checked every"),
        (f"Good [x] sentence here {CITED}.\n\nThis is why it matters {CITED}.", "a paragraph that leans on another"),
        (f"Incomprehensibility necessitates institutionalization notwithstanding interdisciplinary characterization {CITED}.", "reading grade"),
        (f"Kratom is a tree {CITED}. Signs of danger include:\n\n- slow breathing\n- blue lips", "a statement without a citation"),
    ],
)
def test_each_kind_of_error_is_found(small_corpus: Corpus, text: str, message: str) -> None:
    assert any(message in line for line in found(small_corpus(liver=text)))


@pytest.mark.parametrize(
    "text",
    [
        f"Kratom harms the liver of some people {CITED}.",
        f"Kratom is a tree {CITED}. Ask a pharmacist before you mix medicines.",
        f"Kratom is a tree {CITED}. No study was found that shows it.",
        f"In a study of 10 adults, 5 grams were given {CITED}.",
        f"Signs of danger include {CITED}:\n\n- slow breathing\n- blue lips",
    ],
)
def test_sound_sentences_pass(small_corpus: Corpus, text: str) -> None:
    assert found(small_corpus(liver=text)) == []


def test_what_is_past_its_review_date_is_a_notice(small_corpus: Corpus) -> None:
    [document] = read_corpus(small_corpus(liver=f"Kratom harms some people {CITED}."))
    findings = [finding for check in CHECKS for finding in check(document, date(2030, 1, 1))]
    assert [finding.error for finding in findings] == [False]
    assert "past its review date" in findings[0].message


def test_an_undated_legal_section_is_found(small_corpus: Corpus) -> None:
    folder = small_corpus(liver=f"Kratom is banned {CITED}.")
    path = folder / "liver.md"
    path.write_text(path.read_text("utf-8").replace("topic: basics", "topic: law"), "utf-8")
    bibliography = folder / "references.json"
    bibliography.write_text(bibliography.read_text("utf-8").replace('"as_of"', '"jurisdiction": "US", "as_of"'), "utf-8")
    assert any("without a date" in line for line in found(folder))


def test_coverage_names_documents_that_exist_or_a_reason(bot: Bot) -> None:
    for fact in read_coverage(bot.settings.corpus):
        assert fact.documents or fact.reason, fact.id
        assert set(fact.documents) <= set(bot.documents), fact.id


def test_the_dossiers_are_covered_and_not_copied_where_they_are_at_hand(bot: Bot) -> None:
    facts = ROOT.parent / "shared" / "facts"
    if facts.is_dir():  # the dossiers stand beside the checkout in the workplace only
        assert [str(finding) for finding in audit(bot, TODAY, facts) if finding.error] == []


def test_the_reading_grade_counts_sentences_and_syllables_but_not_names() -> None:
    assert syllables("cat") == 1 and syllables("banana") == 3
    easy, hard = grade("The cat sat. The dog ran."), grade("Considerable institutional opposition necessitates reconsideration.")
    assert easy < 2 < 12 < hard
    assert abs(grade("People take mitragynine now.") - grade("People take it now.")) < 1.5
    assert grade("") == 0.0
