from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from object_store import ObjectStore

from bot.chat import Bot
from bot.corpus.ranges import range_of, read_range
from bot.errors import StoreError
from bot.records import Span


@pytest.fixture(scope="module")
def place(bot: Bot) -> Iterator[str]:
    """The corpus behind HTTP on this machine; under /whole/ without ranges."""
    store = ObjectStore(bot.settings.corpus)
    yield store.address
    store.stop()


def test_every_passage_is_the_same_from_its_bytes(bot: Bot, place: str) -> None:
    for number, passage in enumerate(bot.index.passages):
        document = bot.documents[passage.document_id]
        if not document.converted:
            wanted = range_of(document, Span(passage.start, passage.end))
            assert read_range(str(bot.settings.corpus), wanted) == passage.text
            if number % 50 == 0:
                assert read_range(place, wanted) == passage.text


def test_a_changed_byte_and_a_place_without_the_file_or_without_ranges_are_told(bot: Bot, place: str, tmp_path: Path) -> None:
    passage = bot.index.passages[0]
    wanted = range_of(bot.documents[passage.document_id], Span(passage.start, passage.end))
    with pytest.raises(StoreError, match=r"are not those that were indexed; run: python -m bot build"):
        read_range(place, replace(wanted, begin=wanted.begin + 1))
    for where in (f"{place}/nothing", f"{place}/whole", str(tmp_path), "http://127.0.0.1:9"):
        with pytest.raises(StoreError, match="cannot be read from"):
            read_range(where, wanted)
