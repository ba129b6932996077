"""txtai: Embeddings."""

from collections.abc import Callable
from pathlib import Path

from txtai import Embeddings


def build(texts: list[str], model: str, folder: Path) -> None:
    embeddings = Embeddings(path=model)
    embeddings.index(texts)
    embeddings.save(str(folder))


def opened(model: str, folder: Path) -> Callable[[str], list[int]]:
    embeddings = Embeddings()
    embeddings.load(str(folder))
    return lambda question: [int(number) for number, _ in embeddings.search(question, 10)]
