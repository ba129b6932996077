"""The MCP door, asked with the official client: over stdio as an assistant starts it, and over streamable HTTP under /mcp."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
import uvicorn

from bot.chat import Bot
from bot.render import as_text
from bot.service import create_service, opened
from bot.verify import verify

pytest.importorskip("mcp", reason="pip install 'kratom-faq[mcp]'")

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent, TextResourceContents
from pydantic import AnyUrl

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def address(bot: Bot) -> Iterator[str]:
    """The JSON service in a thread of its own, on a free port."""
    server = uvicorn.Server(uvicorn.Config(create_service(opened(bot)), "127.0.0.1", 0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/mcp"
    server.should_exit = True
    thread.join(20)


@asynccontextmanager
async def session(address: str) -> AsyncIterator[ClientSession]:
    """An open session: over HTTP, or over stdio with a server of its own where the address is empty."""
    command = StdioServerParameters(command=sys.executable, args=["-m", "bot", "mcp"], cwd=ROOT)
    if address:
        async with streamable_http_client(address) as (read, write, _), ClientSession(read, write) as opened_session:
            yield opened_session
    else:
        async with stdio_client(command) as (read, write), ClientSession(read, write) as opened_session:
            yield opened_session


async def exercise(address: str, bot: Bot) -> None:
    """Everything a client does in one session."""
    async with session(address) as client:
        welcome = await client.initialize()
        assert "unchanged" in (welcome.instructions or "")
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"ask_kratom_faq", "search_kratom_corpus"}
        for tool in tools.values():
            assert tool.annotations and tool.annotations.readOnlyHint and tool.outputSchema
            assert "unchanged" in (tool.description or "")

        asked = {"message": "what about with xanax", "history": ["does kratom interact with other drugs"], "region": "UK"}
        answer = await client.call_tool("ask_kratom_faq", asked)
        expected = bot.reply("what about with xanax", ["does kratom interact with other drugs"], region="UK")
        [shown] = answer.content
        assert isinstance(shown, TextContent) and shown.text == as_text(expected, bot.texts)
        assert answer.structuredContent == json.loads(json.dumps(expected.to_dict()))
        assert answer.structuredContent and verify(answer.structuredContent, ROOT / "corpus", ROOT / "bot" / "replies.toml")

        danger = await client.call_tool("ask_kratom_faq", {"message": "he wont wake up"})
        assert isinstance(danger.content[0], TextContent) and danger.content[0].text.startswith("Call 911 now")

        found = await client.call_tool("search_kratom_corpus", {"query": "liver injury", "limit": 2})
        assert found.structuredContent and len(found.structuredContent["hits"]) == 2
        for wrong in ({}, {"message": ""}, {"message": 5}, {"message": "x" * 20_001}, {"message": "hi", "region": "Mars"}):
            assert (await client.call_tool("ask_kratom_faq", wrong)).isError

        resources = (await client.list_resources()).resources
        assert {resource.name for resource in resources} == set(bot.documents)
        [document] = (await client.read_resource(AnyUrl("kratom-faq://documents/liver"))).contents
        assert isinstance(document, TextResourceContents) and document.text == bot.documents["liver"].text


def test_the_official_client_gets_it_all_over_streamable_http(address: str, bot: Bot) -> None:
    anyio.run(exercise, address, bot)


def test_the_official_client_gets_it_all_over_stdio(bot: Bot) -> None:
    anyio.run(exercise, "", bot)
