"""LangChain with FAISS and HuggingFaceEmbeddings: texts and questions in, numbers of the ten nearest texts out, both as JSON."""

import json
import sys

from langchain_community.vectorstores import FAISS
from langchain_huggingface import HuggingFaceEmbeddings

given = json.load(sys.stdin)
store = FAISS.from_texts(
    given["texts"], HuggingFaceEmbeddings(model_name=given["model"]), metadatas=[{"number": number} for number in range(len(given["texts"]))]
)
json.dump([[found.metadata["number"] for found in store.similarity_search(question, k=10)] for question in given["questions"]], sys.stdout)
