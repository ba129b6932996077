"""A build goes through the corpus in windows, keeps what it made when it is killed, and gives the same files every time."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from benchmarks import bulk
from bot.chat import Bot
from bot.corpus import Corpus, read_corpus
from bot.encoder import Vectors
from bot.errors import CorpusError, EncoderError, IndexStaleError
from bot.index import check_index, current_build, open_index
from bot.index import writing as writing_module
from bot.index.known import Known, keys_of
from bot.index.shared import read_json
from bot.index.tables import Flat, Rows
from bot.pipeline import build, open_bot
from bot.settings import Settings

Write = Callable[..., Path]
ROOT = Path(__file__).parents[1]
SMALL = {"CHUNK": 2, "SHARD": 1, "WINDOW": 8}  # so that a dozen documents are many shards and several windows
CHILD = """
import sys
from pathlib import Path
from bot.index import writing
from bot.pipeline import build
from bot.settings import Settings
writing.CHUNK, writing.SHARD, writing.WINDOW = 2, 1, 8
build(Settings(corpus=Path(sys.argv[1]), index=Path(sys.argv[2])), force=True)
"""


@pytest.fixture
def many(small_corpus: Write) -> Path:
    """A dozen documents of different lengths."""
    return small_corpus(**{f"part{number}": f"Kratom is linked to {'many ' * number}effects [@source-2020-study]." for number in range(12)})


@pytest.fixture
def empty(tmp_path: Path, bot: Bot, many: Path) -> Callable[[str], Settings]:
    """Settings for an index of which only the encoder is there."""

    def made(name: str) -> Settings:
        index = tmp_path / name
        index.mkdir()
        encoder = bot.index.manifest["encoder"]["folder"]
        (index / encoder).symlink_to(bot.settings.index / encoder)
        return Settings(corpus=many, index=index)

    return made


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small chunks, shards and windows."""
    for name, value in SMALL.items():
        monkeypatch.setattr(writing_module, name, value)


def manifest(settings: Settings) -> dict[str, Any]:
    return read_json(current_build(settings.index) / "manifest.json")


def shards(settings: Settings) -> int:
    return len(list(settings.index.glob(".encoding-*/*.npy")))


def killed(settings: Settings, wait_for: int, delay: float) -> bool:
    """Begin a build in another process and kill it `delay` seconds after it has so many shards; whether it was still at work."""
    command = [sys.executable, "-c", CHILD, str(settings.corpus), str(settings.index)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while shards(settings) < wait_for and process.poll() is None:
        time.sleep(0.002)
    time.sleep(delay)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return alive


def test_a_build_killed_at_any_point_goes_on_from_there_and_gives_the_same_files(empty: Callable[[str], Settings], small: None) -> None:
    whole, broken, source = empty("whole"), empty("broken"), random.Random(0)
    build(whole)
    kept = 0
    for _ in range(4):
        if not killed(broken, kept + source.randrange(1, 4), source.uniform(0, 0.01)):
            break
        assert shards(broken) >= kept, "what was made is not lost"
        kept = shards(broken)
    build(broken, force=True)
    assert kept and manifest(broken)["id"] == manifest(whole)["id"]
    assert not list(broken.index.glob(".[be]*ing-*")), "and nothing is left behind"


def test_what_a_killed_build_made_is_not_encoded_again(empty: Callable[[str], Settings], small: None) -> None:
    settings = empty("index")

    def stop(what: str, done: int, total: int) -> None:
        if what == "encoding questions" and done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(settings, stop)
    kept = sorted(settings.index.glob(".encoding-*/*.npy"))
    assert len(kept) == 3 and not list(settings.index.glob(".building-*"))
    kept[0].write_bytes(kept[0].read_bytes()[:-1])  # a damaged shard is not believed
    seen: list[tuple[str, int]] = []
    build(settings, lambda what, done, _: seen.append((what, done)))
    starts: dict[str, int] = {}
    for what, done in seen:
        starts.setdefault(what, done)
    assert starts["encoding passages"] + starts["encoding questions"] == 2 * (len(kept) - 1)
    assert manifest(settings)["counts"]["passages"] == 12


def test_windows_change_nothing_but_the_last_bits_of_a_vector(empty: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    one, several = empty("one"), empty("several")
    build(one)
    monkeypatch.setattr(writing_module, "WINDOW", 8)
    totals: list[tuple[int, int]] = []
    build(several, lambda what, done, total: totals.append((done, total)) if what == "encoding sentences" else None)
    left, right = current_build(one.index), current_build(several.index)
    for name in ("passages.npy", "sentences.places.npy", "passages.keys.npy", "questions.keys.npy", "bm25/vocab.index.json", "bm25/data.csc.index.npy"):
        assert (left / name).read_bytes() == (right / name).read_bytes(), name
    assert np.allclose(np.load(left / "sentences.npy"), np.load(right / "sentences.npy"), atol=1e-6)
    assert totals[-1] == (12, 12) and all(done <= total for done, total in totals)


def test_processes_give_the_vectors_that_threads_give(empty: Callable[[str], Settings], small: None) -> None:
    threads, processes = empty("threads"), empty("processes")
    build(threads)
    build(processes, workers="processes")
    assert manifest(threads)["id"] == manifest(processes)["id"]


def test_a_process_that_is_killed_is_told_in_words_and_the_build_goes_on(empty: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = empty("index")
    monkeypatch.setattr("bot.index.workers.cores", lambda: 2)
    for name in ("CHUNK", "SHARD"):  # one window, so that both processes run before one is killed: Python's pool may wait for ever for one that starts then
        monkeypatch.setattr(writing_module, name, SMALL[name])

    def kill(what: str, done: int, total: int) -> None:
        for process in multiprocessing.active_children() if done else ():
            process.kill()

    with pytest.raises(EncoderError, match=r"was killed, mostly for want of memory; .*python -m bot build --workers threads"):
        build(settings, kill, workers="processes")
    assert shards(settings), "what was made is kept"
    assert build(settings)


@pytest.mark.filterwarnings("ignore")  # of Ray itself
def test_two_workers_of_ray_give_the_vectors_that_threads_give(empty: Callable[[str], Settings], small: None) -> None:
    ray = pytest.importorskip("ray")
    threads, cluster = empty("threads"), empty("cluster")
    build(threads)
    try:
        build(cluster, workers="ray")
    finally:
        ray.shutdown()
    assert manifest(threads)["id"] == manifest(cluster)["id"]


def test_the_id_is_the_same_in_every_process(empty: Callable[[str], Settings]) -> None:
    ids = set()
    for seed in ("1", "2"):
        settings = empty(f"seed{seed}")
        subprocess.run(
            [sys.executable, "-c", CHILD, settings.corpus, settings.index],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        )
        ids.add(manifest(settings)["id"])
    assert len(ids) == 1


def test_files_that_grow_are_those_that_are_written_at_once(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(1003, 8)).astype(np.float32)
    flat, grown, at_once = Flat(tmp_path / "flat", 8), Rows(tmp_path / "grown", np.float32, (8,)), faiss.IndexFlatIP(8)
    for start in range(0, len(rows), 100):
        flat.add(rows[start : start + 100])
        grown.add(rows[start : start + 100])
    assert (flat.close(), grown.close()) == (1003, 1003)
    at_once.add(rows)
    faiss.write_index(at_once, str(tmp_path / "faiss"))
    np.save(tmp_path / "saved.npy", rows)
    assert (tmp_path / "flat").read_bytes() == (tmp_path / "faiss").read_bytes()
    assert (tmp_path / "grown").read_bytes() == (tmp_path / "saved.npy").read_bytes()


def test_a_vector_is_found_by_the_hash_of_its_text_and_the_newest_counts(tmp_path: Path) -> None:
    source, expected, known = np.random.default_rng(0), dict[str, Vectors](), Known()
    for _ in range(40):
        texts = [f"text {number}" for number in source.choice(500, size=int(source.integers(1, 60)), replace=False)]
        vectors = source.normal(size=(len(texts), 4)).astype(np.float32)
        known.add(keys_of(texts), partial(np.asarray, vectors))
        expected.update(zip(texts, vectors, strict=True))
    asked = [f"text {number}" for number in range(600)]
    places = known.find(keys_of(asked))
    assert [place >= 0 for place in places] == [text in expected for text in asked]
    rows, out = np.flatnonzero(places >= 0), np.zeros((600, 4), dtype=np.float32)
    known.take(places[rows], out, rows)
    assert all((out[row] == expected[asked[row]]).all() for row in rows)


def peak(folder: Path, count: int) -> int:
    """The most bytes that Python and numpy hold while `count` documents are built."""
    tracemalloc.start()
    bulk.written(folder, count, bulk.Quick())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_memory_is_that_of_a_window_and_not_of_the_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing_module, "WINDOW", 2000)
    peak(tmp_path / "imports", 10)
    few, more = peak(tmp_path / "few", 1000), peak(tmp_path / "more", 5000)
    rows = 4000 * 7  # a passage, a question and five sentences of each document
    # 480 were measured: keys, and BM25 at the end with a word of its own for each sentence. A row's vector and text would be 326 more.
    assert (more - few) / rows < 600


def test_an_index_is_checked_without_being_opened(settings: Settings, small_corpus: Write) -> None:
    folder = small_corpus(liver="Kratom is linked to liver injury [@source-2020-study].")
    build(settings)
    check_index(settings.index, Corpus(folder), settings.model)
    (current_build(settings.index) / "sentences.npy").write_bytes(b"")
    with pytest.raises(IndexStaleError, match=r"sentences\.npy is missing or was changed"):
        check_index(settings.index, Corpus(folder), settings.model)
    assert build(settings)
    assert len(open_index(settings.index, read_corpus(folder), settings.model).passages) == 1


@pytest.mark.parametrize("name", ["passages.faiss", "questions.faiss", "sentences.npy"])
def test_a_file_of_vectors_that_was_deleted_is_made_anew(settings: Settings, small_corpus: Write, name: str) -> None:
    small_corpus(liver="Kratom is linked to liver injury [@source-2020-study].")
    build(settings)
    (current_build(settings.index) / name).unlink()
    assert open_bot(settings).search("liver") and (current_build(settings.index) / name).is_file()


def test_a_corpus_is_read_again_each_time_and_every_mistake_told(small_corpus: Write) -> None:
    corpus = Corpus(small_corpus(one="One [@source-2020-study].", two="Two [@source-2020-study]."))
    assert len(corpus) == 2 and [document.id for document in corpus] == [document.id for document in corpus] == ["one", "two"]
    (corpus.folder / "bad.md").write_text("no front matter", "utf-8")
    (corpus.folder / "worse.md").write_text("none here either", "utf-8")
    with pytest.raises(CorpusError, match=r"bad\.md:1[\s\S]*worse\.md:1"):
        list(corpus)
