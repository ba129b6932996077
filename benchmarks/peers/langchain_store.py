"""LangChain: HuggingFaceEmbeddings in the FAISS vector store."""

from collections.abc import Callable
from pathlib import Path

from langchain_community.vectorstores import FAISS
from langchain_huggingface import HuggingFaceEmbeddings


def build(texts: list[str], model: str, folder: Path) -> None:
    FAISS.from_texts(texts, HuggingFaceEmbeddings(model_name=model), metadatas=[{"number": number} for number in range(len(texts))]).save_local(str(folder))


def opened(model: str, folder: Path) -> Callable[[str], list[int]]:
    store = FAISS.load_local(str(folder), HuggingFaceEmbeddings(model_name=model), allow_dangerous_deserialization=True)
    return lambda question: [found.metadata["number"] for found in store.similarity_search(question, k=10)]
