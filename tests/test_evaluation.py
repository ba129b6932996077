from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from bot.chat import Bot
from bot.evaluation import Question, certificate, changes, evaluate, figures, first_passages, read_questions, report_markdown, upper_bound, wilson, write_plots
from bot.evaluation.conversations import Step, conversations_markdown, read_steps, ways

TODAY = date(2026, 11, 22)


def test_the_exact_bound_agrees_with_known_values() -> None:
    assert upper_bound(0, 59) == pytest.approx(0.0495, abs=0.0005)  # the rule of three: none of 59 leaves 5 % possible
    assert upper_bound(5, 100) == pytest.approx(0.1023, abs=0.0005)
    assert upper_bound(3, 3) == 1.0


def test_the_wilson_interval_holds_its_share() -> None:
    low, high = wilson(9, 10)
    assert 0.55 < low < 0.9 < high < 1
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_question_is_right_when_a_shown_passage_is_of_its_document(bot: Bot) -> None:
    questions = [
        Question("does kratom harm the liver", "plain", frozenset({"liver"})),
        Question("does kratom harm the liver", "plain", frozenset({"surgery"})),
        Question("what is the weather in Paris", "plain", frozenset()),
    ]
    outcomes = evaluate(bot, questions)
    assert [one.right for one in outcomes] == [True, False, True]
    assert outcomes[0].place == 1 and outcomes[0].gain == 1.0 and outcomes[1].place == 0
    table = figures(outcomes)
    assert table["answerable"] == 2 and table["Hit@1"].startswith("0.500") and table["MRR@10"].startswith("0.500")
    claim = certificate(bot, outcomes, TODAY)
    assert (claim["answers"], claim["wrong"]) == (2, 1) and claim["index"] == bot.index.id
    report = report_markdown({"tune": outcomes, "test": outcomes}, claim)
    assert "| Hit@1 |" in report and "upper bound" in report


def test_the_golden_set_names_documents_that_exist(bot: Bot) -> None:
    for half in ("tune", "test"):
        questions = read_questions(half)
        assert len(questions) >= 400 and sum(not question.answerable for question in questions) >= 100
        for question in questions:
            assert question.documents <= set(bot.documents), question.text
            assert all(number < len(bot.documents[name].sections) for name, number in question.sections), question.text
    assert not {question.text for question in read_questions("tune")} & {question.text for question in read_questions("test")}


def test_a_judged_section_is_the_only_right_one_of_its_document(bot: Bot) -> None:
    hit = bot.search("does kratom harm the liver", limit=1)[0]
    right = Question("x", "plain", frozenset({"liver"}), frozenset({("liver", hit.passage.section)}))
    wrong = Question("x", "plain", frozenset({"liver"}), frozenset({("liver", hit.passage.section + 1)}))
    assert right.answered_by(hit.passage) and not wrong.answered_by(hit.passage)


def test_the_answer_diff_names_what_changed(bot: Bot) -> None:
    outcomes = evaluate(
        bot, [Question("does kratom harm the liver", "plain", frozenset({"liver"})), Question("kratom", "plain", frozenset({"what-is-kratom"}))]
    )
    before = first_passages(outcomes, "a" * 64)
    assert changes(before, outcomes, "b" * 64).startswith("0 of 2 questions")
    before["first"]["does kratom harm the liver"] = ["surgery", 1]
    assert "surgery § 1 → liver § " in changes(before, outcomes, "b" * 64)


def test_the_plots_are_drawn(bot: Bot, tmp_path: Path) -> None:
    write_plots(
        evaluate(bot, [Question("does kratom harm the liver", "plain", frozenset({"liver"})), Question("weather", "plain", frozenset())]), 0.5, tmp_path
    )
    assert {path.name for path in tmp_path.iterdir()} == {"evaluation-styles.svg", "evaluation-abstention.svg"}


def test_the_certificate_is_kept_beside_its_build(bot: Bot) -> None:
    before = bot.index.certificate
    try:
        bot.index.keep_certificate({"answers": 1})
        assert bot.index.certificate == {"answers": 1}
    finally:
        if before is None:
            (bot.index.folder / "certificate.json").unlink()
        else:
            bot.index.keep_certificate(before)


def test_the_conversations_are_whole_and_their_halves_apart(bot: Bot) -> None:
    halves = {half: read_steps(half) for half in ("tune", "test")}
    assert len(halves["test"]) >= 300 and sum(bool(step.sections) for step in halves["test"]) >= 150
    for step in halves["test"]:
        assert step.kind in ("follow-up", "correction", "change", "thanks")
        assert all(number < len(bot.documents[name].sections) for name, number in step.sections), step.message
    assert not {(step.before, step.message) for step in halves["tune"]} & {(step.before, step.message) for step in halves["test"]}


def test_each_way_to_a_query_is_compared(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    section = bot.search("is kratom legal in Indiana", limit=1)[0].passage
    step = Step(("is kratom legal in Ohio",), "and indiana?", "follow-up", "Is kratom legal in Indiana?", frozenset({(section.document_id, section.section)}))
    queries = {name: way(step) for name, way in ways(bot).items()}
    assert queries["ours: all carried"].text == "is kratom legal in indiana" and queries["last message only"].text == "and indiana?"
    assert "and indiana?" in queries["ours: all carried"].beside and not queries["ours, the earlier question alone carried"].beside
    monkeypatch.setattr("bot.evaluation.conversations.read_steps", lambda _: [step])
    report = conversations_markdown(bot, "test")
    assert "| ours: all carried | 1.000" in report and "new subjects into which the old one leaks" in report
