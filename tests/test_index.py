from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import Stemmer

from bot.chat import Bot
from bot.corpus import read_corpus
from bot.errors import CorpusError, IndexMissingError, IndexStaleError, IndexWriteError
from bot.index import PassageIndex, current_build, open_index
from bot.index.matrix import Lexical, cosines, first, lent
from bot.index.shared import cut_all, stems
from bot.pipeline import build, open_bot
from bot.settings import Settings

Corpus = Callable[..., Path]
ROOT = Path(__file__).parents[1]
LIVER = "Kratom has been linked to liver injury [@source-2020-study]."
HEART = "Kratom can make the heart beat faster [@source-2020-study]."


def opened(settings: Settings) -> PassageIndex:
    return open_index(settings.index, read_corpus(settings.corpus), settings.model)


def test_nothing_built_yet_says_what_to_run(settings: Settings, small_corpus: Corpus) -> None:
    small_corpus(liver=LIVER)
    (settings.index / "current.json").unlink()
    with pytest.raises(IndexMissingError, match="python -m bot build"):
        opened(settings)


def test_a_build_is_opened_and_a_second_build_has_nothing_to_do(settings: Settings, small_corpus: Corpus) -> None:
    small_corpus(liver=LIVER, heart=HEART)
    steps: list[str] = []
    assert build(settings, lambda what, *_: steps.append(what))
    assert any("passages" in step for step in steps)
    assert not build(settings)
    manifest = opened(settings).manifest
    assert manifest["counts"]["documents"] == 2
    assert set(manifest) >= {"corpus", "chunker", "encoder", "metric", "libraries", "files"}
    assert manifest["encoder"]["identity"].startswith("53aa51172d14")


def test_a_changed_document_is_named_and_the_next_open_builds_again(settings: Settings, small_corpus: Corpus) -> None:
    small_corpus(liver=LIVER)
    assert open_bot(settings).search("heart") != []
    small_corpus(liver=LIVER, heart=HEART)
    with pytest.raises(IndexStaleError, match=r"the corpus \(heart\)"):
        opened(settings)
    assert open_bot(settings).search("does it make the heart race", limit=1)[0].passage.document_id == "heart"


def test_a_deleted_document_is_never_answered_again(settings: Settings, small_corpus: Corpus) -> None:
    folder = small_corpus(liver=LIVER, heart=HEART)
    build(settings)
    (folder / "heart.md").unlink()
    hits = open_bot(settings).search("heart beats faster", limit=10)
    assert {hit.passage.document_id for hit in hits} == {"liver"}


def test_a_malformed_document_stops_the_build_and_the_old_index_still_serves(settings: Settings, small_corpus: Corpus) -> None:
    folder = small_corpus(liver=LIVER)
    bot = open_bot(settings)
    before = (settings.index / "current.json").read_bytes()
    (folder / "bad.md").write_text("no front matter", "utf-8")
    with pytest.raises(CorpusError, match=r"bad\.md:1: no front matter"):
        build(settings)
    assert (settings.index / "current.json").read_bytes() == before
    assert bot.search("liver")[0].passage.text == LIVER
    (folder / "bad.md").unlink()
    assert not build(settings)


def test_unchanged_text_is_not_encoded_again(settings: Settings, small_corpus: Corpus) -> None:
    small_corpus(liver=LIVER)
    build(settings)
    small_corpus(liver=LIVER, heart=HEART)
    encoded: dict[str, int] = {}

    def note(what: str, done: int, total: int) -> None:
        encoded[what] = total

    build(settings, note)
    assert {what: count for what, count in encoded.items() if what.startswith("encoding")} == {
        "encoding passages": 1,
        "encoding questions": 2,
        "encoding sentences": 1,
    }


@pytest.mark.parametrize("name", ["passages.faiss", "questions.faiss", "sentences.npy", "passages.npy", "manifest.json"])
def test_a_damaged_file_is_noticed_and_built_again(settings: Settings, small_corpus: Corpus, name: str) -> None:
    small_corpus(liver=LIVER)
    build(settings)
    [folder] = settings.index.glob("build-*")
    (folder / name).write_bytes(b"{" + (folder / name).read_bytes()[1:])
    if name == "manifest.json":
        (folder / name).write_bytes(b"cut sho")
    with pytest.raises(IndexStaleError, match="python -m bot build --force"):
        opened(settings)
    assert open_bot(settings).search("liver")[0].passage.text == LIVER


def test_another_model_makes_the_index_stale(settings: Settings, small_corpus: Corpus, bot: Bot) -> None:
    small_corpus(liver=LIVER)
    build(settings)
    documents = read_corpus(settings.corpus)
    with pytest.raises(IndexStaleError, match="the model"):
        open_index(settings.index, documents, "someone/other-model")


def test_only_the_build_in_service_and_its_encoder_are_kept(settings: Settings, small_corpus: Corpus) -> None:
    small_corpus(liver=LIVER)
    build(settings)
    (settings.index / ".building-dead").mkdir()
    build(settings, force=True)
    assert len(list(settings.index.glob("build-*"))) == 1
    assert not (settings.index / ".building-dead").exists()


def test_the_index_holds_no_pickle_and_no_text(settings: Settings, small_corpus: Corpus) -> None:
    small_corpus(liver=LIVER)
    build(settings)
    for path in settings.index.rglob("*"):
        if path.is_file() and "encoder-" not in str(path):
            assert path.suffix not in {".pkl", ".pickle", ".joblib"}
            assert b"linked to liver injury" not in path.read_bytes()


BUILD = """
import sys
from pathlib import Path
from bot.pipeline import build
from bot.settings import Settings
build(Settings(corpus=Path(sys.argv[1]), index=Path(sys.argv[2])), force=True)
"""


def test_a_killed_build_leaves_the_old_index_serving(settings: Settings, small_corpus: Corpus) -> None:
    small_corpus(liver=LIVER)
    build(settings)
    for delay in (0.3, 0.8, 1.2, 1.6, 2.0):
        process = subprocess.Popen([sys.executable, "-c", BUILD, settings.corpus, settings.index], cwd=ROOT, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert opened(settings).passages[0].text == LIVER


def test_two_builds_at_once_do_not_harm_each_other(settings: Settings, small_corpus: Corpus) -> None:
    small_corpus(liver=LIVER, heart=HEART)
    command = [sys.executable, "-c", BUILD, str(settings.corpus), str(settings.index)]
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0], [process.stderr.read() for process in both if process.stderr]
    for process in both:
        if process.stderr:
            process.stderr.close()
    assert len(opened(settings).passages) == 2


def test_the_same_corpus_has_the_same_id_in_every_process(settings: Settings, small_corpus: Corpus) -> None:
    small_corpus(liver=LIVER, heart=HEART)
    ids = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-c", BUILD, str(settings.corpus), str(settings.index)]
        subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, check=True)
        ids.add(opened(settings).id)
    assert len(ids) == 1


def test_another_format_is_noticed(settings: Settings, small_corpus: Corpus) -> None:
    small_corpus(liver=LIVER)
    build(settings)
    [folder] = settings.index.glob("build-*")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 99}), "utf-8")
    with pytest.raises(IndexStaleError, match="the code that builds it"):
        opened(settings)


def test_scores_are_cosines_and_higher_is_closer(bot: Bot) -> None:
    hits = bot.search("can kratom hurt the liver", limit=20)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert hits[0].passage.document_id == "liver"


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(settings: Settings, small_corpus: Corpus, tmp_path: Path) -> None:
    small_corpus(liver=LIVER)
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", "utf-8")
    with pytest.raises(IndexWriteError, match=r"file.*KRATOM_FAQ_INDEX"):
        build(replace(settings, index=blocked / "index"))
    assert blocked.read_text("utf-8") == "not a folder"


def test_words_are_cut_and_scored_as_bm25s_does(bot: Bot) -> None:
    bm25s = pytest.importorskip("bm25s")
    texts = ["Does kratom harm the liver, and is it KNOWN?", "a b cc naïve 7-oh it's", *[passage.text for passage in bot.index.passages[:50]]]
    stemmer = Stemmer.Stemmer("english")
    assert stems(texts) == [list(row) for row in bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False)]
    folder = bot.settings.index / current_build(bot.settings.index).name / "bm25"
    words = ["kratom", "liver"]
    ours, _ = Lexical(folder, len(bot.index.passages)).scores(words)
    theirs = bm25s.BM25.load(str(folder), show_progress=False).get_scores(words)
    assert np.allclose(ours / ours.max(), theirs / theirs.max(), atol=1e-6)


def test_the_stored_places_are_those_of_a_fresh_cut(bot: Bot) -> None:
    assert cut_all(bot.index.documents.values(), bot.index.encoder) == bot.index.passages  # else raise chunking.VERSION


def test_the_highest_come_first_and_of_equals_the_lower_number() -> None:
    scores = np.array([0.2, 0.9, 0.5, 0.9, 0.1], dtype=np.float32)
    assert first(scores, 3) == [1, 3, 2]
    assert first(scores, 99) == [1, 3, 2, 0, 4]
    assert first(scores[:0], 5) == []


def test_one_pass_gives_the_cosines_that_numpy_gives(bot: Bot) -> None:
    vector = bot.index.vector("can kratom hurt the liver")
    rows = lent(current_build(bot.settings.index) / "passages.faiss")
    assert np.allclose(cosines(rows, vector), rows @ vector, atol=1e-6)
    assert not rows.flags.writeable
