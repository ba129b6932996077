"""Haystack: `KratomRetriever(open_bot()).run(query="liver injury")["documents"]`. Needs: pip install 'kratom-faq[haystack]'"""

from __future__ import annotations

from typing import Any

from haystack import Document, component

from bot.chat import Bot


@component
class KratomRetriever:
    """Verbatim passages as Haystack documents, best first. `filters` are those of `bot.search`, which raises InputError for a bad one."""

    def __init__(self, bot: Bot, limit: int = 5) -> None:
        self.bot, self.limit = bot, limit

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]  # the framework is an extra
    def run(self, query: str, filters: dict[str, Any] | None = None) -> dict[str, list[Document]]:
        """`{"documents": …}` for a query."""
        hits = self.bot.search(query, limit=self.limit, **(filters or {}))
        return {"documents": [Document(content=hit.passage.text, meta=hit.passage.to_dict(), score=hit.score) for hit in hits]}
