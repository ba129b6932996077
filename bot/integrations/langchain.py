"""LangChain: `KratomRetriever(bot=open_bot()).invoke("liver injury")`. Needs: pip install 'kratom-faq[langchain]'"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from bot.chat import Bot


class KratomRetriever(BaseRetriever):
    """Verbatim passages as LangChain documents, best first. `filters` are those of `bot.search`, which raises InputError for a bad one."""

    bot: Bot
    limit: int = 5
    filters: dict[str, Any] = Field(default_factory=dict)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:  # noqa: ARG002  # LangChain's own signature
        hits = self.bot.search(query, limit=self.limit, **self.filters)
        return [Document(page_content=hit.passage.text, metadata={"score": hit.score, **hit.passage.to_dict()}) for hit in hits]
