"""Which store the settings name. A server's client is imported only where one is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot.index.reading import OpenStore, PassageIndex, open_local
from bot.index.shared import Progress
from bot.index.store import Cards, VectorStore
from bot.settings import Settings


def store_of(settings: Settings) -> OpenStore:
    """Opens the store that the settings name. Raises SettingsError."""
    if settings.store == "faiss":
        return open_local
    from bot.index.milvus import MilvusStore, Place

    place = Place(settings.milvus_uri, settings.milvus_alias)

    def open_milvus(folder: Path, manifest: dict[str, Any], cards: Cards) -> VectorStore:
        return MilvusStore(place, folder, manifest, cards)

    return open_milvus


def load_index(index: PassageIndex, settings: Settings, progress: Progress, *, force: bool = False) -> bool:
    """Load a build onto the server and put it in service there; False when it was already, unless `force`. Raises SettingsError or StoreError."""
    from bot.index.loading import load_build
    from bot.index.milvus import Place

    place = Place(settings.milvus_uri, settings.milvus_alias)
    return load_build(place, index.folder, index.manifest, index.cards, settings.exact_up_to, progress, force=force)
