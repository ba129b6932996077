"""sentence-transformers and FAISS by hand, as both documentations show it."""

from collections.abc import Callable
from pathlib import Path

import faiss
from sentence_transformers import SentenceTransformer


def build(texts: list[str], model: str, folder: Path) -> None:
    vectors = SentenceTransformer(model).encode(texts, normalize_embeddings=True)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(folder / "index.faiss"))


def opened(model: str, folder: Path) -> Callable[[str], list[int]]:
    encoder, index = SentenceTransformer(model), faiss.read_index(str(folder / "index.faiss"))
    return lambda question: index.search(encoder.encode([question], normalize_embeddings=True), 10)[1][0].tolist()
