"""benchmarks/performance.py and its like without their processes: what they read, how they judge, what they write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import page, performance, performance_report, scale
from bot.corpus import read_corpus


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    """A tiny set in BEIR layout whose texts look like Markdown."""
    folder = tmp_path / "tiny"
    (folder / "qrels").mkdir(parents=True)
    rows = [("d0", "Title: one", "The liver is hurt."), ("d1", "", "- a list\n- of two"), ("d2", "# x", "## heading: in Ohio")]
    (folder / "corpus.jsonl").write_text("".join(json.dumps({"_id": key, "title": title, "text": text}) + "\n" for key, title, text in rows), "utf-8")
    (folder / "queries.jsonl").write_text("".join(json.dumps({"_id": f"q{n}", "text": f"question {n}"}) + "\n" for n in range(9)), "utf-8")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td0\t1\nq1\td2\t1\nq1\td0\t0\n", "utf-8")
    return folder


def test_a_set_in_beir_layout_becomes_texts_judgements_and_a_corpus_of_ours(beir: Path, tmp_path: Path) -> None:
    given = performance.public_set(beir, tmp_path / "work")
    assert (len(given.texts), given.groups, given.right) == (3, ["p0#0", "p1#0", "p2#0"], [{"p0#0"}, {"p2#0"}])
    assert [document.id for document in read_corpus(tmp_path / "work" / "corpus")] == ["p0", "p1", "p2"]
    asked = performance.phases(given, 2)
    every = [asked["first"], *(text for name in performance.PHASES for text in asked[name])]
    assert len(every) == len(set(every)) == 9


def test_rankings_are_judged_by_group_and_each_group_once(beir: Path, tmp_path: Path) -> None:
    given = performance.public_set(beir, tmp_path / "work")
    found = performance.quality(given, [[0, 1], ["p0#0", "p0#0", "p2#0"]])
    assert found["Hit@1"] == 0.5 and found["Hit@3"] == 1.0 and found["MRR@10"] == 0.75


def test_the_report_gives_ratios_to_the_best_dense_peer_and_says_what_was_not_measured() -> None:
    rows = {"ours": [{"p50": 2.0, "p99": 5.0}], "plain": [{"p50": 10.0}], "txtai": [{"p50": 8.0}], "bm25s": [{"p50": 0.1}]}
    text = performance_report.report({"a set": rows}, {name: name for name in rows}, {"plain", "txtai"}, 1, None, public=False)
    assert "| one question, p50 | 0.25 | at most 0.5 | holds |" in text
    assert "| p99 over p50, ours alone | 2.5 | at most 3 | holds |" in text
    assert "no --data was given" in text


def test_the_stores_side_by_side_are_told_with_what_could_not_be_measured_and_a_plot(tmp_path: Path) -> None:
    made: dict[int, dict[str, dict[str, Any]]] = {
        size: {"flat": {"build_s": size / 1e4, "p50": size / 1e5}, "milvus-flat": {"told": "not done after 2 minutes"}} for size in (1000, 10_000)
    }
    text = scale._report(made, tmp_path / "figures.md")
    assert "| FAISS flat | 0.1 | – | 0.01 |" in text and "| Milvus FLAT (not done after 2 minutes) | – |" in text
    assert (tmp_path / "figures.md").read_text("utf-8") == text and (tmp_path / "figures.svg").read_text("utf-8").startswith("<?xml")


def test_the_pages_start_is_told_beside_the_empty_one_with_its_spread_and_the_ratios_of_the_rounds(tmp_path: Path) -> None:
    rows = {
        "ours": [{"port_s": 3.0, "peak_mb": 400.0}, {"port_s": 6.0}, {"port_s": 4.0}],
        "empty": [{"port_s": 2.0, "peak_mb": 160.0}, {"port_s": 2.0}, {"port_s": 4.0}],
    }
    text = page.report(rows, 3, "Gradio 1", tmp_path / "start.md")
    assert "with Gradio 1: medians of 3 interleaved rounds" in text
    assert "| start to the page on the port, s | 4 [3, 6] | 2 [2, 4] | 1.5 [1, 3] |" in text
    assert "| memory of the server at most, MB | 400 | 160 | 2.5 |" in text
    assert "| start to the first answer shown, s | – | – | – |" in text, "what was not measured is not told as nothing"
    assert (tmp_path / "start.md").read_text("utf-8") == text
