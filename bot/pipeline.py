"""START HERE: the two pipelines.

    build   corpus/ ─read_corpus→ Document ─cut→ Passage ─encode→ index/
    open    corpus/ + index/ → PassageIndex → Bot         (a missing or stale index is built first)

A Bot then answers: message ─guardrails→ Decision ─dialogue→ query ─retrieval→ Hit → Reply ─render→ page.
"""

from __future__ import annotations

import logging

from bot.chat import Bot
from bot.corpus import read_claims, read_corpus
from bot.errors import IndexFolderError, Problem
from bot.index import PassageIndex, Progress, build_index, load_index, open_index, store_of
from bot.records import Document
from bot.settings import Settings

log = logging.getLogger(__name__)


def _silent(what: str, done: int, total: int) -> None:
    """No progress shown."""


def open_bot(settings: Settings | None = None, progress: Progress = _silent) -> Bot:
    """A Bot over the corpus; builds index/ first where it is missing or stale.

    Raises CorpusError (a malformed document), EncoderError (no usable model), SettingsError or StoreError (a server that lacks this build).
    """
    settings = settings or Settings().with_environment()
    documents = _documents(settings)
    claims = read_claims(settings.corpus, documents)
    try:
        index = open_index(settings.index, documents, settings.model, store_of(settings))
    except IndexFolderError:
        _build(settings, documents, progress)
        index = open_index(settings.index, documents, settings.model, store_of(settings))
    return Bot(index, settings, claims)


def build(settings: Settings | None = None, progress: Progress = _silent, *, force: bool = False) -> bool:
    """Bring index/ and the server's copy up to date; True when there was something to do. Raises what `open_bot` raises; the old index serves until the end."""
    settings = settings or Settings().with_environment()
    documents = _documents(settings)
    read_claims(settings.corpus, documents)
    try:
        index = open_index(settings.index, documents, settings.model)
        fresh = True
    except IndexFolderError:
        fresh = False
    if fresh and not force:
        return _load(settings, index, progress)
    _build(settings, documents, progress)
    return True


def _documents(settings: Settings) -> tuple[Document, ...]:
    refused: list[Problem] = []
    documents = read_corpus(settings.corpus, refused)
    for problem in refused:
        log.warning("left out %s", problem)
    return documents


def _build(settings: Settings, documents: tuple[Document, ...], progress: Progress) -> None:
    build_index(settings.index, documents, settings.model, progress, settings.exact_up_to)
    if settings.store == "milvus":
        _load(settings, open_index(settings.index, documents, settings.model), progress, force=True)


def _load(settings: Settings, index: PassageIndex, progress: Progress, *, force: bool = False) -> bool:
    """Whether a server had to be given the build."""
    return settings.store == "milvus" and load_index(index, settings, progress, force=force)
