"""A bot whose corpus lies elsewhere: the same replies, nothing that was changed there, fixed texts while it is away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import anyio
import pytest
from fastapi.testclient import TestClient
from object_store import ObjectStore

from bot.chat import Bot
from bot.commands import main
from bot.corpus import far as far_module
from bot.corpus.far import HELD, SMALL, Texts
from bot.corpus.ranges import Range
from bot.doctor import examine
from bot.errors import IndexMissingError, IndexStaleError, StoreError
from bot.evaluation.golden import read_questions
from bot.index import alone, building, current_build
from bot.library import Choice
from bot.mcp_server import create_mcp
from bot.pipeline import build, open_bot
from bot.records import Passage
from bot.service import create_service, opened
from bot.settings import Settings
from bot.verify import verify

Write = Callable[..., Path]
LIVER, HEART = "Kratom is linked to liver injury [@source-2020-study].", "The heart beats faster on some days [@source-2020-study]."
TODAY = date(2026, 11, 23)
DANGER = "he took 7oh and wont wake up"


@pytest.fixture(scope="module")
def place(bot: Bot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An index of the real corpus that keeps its cards."""
    index = tmp_path_factory.mktemp("kept") / "index"
    shutil.copytree(bot.settings.index, index)
    settings = replace(bot.settings, index=index)
    if not (current_build(index) / "kept").is_dir():
        build(settings, force=True)
    yield settings


@pytest.fixture(scope="module")
def store(bot: Bot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A copy of the corpus behind HTTP."""
    root = tmp_path_factory.mktemp("store") / "corpus"
    shutil.copytree(bot.settings.corpus, root)
    served = ObjectStore(root)
    yield served
    served.stop()


def opened_far(place: Settings, store: ObjectStore) -> Bot:
    return open_bot(replace(place, texts=store.address, corpus=place.index / "nowhere"))


@pytest.fixture(scope="module")
def far(place: Settings, store: ObjectStore) -> Bot:
    return opened_far(place, store)


@pytest.fixture(scope="module")
def near(place: Settings) -> Bot:
    return open_bot(place)


def test_thirty_questions_get_the_very_same_replies(near: Bot, far: Bot, store: ObjectStore) -> None:
    asked = read_questions("tune")[::20]
    assert len(asked) >= 30
    for question in asked:
        one, other = near.reply(question.text), far.reply(question.text)
        assert one.to_dict() == other.to_dict(), question.text
        assert one == other, "the records are the same too"
    assert [hit.to_dict() for hit in near.search("liver", limit=20)] == [hit.to_dict() for hit in far.search("liver", limit=20)]
    disputed, decline = "Is mitragynine a partial agonist?", "how much kratom should i take for back pain"
    for message, history in ((disputed, []), (decline, []), ("and for the liver?", [disputed]), (DANGER, [])):
        assert near.reply(message, history).to_dict() == far.reply(message, history).to_dict()


def test_every_card_key_claim_and_word_is_kept(near: Bot, far: Bot) -> None:
    assert far.claims == near.claims and far.index.vocabulary == near.index.vocabulary and far.index.questions == near.index.questions
    for one, other in zip(near.index.passages, far.index.passages, strict=True):
        assert one.key == other.key
        assert all(getattr(one, name) == getattr(other, name) for name in Passage.__slots__ if name != "text")
    for document in list(near.documents.values())[::10]:
        assert far.documents[document.id].text == document.text and far.documents[document.id].to_dict() == document.to_dict()


def test_no_text_is_held_but_the_last_that_were_shown(place: Settings, store: ObjectStore) -> None:
    before = len(store.asked)
    fresh = opened_far(place, store)
    assert len(store.asked) == before + 1, "the first passage alone, to see that the place is there"
    slot = Passage.__dict__["text"]
    for passage in fresh.index.passages:
        with pytest.raises(AttributeError):
            slot.__get__(passage)
        assert passage.at_hand == ""
    shown = fresh.reply("does kratom harm the liver").hits
    assert shown and all(slot.__get__(hit.passage) for hit in shown), "a reply is whole, whatever becomes of the place"
    assert HELD * SMALL <= 2**25


def test_a_receipt_verifies_against_the_corpus(far: Bot, bot: Bot) -> None:
    reply = json.loads(json.dumps(far.reply("does kratom harm the liver").to_dict()))
    assert verify(reply, bot.settings.corpus, bot.settings.replies) == len(reply["receipt"]["pieces"])


def test_verify_says_that_it_needs_the_corpus(far: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "reply.json").write_text(json.dumps(far.reply("does kratom harm the liver").to_dict()), "utf-8")
    monkeypatch.setenv("KRATOM_FAQ_TEXTS", "http://127.0.0.1:9")
    assert main(["verify", str(tmp_path / "reply.json")]) == 0
    monkeypatch.setenv("KRATOM_FAQ_CORPUS", str(tmp_path / "nowhere"))
    assert main(["verify", str(tmp_path / "reply.json")]) == 1
    assert "where it lies run: python -m bot verify" in capsys.readouterr().err


def test_words_are_looked_up_in_titles_headings_and_questions(far: Bot, store: ObjectStore) -> None:
    before = len(store.asked)
    passage, words = far.index.passages[20], Choice(words=far.index.passages[20].heading)
    assert words.admits(passage, ()) and not Choice(words="nosuchword").admits(passage, ())
    assert len(store.asked) == before


def test_a_changed_byte_is_never_shown(place: Settings, store: ObjectStore) -> None:
    changed, question = opened_far(place, store), "does kratom harm the liver"
    lead = open_bot(place).reply(question).hits[0].passage
    path = store.root / lead.file
    whole = path.read_bytes()
    start = whole.index(lead.text.encode())
    path.write_bytes(whole[:start] + bytes([whole[start] ^ 1]) + whole[start + 1 :])
    try:
        reply = changed.reply(question)
        assert not reply.hits and "notice.unavailable" in {notice.key for notice in reply.notices}
        with pytest.raises(StoreError, match="are not those that were indexed"):
            changed.search(question, limit=5)
        with pytest.raises(StoreError, match="are not those that were indexed"):
            assert changed.documents[lead.document_id].text
    finally:
        path.write_bytes(whole)
    assert changed.reply(question).hits[0].passage == lead, "and what failed is not remembered"


def test_a_place_that_goes_away_and_comes_back(place: Settings, store: ObjectStore) -> None:
    away = opened_far(place, store)
    told = away.reply("does kratom harm the liver")
    store.stop()
    try:
        assert away.reply("does kratom harm the liver") == told, "what was shown is remembered"
        reply = away.reply("is kratom legal in Ohio")
        assert not reply.hits and "notice.unavailable" in {notice.key for notice in reply.notices}
        danger = away.reply(DANGER)
        assert danger.urgency == "now" and "notice.unavailable" not in {notice.key for notice in danger.notices}
        with TestClient(create_service(opened(away)), raise_server_exceptions=False) as client:
            for answer in (client.get("/v1/documents/liver"), client.post("/v1/search", json={"query": "sleep"}), client.get("/v1/claims")):
                assert answer.status_code == 500 and answer.json()["detail"].startswith("the store of vectors or texts does not answer")
                assert store.address not in answer.text
            assert client.post("/v1/reply", json={"message": DANGER}).json()["urgency"] == "now"
        with pytest.raises(Exception, match="does not answer") as error:
            anyio.run(create_mcp(away).read_resource, "kratom-faq://documents/liver")
        assert store.address not in str(error.value)
    finally:
        store.start()
    assert away.reply("is kratom legal in Ohio").hits


def test_a_place_that_is_not_there_is_told_at_the_start(place: Settings, tmp_path: Path) -> None:
    for where in (str(tmp_path), "http://127.0.0.1:9"):
        with pytest.raises(StoreError, match=r"cannot be read from .* export KRATOM_FAQ_TEXTS="):
            open_bot(replace(place, texts=where))
    with pytest.raises(IndexMissingError, match=r"python -m bot build"):
        open_bot(replace(place, texts=str(place.corpus), index=tmp_path))
    findings = {finding.check: finding for finding in examine(replace(place, texts=str(tmp_path)), TODAY)}
    assert findings["index"].level == "error" and "KRATOM_FAQ_TEXTS" in findings["index"].told
    told = [finding.told for finding in examine(replace(place, texts=str(place.corpus), corpus=tmp_path), TODAY) if finding.check == "index"]
    assert any(str(place.corpus) in one for one in told)


def test_a_build_that_keeps_nothing_or_is_damaged_is_told(settings: Settings, small_corpus: Write) -> None:
    folder = small_corpus(liver=LIVER)
    build(settings)
    there = replace(settings, texts=str(folder))
    kept = current_build(settings.index) / "kept"
    words = (kept / "words.txt").read_text("utf-8")
    (kept / "words.txt").write_text(words + "\nmore", "utf-8")
    with pytest.raises(IndexStaleError, match=r"words\.txt is missing or was changed; run: python -m bot build --force"):
        open_bot(there)
    (kept / "documents.jsonl").write_text("{}\n", "utf-8")
    with pytest.raises(IndexStaleError, match=r"is damaged \(KeyError\); run, where the corpus lies: python -m bot build --force"):
        open_bot(there)
    (kept / "documents.jsonl").unlink()
    with pytest.raises(IndexStaleError, match=r"keeps nothing of its corpus; run, where the corpus lies: python -m bot build --force"):
        open_bot(there)


def test_a_converted_file_is_read_from_the_index(settings: Settings, small_corpus: Write, tmp_path: Path) -> None:
    folder = small_corpus(liver=LIVER)
    (folder / "ginger.txt").write_text("Größe: ginger tea settles the stomach of most people who drink it.", "utf-8")
    build(settings)
    near, far = open_bot(settings), open_bot(replace(settings, texts=str(folder), corpus=tmp_path / "nowhere"))
    question = "does ginger tea settle the stomach"
    assert near.search(question)[0].passage.file == "ginger.txt"
    assert [hit.to_dict() for hit in near.search(question)] == [hit.to_dict() for hit in far.search(question)]
    for document in near.documents.values():
        assert far.documents[document.id].converted_sha256 == document.converted_sha256
    [stored] = (settings.index / "converted").iterdir()
    stored.write_text("changed", "utf-8")
    with pytest.raises(StoreError, match="are not those that were indexed"):
        open_bot(replace(settings, texts=str(folder))).search(question)


def test_a_place_that_hangs_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def hanging(place: str, wanted: Range) -> str:
        asked.append(place)
        raise StoreError("no answer") from TimeoutError()

    monkeypatch.setattr(far_module, "read_range", hanging)
    texts, wanted = Texts("http://texts", tmp_path), Range("a.md", 0, 1, "")
    for told in ("no answer", "did not answer in time", "did not answer in time"):
        with pytest.raises(StoreError, match=told):
            texts(wanted)
    assert len(asked) == 1
    monkeypatch.setattr(far_module, "monotonic", lambda: float("inf"))
    with pytest.raises(StoreError, match="no answer"):
        texts(wanted)


def test_a_changed_claim_is_kept_by_the_next_build(settings: Settings, small_corpus: Write) -> None:
    folder = small_corpus(liver=LIVER, heart=HEART)
    assert build(settings) and not build(settings)
    (folder / "claims.yaml").write_text(
        "- id: harm\n  statement: It harms.\n  stances:\n    - {document: liver, quote: linked to liver injury, stance: supports}\n", "utf-8"
    )
    assert build(settings) and not build(settings)
    assert [claim.id for claim in open_bot(replace(settings, texts=str(folder))).claims] == ["harm"]


def test_who_waited_for_another_build_looks_again_first(settings: Settings, small_corpus: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    small_corpus(liver=LIVER)
    real, made = alone, []

    def waited(folder: Path) -> object:
        """The lock, which another process held while it built."""
        monkeypatch.setattr(building, "alone", real)
        made.append(build(settings))
        return real(folder)

    monkeypatch.setattr(building, "alone", waited)
    assert not build(settings), "the other's build is current"
    assert made == [True] and len(list(settings.index.glob("build-*"))) == 1
    before = current_build(settings.index)
    assert open_bot(settings).index.folder == before
    small_corpus(heart=HEART)
    monkeypatch.setattr(building, "alone", waited)
    assert build(settings, force=True) and current_build(settings.index) != before, "who forces a build gets one"
