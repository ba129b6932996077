"""Each adapter inside its real framework. CI has langchain-core; the other two are large and are run by hand:

pip install 'kratom-faq[llama-index,haystack]' && python -m pytest tests/test_integrations.py
"""

from __future__ import annotations

import pytest

from bot.chat import Bot
from bot.errors import InputError

QUERY = "liver injury"


def test_langchain(bot: Bot) -> None:
    pytest.importorskip("langchain_core", reason="pip install 'kratom-faq[langchain]'")
    from langchain_core.runnables import RunnableLambda

    from bot.integrations.langchain import KratomRetriever

    retriever = KratomRetriever(bot=bot, limit=2, filters={"topics": ["safety"]})
    found = (retriever | RunnableLambda(lambda documents: documents)).invoke(QUERY)
    assert [document.page_content for document in found] == [hit.passage.text for hit in bot.search(QUERY, limit=2, topics=["safety"])]
    assert found[0].metadata["document_id"] == "liver" and found[0].metadata["source"] and 0 < found[0].metadata["score"] <= 1
    with pytest.raises(InputError, match="tier 'best'"):
        KratomRetriever(bot=bot, filters={"tiers": ["best"]}).invoke(QUERY)


def test_llama_index(bot: Bot) -> None:
    pytest.importorskip("llama_index.core", reason="pip install 'kratom-faq[llama-index]'")
    from bot.integrations.llama_index import KratomRetriever

    found = KratomRetriever(bot, limit=2, topics=["safety"]).retrieve(QUERY)
    assert [node.node.get_content() for node in found] == [hit.passage.text for hit in bot.search(QUERY, limit=2, topics=["safety"])]
    assert found[0].score and found[0].node.metadata["document_id"] == "liver"


def test_haystack(bot: Bot) -> None:
    pytest.importorskip("haystack", reason="pip install 'kratom-faq[haystack]'")
    from haystack import Pipeline

    from bot.integrations.haystack import KratomRetriever

    pipeline = Pipeline()
    pipeline.add_component("retriever", KratomRetriever(bot, limit=2))
    found = pipeline.run({"retriever": {"query": QUERY, "filters": {"topics": ["safety"]}}})["retriever"]["documents"]
    assert [document.content for document in found] == [hit.passage.text for hit in bot.search(QUERY, limit=2, topics=["safety"])]
    assert found[0].score and found[0].meta["document_id"] == "liver"
