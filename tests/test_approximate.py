"""Large tables are looked up approximately: what is found, behind a filter too, and what a build needs for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from bot.chat import Bot
from bot.index import current_build
from bot.index.approximate import Near, rescored, write_near
from bot.index.matrix import cosines, first, lent
from bot.pipeline import build, open_bot
from bot.settings import Settings


def real(bot: Bot, count: int) -> tuple[Any, Any]:
    """Synthetic vectors that lie as real ones do, between two of them, and others of the same kind to ask with."""
    rows, chance = lent(current_build(bot.settings.index) / "questions.faiss"), np.random.default_rng(1)
    one, other = chance.integers(0, len(rows), (2, count + 200))
    mixed = rows[one] + rows[other] + chance.normal(0, 0.02, (count + 200, rows.shape[1])).astype(np.float32)
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.ascontiguousarray(mixed[200:]), np.ascontiguousarray(mixed[:200])


@pytest.mark.parametrize("graph", [True, False], ids=["HNSW", "IVF-PQ"])
def test_an_approximate_index_finds_what_its_manifest_says(bot: Bot, tmp_path: Path, graph: bool) -> None:
    vectors, queries = real(bot, 3000)
    told = write_near(tmp_path / "near.faiss", vectors, queries, graph=graph)
    assert told and told["recall@10"] >= 0.99 and told["rows"] == 3000
    assert (tmp_path / "near.faiss").stat().st_size < 400 * 3000 + 1_000_000  # the vectors are held once


@pytest.mark.parametrize("graph", [True, False], ids=["HNSW", "IVF-PQ"])
def test_behind_a_narrow_filter_the_nearest_are_found_as_well(bot: Bot, tmp_path: Path, graph: bool) -> None:
    vectors, queries = real(bot, 3000)
    told = write_near(tmp_path / "near.faiss", vectors, queries, graph=graph)
    assert told
    index = faiss.read_index(str(tmp_path / "near.faiss"), faiss.IO_FLAG_SKIP_STORAGE if graph else 0)
    if graph:
        index.storage = flat = faiss.IndexFlatIP(vectors.shape[1])  # type: ignore[attr-defined]  # of HNSW; the stubs know the base class alone
        flat.add(vectors)
    near, mask = Near(index, told["kind"], told["effort"]), np.random.default_rng(2).random(len(vectors)) < 0.03
    found = 0
    for query in queries:
        rows = near.search(query, 50, mask)
        assert mask[rows].all()
        found += len(set(rescored(vectors, rows, query, 10)) & set(first(cosines(vectors, query), 10, mask)))
    assert found / (10 * len(queries)) >= 0.99
    assert len(near.search(queries[0], 50, np.zeros(len(vectors), dtype=bool))) == 0


def test_a_large_corpus_without_questions_is_built(settings: Settings, small_corpus: Callable[..., Path]) -> None:
    folder = small_corpus(**{f"part{number}": f"Kratom has effect {number}. It was seen {number % 7} times [@source-2020-study]." for number in range(600)})
    for path in folder.glob("*.md"):
        head, _, rest = path.read_text("utf-8").partition("::: questions")
        path.write_text(head + rest.partition(":::\n\n")[2], "utf-8")
    there = replace(settings, exact_up_to=500)
    build(there)
    bot = open_bot(there)
    assert bot.index.manifest["counts"]["questions"] == 0
    assert bot.index.manifest["approximate"]["passages"]["queries"] == 200
    assert bot.search("effect 17")
