"""The same questions to every store: FAISS in this process, and Milvus over a real connection.

Milvus Lite's own server is started on this machine; with MILVUS_URI (and KRATOM_FAQ_MILVUS_TOKEN) in the environment the same tests ask
that server instead, under names that no FAQ has, and drop what they loaded.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import free_port
from milvus_server import started

from bot.chat import Bot
from bot.corpus import read_corpus
from bot.errors import IndexStaleError, SettingsError, StoreError
from bot.index import current_build, load_index, open_index, store_of
from bot.index.matrix import lent
from bot.index.store import Table, VectorStore
from bot.pipeline import build, open_bot
from bot.settings import Settings
from bot.verify import verify

ROOT = Path(__file__).parents[1]
Corpus = Callable[..., Path]
LIVER = "Kratom has been linked to liver injury [@source-2020-study]."
HEART = "Kratom can make the heart beat faster [@source-2020-study]."


def test_above_the_stated_size_a_build_looks_up_approximately_and_finds_the_same(settings: Settings, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    there = replace(settings, corpus=bot.settings.corpus, exact_up_to=500)
    build(there, force=True)
    near = open_bot(there)
    told = near.index.manifest["approximate"]
    assert {table: entry["kind"] for table, entry in told.items()} == {"passages": "HNSW", "questions": "HNSW"}
    assert all(entry["recall@10"] >= 0.99 for entry in told.values())
    for tiers in (None, ["guideline"]):
        kept, wanted = 0, 0
        for question in golden("test", 12):
            ours = {hit.passage for hit in bot.search(question, limit=10, tiers=tiers)}
            kept, wanted = kept + len(ours & {hit.passage for hit in near.search(question, limit=10, tiers=tiers)}), wanted + len(ours)
        assert kept / wanted >= 0.99
    monkeypatch.setattr("bot.index.approximate.SCANNED", 0)  # the graph walks past what the filter hides
    assert all(hit.passage.tier == "guideline" for hit in near.search("liver injury", limit=10, tiers=["guideline"]))


milvus = pytest.mark.skipif(not importlib.util.find_spec("pymilvus"), reason="pymilvus is not installed (pip install '.[milvus]')")


@pytest.fixture(scope="session")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where Milvus listens."""
    if given := os.environ.get("MILVUS_URI"):
        yield given
        return
    pytest.importorskip("milvus_lite", reason="milvus-lite is not installed and MILVUS_URI is not set")
    pytest.importorskip("pymilvus")
    port = free_port()
    process = started(tmp_path_factory.mktemp("milvus"), port)
    yield f"http://127.0.0.1:{port}"
    process.kill()  # its data goes with the folder
    process.wait(20)


@pytest.fixture(scope="session")
def named(uri: str) -> Iterator[Callable[[Settings], Settings]]:
    """Settings with the server and a name of their own there; everything under the names is dropped at the end."""
    names: list[str] = []

    def on_server(settings: Settings) -> Settings:
        names.append(f"test_{os.urandom(4).hex()}")
        return replace(settings, store="milvus", milvus_uri=uri, milvus_alias=names[-1])

    yield on_server
    if "MILVUS_URI" not in os.environ:
        return  # the throwaway server takes its data with it
    client = connected(uri)
    for name in names:
        if name in aliases(client):
            client.drop_alias(name)
        for collection in client.list_collections():
            if collection.startswith(name):
                client.drop_collection(collection)


@pytest.fixture(scope="session")
def served(bot: Bot, named: Callable[[Settings], Settings]) -> Bot:
    """The same bot, its numbers on the server."""
    settings = named(bot.settings)
    load_index(bot.index, settings, lambda *_: None)
    return open_bot(settings)


def connected(uri: str) -> Any:
    from pymilvus import MilvusClient

    return MilvusClient(uri=uri, token=os.environ.get("KRATOM_FAQ_MILVUS_TOKEN", ""))


class Hits:
    """An empty answer."""

    ids: tuple[int, ...] = ()
    distances: tuple[float, ...] = ()


def aliases(client: Any) -> list[str]:
    return [alias for collection in client.list_collections() for alias in client.list_aliases(collection)["aliases"]]


@pytest.fixture(params=["faiss", pytest.param("milvus", marks=milvus)])
def store(request: pytest.FixtureRequest, bot: Bot) -> VectorStore:
    """Each store, over the real corpus."""
    index = (request.getfixturevalue("served") if request.param == "milvus" else bot).index
    found: VectorStore = index._store
    return found


@pytest.mark.parametrize("table", ["passages", "questions"])
def test_the_nearest_rows_are_those_of_an_exact_search(bot: Bot, store: VectorStore, table: Table) -> None:
    rows = lent(current_build(bot.settings.index) / f"{table}.faiss")
    for query in ("can kratom hurt the liver", "is it legal in ohio", "xyzzy"):
        vector = bot.index.vector(query)
        exact = rows @ vector
        found = store.nearest(table, vector, 50)
        assert len(set(found)) == 50
        assert np.allclose(np.sort(exact)[::-1][:50], exact[found], atol=1e-5)


@pytest.mark.parametrize("table", ["passages", "questions", "sentences"])
def test_the_cosines_of_given_rows_are_exact_and_in_their_order(bot: Bot, store: VectorStore, table: Table) -> None:
    folder, vector = current_build(bot.settings.index), bot.index.vector("does it cause seizures")
    rows = np.load(folder / "sentences.npy") if table == "sentences" else lent(folder / f"{table}.faiss")
    asked = np.array([7, 3, 900, 12, 501], dtype=np.int64)
    assert np.allclose(store.cosines(table, asked, vector), rows[asked] @ vector, atol=1e-5)
    assert len(store.cosines(table, asked[:0], vector)) == 0


def test_the_words_give_the_same_list_and_the_same_scores(bot: Bot, store: VectorStore) -> None:
    for words in (["kratom", "liver"], ["seizur"], ["nosuchword"], []):
        assert store.worded(words, 50) == bot.index._store.worded(words, 50)
        rows = np.arange(0, 1000, 7)
        assert np.allclose(store.lexical(words, rows), bot.index._store.lexical(words, rows), atol=1e-6)


def test_two_passages_are_as_alike_as_their_vectors(bot: Bot, store: VectorStore) -> None:
    rows = lent(current_build(bot.settings.index) / "passages.faiss")
    assert store.similarity(3, 4) == pytest.approx(float(rows[3] @ rows[4]), abs=1e-5)


@pytest.mark.parametrize("wanted", [{"tier": "guideline"}, {"topic": "law"}, {"jurisdiction": "US-OH"}, {"since": "2025"}, {"tier": "none of these"}])
def test_a_filter_is_settled_before_the_nearest_are_chosen(bot: Bot, store: VectorStore, wanted: dict[str, str]) -> None:
    def admit(passage: Any) -> bool:
        return all(passage.as_of >= value if name == "since" else getattr(passage, name) == value for name, value in wanted.items())

    index, vector = bot.index, bot.index.vector("is kratom legal")
    among, may = index.cards.among(admit), {number for number, passage in enumerate(index.passages) if admit(passage)}
    flat = bot.index._store
    for found, least in ((store.nearest("passages", vector, 50, among), may), (store.worded(["legal"], 50, among), may)):
        assert set(found) <= may and len(found) == min(50, len(least))
    questions = store.nearest("questions", vector, 50, among)
    assert all(may & set(index._owners.passages[question]) for question in questions)
    assert len(questions) == len(flat.nearest("questions", vector, 50, among))


def golden(half: str, step: int) -> list[str]:
    lines = (ROOT / "tests" / "golden" / f"questions_{half}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["question"] for line in lines[::step]]


@milvus
def test_the_first_ten_are_the_same_from_both_stores(bot: Bot, served: Bot) -> None:
    for question in golden("test", 12):
        ours, theirs = (one.search(question, limit=10) for one in (bot, served))
        assert [hit.passage for hit in theirs] == [hit.passage for hit in ours], question
        assert np.allclose([hit.score for hit in theirs], [hit.score for hit in ours], atol=1e-5)


@milvus
@pytest.mark.parametrize("chosen", [{"tiers": ["guideline"]}, {"topics": ["law"], "since": "2025"}, {"jurisdictions": ["US-OH"]}])
def test_the_first_ten_are_the_same_behind_a_filter(bot: Bot, served: Bot, chosen: dict[str, Any]) -> None:
    for question in ("is kratom legal", "liver injury", "withdrawal"):
        ours, theirs = (one.search(question, limit=10, **chosen) for one in (bot, served))
        assert [hit.passage for hit in theirs] == [hit.passage for hit in ours]


@milvus
def test_a_reply_and_its_receipt_are_the_same_from_both_stores(bot: Bot, served: Bot) -> None:
    for message in ("can kratom hurt the liver", "he wont wake up", "kratom and xanax together?", "who won the chess world cup"):
        ours, theirs = bot.reply(message), served.reply(message)
        assert theirs.receipt()["pieces"] == ours.receipt()["pieces"] and theirs.receipt()["index"] == ours.receipt()["index"]
        assert verify(theirs.to_dict(), bot.settings.corpus, bot.settings.replies) == len(theirs.notices) + len(theirs.hits)


@milvus
def test_no_text_and_no_word_is_on_the_server(served: Bot, uri: str) -> None:
    client = connected(uri)
    mine = [name for name in client.list_collections() if name.startswith(served.settings.milvus_alias)]
    fields = {field["name"]: str(field["type"]) for name in mine for field in client.describe_collection(name)["fields"]}
    assert set(fields) == {"row", "card", "vector", "bm25"}
    assert not [kind for kind in fields.values() if re.search("VARCHAR|JSON", kind)]


@milvus
def test_a_replica_needs_no_file_of_vectors(settings: Settings, small_corpus: Corpus, named: Callable[[Settings], Settings]) -> None:
    small_corpus(liver=LIVER, heart=HEART)
    there = named(settings)
    assert build(there) and not build(there)
    folder = current_build(there.index)
    for name in ("passages.faiss", "questions.faiss", "sentences.npy", "bm25/data.csc.index.npy", "bm25/indices.csc.index.npy"):
        (folder / name).unlink()
    assert open_bot(there).search("does it make the heart race", limit=1)[0].passage.document_id == "heart"


@milvus
def test_vectors_and_texts_may_both_lie_elsewhere(settings: Settings, small_corpus: Corpus, named: Callable[[Settings], Settings], tmp_path: Path) -> None:
    folder, there = small_corpus(liver=LIVER, heart=HEART), named(settings)
    build(there)
    expected = [hit.to_dict() for hit in open_bot(there).search("heart beats faster")]
    assert expected == [hit.to_dict() for hit in open_bot(replace(there, texts=str(folder), corpus=tmp_path / "nowhere")).search("heart beats faster")]


@milvus
def test_a_rebuild_moves_the_alias_and_who_reads_goes_on(settings: Settings, small_corpus: Corpus, named: Callable[[Settings], Settings], uri: str) -> None:
    folder, there, client = small_corpus(liver=LIVER, heart=HEART), named(settings), connected(uri)
    before = open_bot(there)
    first = client.describe_alias(there.milvus_alias)["collection_name"]
    (folder / "heart.md").unlink()
    assert build(there)
    second = client.describe_alias(there.milvus_alias)["collection_name"]
    assert second != first and before.search("heart", limit=1)[0].passage.document_id == "heart"
    assert client.query(second, filter="", output_fields=["count(*)"])[0]["count(*)"] == 1
    assert {hit.passage.document_id for hit in open_bot(there).search("heart beats faster", limit=10)} == {"liver"}
    small_corpus(heart=HEART)
    assert build(there)
    assert first not in client.list_collections() and second in client.list_collections()


@milvus
def test_who_reads_goes_on_when_its_build_is_loaded_again_and_again(settings: Settings, small_corpus: Corpus, named: Callable[[Settings], Settings]) -> None:
    small_corpus(liver=LIVER, heart=HEART)
    there = named(settings)
    before = open_bot(there)
    for _ in range(2):  # the second load drops what `before` was opened with
        load_index(before.index, there, lambda *_: None, force=True)
    assert before.search("does it make the heart race", limit=1)[0].passage.document_id == "heart"
    small_corpus(liver=LIVER)
    (there.corpus / "heart.md").unlink()
    for _ in range(2):
        build(there, force=True)
    with pytest.raises(StoreError, match=r"holds build [0-9a-f]{16}, index/ holds build [0-9a-f]{16}"):
        before.search("does it make the heart race")


@milvus
def test_no_search_looks_less_far_than_it_wants_rows(served: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    store, asked = served.index._store, list[tuple[int, int]]()

    def ask(*_: object, **given: Any) -> list[Hits]:
        asked.append((given["limit"], given["search_params"]["params"]["ef"]))
        return [Hits()]

    monkeypatch.setattr(store, "_ask", ask)
    store.nearest("questions", served.index.vector("liver"), 50)
    store.nearest("questions", served.index.vector("liver"), 1500)
    assert all(ef >= limit for limit, ef in asked) and asked[0][1] == 256  # Milvus refuses the rest; Milvus Lite does not


@milvus
def test_a_server_with_another_build_is_told_with_the_command_that_mends_it(
    settings: Settings, small_corpus: Corpus, named: Callable[[Settings], Settings]
) -> None:
    small_corpus(liver=LIVER)
    there = named(settings)
    build(settings)  # without the server
    with pytest.raises(StoreError, match=r"holds no index under the name 'test_.*python -m bot build"):
        open_bot(there)
    assert build(there)
    small_corpus(liver=LIVER, heart=HEART)
    build(settings)
    with pytest.raises(StoreError, match=r"holds build [0-9a-f]{16}, index/ holds build [0-9a-f]{16}; load it with: python -m bot build"):
        open_bot(there)
    assert build(there) and len(open_bot(there).index.passages) == 2


KILLED = """
import os, sys
from pathlib import Path
from bot.pipeline import build
from bot.settings import Settings
from bot.verify import verify
def progress(what, done, total):
    if what == sys.argv[3]:
        os._exit(9)
build(Settings(corpus=Path(sys.argv[1]), index=Path(sys.argv[2])).with_environment(), progress, force=True)
"""


@milvus
def test_a_killed_load_leaves_the_alias_where_it_was(settings: Settings, small_corpus: Corpus, named: Callable[[Settings], Settings], uri: str) -> None:
    small_corpus(liver=LIVER)
    there, client = named(settings), connected(uri)
    build(there)
    before = client.describe_alias(there.milvus_alias)["collection_name"]
    names = {"STORE": "milvus", "MILVUS_URI": uri, "MILVUS_ALIAS": there.milvus_alias}
    environment = os.environ | {f"KRATOM_FAQ_{name}": value for name, value in names.items()}
    for step in ("loading passages", "loading questions", "loading sentences"):
        command = [sys.executable, "-c", KILLED, str(there.corpus), str(there.index), step]
        assert subprocess.run(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, check=False).returncode == 9
        assert client.describe_alias(there.milvus_alias)["collection_name"] == before
        assert open_bot(there).search("liver")[0].passage.text == LIVER
    build(there, force=True)
    mine = [name for name in client.list_collections() if name.startswith(there.milvus_alias)]
    assert len(mine) == 6  # the load in service and the one before it; nothing of the killed ones


@milvus
def test_nobody_there_is_told_in_words(settings: Settings, small_corpus: Corpus) -> None:
    small_corpus(liver=LIVER)
    build(settings)
    there = replace(settings, store="milvus", milvus_uri=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StoreError, match=r"the Milvus server at http://127.0.0.1:\d+ does not answer.*KRATOM_FAQ_MILVUS_URI"):
        open_bot(there)


@milvus
def test_when_the_server_goes_the_fixed_texts_still_answer_and_when_it_is_back_passages_too(bot: Bot, tmp_path: Path) -> None:
    pytest.importorskip("milvus_lite")
    port = free_port()
    there = replace(bot.settings, store="milvus", milvus_uri=f"http://127.0.0.1:{port}")
    process = started(tmp_path, port)
    load_index(bot.index, there, lambda *_: None)
    served = open_bot(there)
    process.kill()
    process.wait(20)
    assert served.reply("he wont wake up").action == "emergency"
    began = time.monotonic()
    keys = [notice.key for notice in served.reply("is it dangerous to mix kratom with xanax").notices]
    assert keys == ["notice.caution-mixing", "notice.unavailable", "line.always.US"] and time.monotonic() - began < 15
    process = started(tmp_path, port)
    try:
        wanted = bot.reply("is it dangerous to mix kratom with xanax").hits
        for _ in range(60):  # the store rests five seconds after a failure, gRPC some more
            if hits := served.reply("is it dangerous to mix kratom with xanax").hits:
                break
            time.sleep(1)
        assert [hit.passage for hit in hits] == [hit.passage for hit in wanted]  # scores differ in the seventh digit
    finally:
        process.kill()
        process.wait(20)


def test_a_store_that_is_not_set_up_is_told_in_words(settings: Settings) -> None:
    with pytest.raises(SettingsError, match=r"KRATOM_FAQ_STORE='redis' is not one of faiss, milvus"):
        settings.with_environment({"KRATOM_FAQ_STORE": "redis"})
    with pytest.raises(SettingsError, match="milvus_uri is empty; set KRATOM_FAQ_MILVUS_URI"):
        store_of(replace(settings, store="milvus"))
    with pytest.raises(SettingsError, match="is no name for a collection"):
        store_of(replace(settings, store="milvus", milvus_uri="http://127.0.0.1:1", milvus_alias="a b"))
    with pytest.raises(SettingsError, match="KRATOM_FAQ_MILVUS_TOKEN as user:password") as told:
        store_of(replace(settings, store="milvus", milvus_uri="http://root:secret@127.0.0.1:1"))
    assert "secret" not in str(told.value)


def test_a_missing_file_of_vectors_is_noticed_where_it_is_read(settings: Settings, small_corpus: Corpus) -> None:
    small_corpus(liver=LIVER)
    build(settings)
    (current_build(settings.index) / "passages.faiss").unlink()
    with pytest.raises(IndexStaleError, match="python -m bot build --force"):
        open_index(settings.index, read_corpus(settings.corpus), settings.model)
    assert open_bot(settings).search("liver")[0].passage.text == LIVER  # made anew
