"""LlamaIndex: VectorStoreIndex with HuggingFaceEmbedding, persisted."""

from collections.abc import Callable
from pathlib import Path

from llama_index.core import Document, StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.embeddings.huggingface import HuggingFaceEmbedding


def build(texts: list[str], model: str, folder: Path) -> None:
    documents = [Document(text=text, id_=str(number)) for number, text in enumerate(texts)]
    VectorStoreIndex.from_documents(documents, embed_model=HuggingFaceEmbedding(model_name=model)).storage_context.persist(str(folder))


def opened(model: str, folder: Path) -> Callable[[str], list[int]]:
    index = load_index_from_storage(StorageContext.from_defaults(persist_dir=str(folder)), embed_model=HuggingFaceEmbedding(model_name=model))
    retriever = index.as_retriever(similarity_top_k=10)
    return lambda question: [int(found.node.ref_doc_id) for found in retriever.retrieve(question)]
