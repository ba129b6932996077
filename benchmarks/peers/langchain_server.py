"""The same job behind the same kind of door: LangChain with FAISS and HuggingFaceEmbeddings, three passages for a question, over FastAPI and uvicorn."""

import json
import sys

import uvicorn
from fastapi import FastAPI
from langchain_community.vectorstores import FAISS
from langchain_huggingface import HuggingFaceEmbeddings
from pydantic import BaseModel

given = json.load(sys.stdin)
store = FAISS.from_texts(given["texts"], HuggingFaceEmbeddings(model_name=given["model"]))
app = FastAPI()


class Asked(BaseModel):
    query: str


@app.post("/v1/search")
def search(asked: Asked) -> dict[str, list[str]]:
    return {"hits": [found.page_content for found in store.similarity_search(asked.query, k=3)]}


uvicorn.run(app, port=given["port"], log_level="warning")
