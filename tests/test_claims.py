from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.balance import balanced, two_sides
from bot.chat import Bot
from bot.corpus import read_claims, read_corpus
from bot.errors import CorpusError
from bot.records import TIERS, Hit
from bot.retrieval import Found

Corpus = Callable[..., Path]
ARTICLE = "kratom-pain-management-article"
GOOD = "Kratom harms the liver of some people [@source-2020-study]."


def problems(folder: Path, text: str) -> str:
    (folder / "claims.yaml").write_text(text, "utf-8")
    with pytest.raises(CorpusError) as caught:
        read_claims(folder, read_corpus(folder))
    return str(caught.value)


def test_a_claim_names_its_passages_and_their_stance(small_corpus: Corpus) -> None:
    folder = small_corpus(liver=GOOD)
    (folder / "claims.yaml").write_text(
        "- id: safe\n  statement: Kratom is safe.\n  stances:\n    - {document: liver, section: 'About liver?', stance: disputes}\n"
        "    - {document: liver, quote: 'some people', stance: qualifies}\n",
        "utf-8",
    )
    [document] = read_corpus(folder)
    [claim] = read_claims(folder, [document])
    first, second = claim.stances
    assert document.text[first.span.start : first.span.end] == GOOD
    assert document.text[second.span.start : second.span.end] == "some people"


@pytest.mark.parametrize(
    ("stance", "message"),
    [
        ("{document: heart, section: x, stance: disputes}", "there is no document 'heart'"),
        ("{document: liver, section: x, stance: disputes}", "has no section 'x'"),
        ("{document: liver, quote: never written, stance: disputes}", "does not hold the quote"),
        ("{document: liver, section: 'About liver?', stance: likes}", "stance 'likes' is not one of"),
        ("{document: liver, stance: disputes}", "no 'section'"),
    ],
)
def test_a_broken_cross_reference_is_named(small_corpus: Corpus, stance: str, message: str) -> None:
    assert message in problems(small_corpus(liver=GOOD), f"- id: safe\n  statement: s\n  stances:\n    - {stance}\n")


def test_broken_yaml_and_a_repeated_id_are_named(small_corpus: Corpus) -> None:
    folder = small_corpus(liver=GOOD)
    assert "claims.yaml:2: cannot be read" in problems(folder, "- id: [\n")
    assert "there twice" in problems(folder, "- {id: a, statement: s, stances: []}\n- {id: a, statement: s, stances: []}\n")


def test_the_dossiers_claims_stand_in_the_file(bot: Bot) -> None:
    assert len(bot.claims) >= 40
    text = (bot.settings.corpus / "claims.yaml").read_text("utf-8")
    assert {f"SE-{number:02d}" for number in range(1, 20)} <= set(re.findall(r"SE-\d\d", text))
    assert all(claim.stances for claim in bot.claims)


def test_every_claim_of_the_article_meets_a_reviewed_passage(bot: Bot) -> None:
    for claim in bot.claims:
        if any(stance.document_id == ARTICLE for stance in claim.stances):
            assert any(stance.document_id != ARTICLE for stance in claim.stances), claim.id


def test_the_article_is_never_shown_alone_where_a_better_passage_disputes_it(bot: Bot) -> None:
    article = [passage for passage in bot.index.passages if passage.document_id == ARTICLE]
    for passage in article:
        shown = balanced((Hit(passage, 0.6),), bot.claims, bot.index.passages)
        assert shown[-1].passage == passage
        assert len(shown) == 2 and shown[0].passage.status == "reviewed"
        about = [claim for claim in bot.claims if any(one.covers(passage) and one.stance == "supports" for one in claim.stances)]
        assert any(one.covers(shown[0].passage) and one.stance != "supports" for claim in about for one in claim.stances)


def test_a_shown_disputing_passage_is_not_added_twice(bot: Bot) -> None:
    article = next(passage for passage in bot.index.passages if passage.document_id == ARTICLE)
    added = balanced((Hit(article, 0.6),), bot.claims, bot.index.passages)
    assert balanced(added, bot.claims, bot.index.passages) == added
    assert balanced((), bot.claims, bot.index.passages) == ()
    assert replace(Found((), 0.0, bot.index.vector("x")), confidence=0.5).hits == ()


def test_where_reviewed_sources_disagree_both_sides_come_first_the_stronger_leading(bot: Bot) -> None:
    seen = 0
    everything = [Hit(passage, 0.5) for passage in bot.index.passages]
    for passage in bot.index.passages:
        hits, claim = two_sides((Hit(passage, 0.6),), everything, bot.claims)
        if claim is None:
            assert hits == (Hit(passage, 0.6),)
            continue
        seen += 1
        first, second = hits[0].passage, hits[1].passage
        assert passage in (first, second) and "reviewed" in {first.status, second.status}
        assert TIERS.index(first.tier) <= TIERS.index(second.tier)
    assert seen >= 5


def test_a_reply_names_the_claim_and_the_page_shows_two_columns(bot: Bot) -> None:
    from datetime import date

    from bot.render import as_html

    reply = bot.reply("Is mitragynine a partial agonist?")
    assert reply.disagreement in {claim.id for claim in bot.claims}
    assert reply.to_dict()["disagreement"] == reply.disagreement
    assert 'class="kf-sides"' in as_html(reply, "x", bot.texts, date(2026, 11, 22))


def test_a_disagreement_beside_the_point_is_not_shown(bot: Bot) -> None:
    assert bot.reply("What is kratom?").disagreement is None
