"""Chroma: a persistent collection."""

from collections.abc import Callable
from pathlib import Path

import chromadb
from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction

BATCH = 5000  # a collection takes no more at once


def build(texts: list[str], model: str, folder: Path) -> None:
    collection = chromadb.PersistentClient(path=str(folder)).create_collection("texts", embedding_function=SentenceTransformerEmbeddingFunction(model))
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        collection.add(ids=[str(start + number) for number in range(len(batch))], documents=batch)


def opened(model: str, folder: Path) -> Callable[[str], list[int]]:
    collection = chromadb.PersistentClient(path=str(folder)).get_collection("texts", embedding_function=SentenceTransformerEmbeddingFunction(model))
    return lambda question: [int(number) for number in collection.query(query_texts=[question], n_results=10)["ids"][0]]
