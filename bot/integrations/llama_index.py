"""LlamaIndex: `KratomRetriever(open_bot()).retrieve("liver injury")`. Needs: pip install 'kratom-faq[llama-index]'"""

from __future__ import annotations

from typing import Any

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from bot.chat import Bot


class KratomRetriever(BaseRetriever):
    """Verbatim passages as scored nodes, best first. `filters` are those of `bot.search`, which raises InputError for a bad one."""

    def __init__(self, bot: Bot, limit: int = 5, **filters: Any) -> None:
        self.bot, self.limit, self.filters = bot, limit, filters
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = self.bot.search(query_bundle.query_str, limit=self.limit, **self.filters)
        return [NodeWithScore(node=TextNode(text=hit.passage.text, metadata=hit.passage.to_dict()), score=hit.score) for hit in hits]
