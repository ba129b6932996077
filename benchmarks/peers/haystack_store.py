"""Haystack: a pipeline of text embedder and retriever over the in-memory store, kept on disk as its documentation shows."""

from collections.abc import Callable
from pathlib import Path

from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersDocumentEmbedder, SentenceTransformersTextEmbedder


def build(texts: list[str], model: str, folder: Path) -> None:
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    embedder = SentenceTransformersDocumentEmbedder(model=model, progress_bar=False)
    store.write_documents(embedder.run([Document(content=text, meta={"number": number}) for number, text in enumerate(texts)])["documents"])
    store.save_to_disk(str(folder / "store.json"))


def opened(model: str, folder: Path) -> Callable[[str], list[int]]:
    pipeline = Pipeline()
    pipeline.add_component("embedder", SentenceTransformersTextEmbedder(model=model, progress_bar=False))
    pipeline.add_component("retriever", InMemoryEmbeddingRetriever(InMemoryDocumentStore.load_from_disk(str(folder / "store.json")), top_k=10))
    pipeline.connect("embedder.embedding", "retriever.query_embedding")

    def answer(question: str) -> list[int]:
        return [found.meta["number"] for found in pipeline.run({"embedder": {"text": question}})["retriever"]["documents"]]

    return answer
