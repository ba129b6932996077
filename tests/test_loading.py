"""A load onto a server and a build of the same folder take turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bot.index import PassageIndex, alone
from bot.pipeline import build
from bot.settings import Settings


def test_a_load_waits_for_a_build_of_the_same_folder(settings: Settings, small_corpus: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    small_corpus(liver="Kratom has been linked to liver injury [@source-2020-study].")
    build(settings)
    loaded: list[str] = []

    def load(index: PassageIndex, *_: object, **__: object) -> bool:
        loaded.append(index.id)
        return True

    monkeypatch.setattr("bot.pipeline.load_index", load)
    there = replace(settings, store="milvus", milvus_uri="http://127.0.0.1:1")
    with ThreadPoolExecutor(1) as pool:
        with alone(settings.index):
            done = pool.submit(build, there)
            time.sleep(0.5)
            assert not loaded and not done.done()
        assert done.result(30) and len(loaded) == 1
    with alone(settings.index / "not there"):
        pass  # nobody builds where nothing can be written
