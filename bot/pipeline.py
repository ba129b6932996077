"""START HERE: the two pipelines.

    build   corpus/ ─read_corpus→ Document ─cut→ Passage ─encode→ index/
    open    corpus/ + index/ → PassageIndex → Bot         (a missing or stale index is built first; with `texts` set the corpus lies elsewhere)

A Bot then answers: message ─guardrails→ Decision ─dialogue→ query ─retrieval→ Hit → Reply ─render→ page.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from bot.chat import Bot
from bot.corpus import Corpus, read_claims, read_corpus, stream_corpus
from bot.corpus.far import Texts
from bot.errors import IndexFolderError, Problem
from bot.index import PassageIndex, Plan, Progress, alone, build_index, check_index, current_build, load_index, open_index, read_kept, store_of
from bot.records import Claim, Document
from bot.settings import Settings

log = logging.getLogger(__name__)


def _silent(what: str, done: int, total: int) -> None:
    """No progress shown."""


def open_bot(settings: Settings | None = None, progress: Progress = _silent) -> Bot:
    """A Bot over the corpus; builds index/ first where it is missing or stale.

    With the setting `texts` nothing is read from the corpus and nothing is built: see `open_far`.

    Raises CorpusError (a malformed document), EncoderError (no usable model), SettingsError or StoreError (a server that lacks this build).
    """
    settings = settings or Settings().with_environment()
    if settings.texts:
        return Bot(*open_far(settings))
    documents = _documents(settings)
    claims = read_claims(settings.corpus, documents)
    try:
        index = open_index(settings.index, documents, settings.model, store_of(settings))
    except IndexFolderError:
        built = build_index(settings.index, Plan(documents, settings.model, claims, exact_up_to=settings.exact_up_to), progress)
        _load(settings, documents, progress, force=built)
        index = open_index(settings.index, documents, settings.model, store_of(settings))
    return Bot(index, settings, claims)


def open_far(settings: Settings) -> tuple[PassageIndex, Settings, tuple[Claim, ...]]:
    """What a Bot is made of where the corpus lies elsewhere: all but the texts is read from the index, and these are asked for when they are shown.

    Raises IndexFolderError where there is no build that keeps its corpus, StoreError where the place named by `texts` has not got the first passage.
    """
    kept = read_kept(current_build(settings.index), Texts(settings.texts, settings.index / "converted"))
    index = open_index(settings.index, kept, settings.model, store_of(settings))
    for passage in index.passages[:1]:
        passage.read()  # a place that is not there is told now, and not to whoever asks first
    return index, settings, kept.claims


def build(settings: Settings | None = None, progress: Progress = _silent, *, force: bool = False, workers: str = "threads") -> bool:
    """Bring index/ and the server's copy up to date; True when there was something to do. Raises what `open_bot` raises; the old index serves until the end.

    The corpus is read from its files each time it is gone through, so that it may be larger than the memory. `workers`: who encodes, see bot/index/workers.py.
    """
    settings = settings or Settings().with_environment()
    refused: list[Problem] = []
    for _ in stream_corpus(settings.corpus, refused):
        pass  # every mistake is told before anything is built
    _warn(refused)
    documents = Corpus(settings.corpus)
    claims = read_claims(settings.corpus, documents)
    try:
        check_index(settings.index, documents, settings.model, claims)
        fresh = True
    except IndexFolderError:
        fresh = False
    if fresh and not force:
        return _load(settings, documents, progress)
    built = build_index(settings.index, Plan(documents, settings.model, claims, workers, settings.exact_up_to), progress, force=force)
    return _load(settings, documents, progress, force=built) or built


def _load(settings: Settings, documents: Iterable[Document], progress: Progress, *, force: bool = False) -> bool:
    """Whether a server had to be given the build."""
    if settings.store != "milvus":
        return False
    with alone(settings.index):  # another process's build would delete what is being loaded
        return load_index(open_index(settings.index, tuple(documents), settings.model), settings, progress, force=force)


def _documents(settings: Settings) -> tuple[Document, ...]:
    refused: list[Problem] = []
    documents = read_corpus(settings.corpus, refused)
    _warn(refused)
    return documents


def _warn(refused: list[Problem]) -> None:
    for problem in refused:
        log.warning("left out %s", problem)
