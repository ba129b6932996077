from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat import Bot
from bot.chunking import LEANING, LIST_ITEM, context_header, cut, encoded_text, sentences
from bot.corpus import read_corpus
from bot.errors import CorpusError
from bot.records import Document, Reference, Section, Span

REFERENCE = Reference("a", "A", "Journal", "guideline", "2020")


def document(text: str) -> Document:
    section = Section("Heading", (), Span(0, len(text)))
    return Document("a", "Title", "basics", "reviewed", "2026-01-01", "2028-01-01", "a.md", text, "0", (section,), (REFERENCE,))


def words(text: str) -> int:
    return len(text.split()) + sum(len(word) // 20 for word in text.split())


@given(st.text(min_size=1, max_size=600), st.integers(min_value=12, max_value=60))
def test_a_passage_is_the_slice_it_names_and_never_too_long(text: str, limit: int) -> None:
    try:
        passages = cut(document(text), words, limit)
    except CorpusError:
        return  # a list too long to stay with its lead-in: refused, see below
    for passage in passages:
        assert passage.text == text[passage.start : passage.end]
        assert words(context_header("Title", "Heading") + passage.text) <= limit
        assert passage.text == passage.text.strip() or not passage.text.strip()
    kept = "".join(passage.text for passage in passages)
    assert "".join(kept.split()) == "".join(text.split())


@given(
    st.lists(st.sampled_from(["Do not stop suddenly.", "Kratom helped nobody.", "It did, e.g. in 2.5 % of cases.", "Ask Dr. Lee."]), min_size=1, max_size=60)
)
def test_a_sentence_is_never_split_where_it_fits(parts: list[str]) -> None:
    text = " ".join(parts)
    for passage in cut(document(text), words, 20):
        assert passage.text.endswith(".")
        assert not passage.text.startswith(("not", "nobody", "in 2.5", "Lee"))


@given(st.integers(min_value=2, max_value=8), st.booleans())
def test_a_list_stays_with_its_lead_in(items: int, blank: bool) -> None:
    lead = "Do NOT take kratom with:"
    text = "First paragraph of ten plain words to fill some room.\n\n" + lead + ("\n\n" if blank else "\n") + "\n".join(f"- item {n}" for n in range(items))
    holders = [passage for passage in cut(document(text), words, 50) if "- item" in passage.text]
    assert len(holders) == 1
    assert lead in holders[0].text


def test_a_list_too_long_for_one_passage_is_refused_with_its_line() -> None:
    text = "One.\n\nNever do these:\n" + "\n".join(f"- thing number {n}" for n in range(40))
    with pytest.raises(CorpusError, match=r"a\.md:3: this list does not fit"):
        cut(document(text), words, 50)


def test_a_sentence_longer_than_a_passage_is_never_cut_behind_a_negation() -> None:
    text = " ".join(["people should not"] * 40) + " stop"
    for passage in cut(document(text), words, 15):
        assert not passage.text.endswith(("not", "should"))


def test_sentences_know_abbreviations_citations_and_numbers() -> None:
    text = "In Dr. Lee's study (p = 0.02) kratom did not help [@a; @b]. A 2.5-fold rise! Why?"
    assert [text[span.start : span.end] for span in sentences(text)] == [
        "In Dr. Lee's study (p = 0.02) kratom did not help [@a; @b].",
        "A 2.5-fold rise!",
        "Why?",
    ]


def test_the_encoder_reads_every_real_passage_to_its_end(bot: Bot) -> None:
    encoder = bot.index.encoder
    for passage in bot.index.passages:
        assert passage.text == bot.documents[passage.document_id].text[passage.start : passage.end]
        assert encoder.count_tokens(encoded_text(passage)) <= encoder.max_tokens
        assert encoder.count_tokens(passage.text) <= encoder.max_tokens


def test_windows_line_ends_keep_their_offsets(small_corpus: Callable[..., Path]) -> None:
    folder = small_corpus(liver="One [@source-2020-study].\n\nTwo [@source-2020-study].")
    path = folder / "liver.md"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    [text] = read_corpus(folder)
    [passage] = cut(text, words, 60)
    assert passage.text == text.text[passage.start : passage.end] == "One [@source-2020-study].\r\n\r\nTwo [@source-2020-study]."


def test_no_passage_begins_by_pointing_at_a_sentence_that_is_not_quoted(bot: Bot) -> None:
    assert [passage.text[:60] for passage in bot.index.passages if LEANING.match(passage.text)] == []


def test_a_list_or_table_is_quoted_with_the_line_that_leads_into_it(bot: Bot) -> None:
    assert [passage.text[:60] for passage in bot.index.passages if LIST_ITEM.match(passage.text)] == []


def test_a_passage_that_would_point_back_begins_a_sentence_earlier() -> None:
    body = "One two three four five. Six seven eight nine ten. They are eleven twelve.\n\nThese lean on the last one."
    passages = cut(document(body), lambda text: len(text.split()), 20)
    assert len(passages) > 1 and not any(LEANING.match(passage.text) for passage in passages[1:])
    assert all(passage.text == body[passage.start : passage.end] for passage in passages)
