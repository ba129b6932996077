"""The Model Context Protocol door, with the official library: two tools, and each document as a resource. Over stdio, or under /mcp of the server.

A tool's text is what a person should read, word for word; its structured content is the same reply as data, with the receipt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import mcp
from anyio import to_thread
from mcp.server.fastmcp import FastMCP
from mcp.server.fastmcp.resources import FunctionResource
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import AnyUrl, Field

from bot.chat import Bot
from bot.errors import AWAY, StoreError
from bot.metrics import Metrics
from bot.records import Document
from bot.render import as_text, quote_text
from bot.replies import load_texts
from bot.schema import MAX_HISTORY, Found, Limit, Message, Query, Region, ReplyCard, Since, Tiers

T = TypeVar("T")
log = logging.getLogger(__name__)
READS = ToolAnnotations(readOnlyHint=True, destructiveHint=False, idempotentHint=True, openWorldHint=False)
SCHEME = "kratom-faq"
LABEL = load_texts().labels
LIBRARY = Path(mcp.__file__).parent
LOCAL = ("127.0.0.1", "localhost", "[::1]")


class _WithoutWords(logging.Filter):
    """The library's log lines repeat what a client sent. Of each is kept where it was written and which error it was."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes."""
        if Path(record.pathname).is_relative_to(LIBRARY):
            error = record.exc_info[0] if record.exc_info else None
            record.msg, record.args = f"{record.module}.py:{record.lineno}{f': {error.__name__}' if error else ''}", ()
            record.exc_info = record.exc_text = record.stack_info = None
        return True


WITHOUT_WORDS = _WithoutWords()


def create_mcp(bot: Bot, metrics: Metrics | None = None) -> FastMCP[None]:
    """The server around a bot: `run("stdio")` serves a local assistant, `streamable_http_app()` a remote one."""
    counted = metrics or Metrics()
    server: FastMCP[None] = FastMCP(
        SCHEME,
        instructions=LABEL["mcp_instructions"],
        stateless_http=True,
        json_response=True,
        transport_security=_security(bot.settings.mcp_hosts),
        log_level="WARNING",
    )
    for name in ("root", *(name for name in logging.root.manager.loggerDict if name.startswith("mcp."))):  # it writes to the root logger too
        logging.getLogger(name).addFilter(WITHOUT_WORDS)

    @server.tool(description=LABEL["mcp_ask"], annotations=READS)
    async def ask_kratom_faq(
        message: Message,
        history: Annotated[list[Message], Field(max_length=MAX_HISTORY, description=LABEL["mcp_history"])] = [],  # noqa: B006  # never changed; the schema shows it
        region: Annotated[Region | None, Field(description=LABEL["mcp_region"])] = None,
    ) -> Annotated[CallToolResult, ReplyCard]:
        reply = await to_thread.run_sync(lambda: counted.replied("mcp", lambda: bot.reply(message, history, region=region)))
        return _result(as_text(reply, bot.texts), reply.to_dict())

    @server.tool(description=LABEL["mcp_search"], annotations=READS)
    async def search_kratom_corpus(query: Query, limit: Limit = 5, tiers: Tiers | None = None, since: Since | None = None) -> Annotated[CallToolResult, Found]:
        hits = await to_thread.run_sync(lambda: _had(lambda: bot.search(query, limit=limit, tiers=tiers, since=since)))
        counted.search("mcp")
        text = "\n\n".join(f"{hit.passage.heading}\n{quote_text(hit, bot.texts)}" for hit in hits)
        return _result(text, {"index": bot.index.id, "query": query, "hits": [hit.to_dict() for hit in hits]})

    for document in bot.documents.values():
        server.add_resource(_resource(document))
    return server


def _security(named: str) -> TransportSecuritySettings:
    """Which names /mcp answers under: this machine's and those `named`, separated by spaces; all for "*". A foreign page that renames us is refused."""
    if named.strip() == "*":
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    hosts = [host for name in (*LOCAL, *named.split()) for host in (name, f"{name}:*")]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=[f"{scheme}://{host}" for host in hosts for scheme in ("http", "https")])


def _result(text: str, data: dict[str, Any]) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], structuredContent=data)


def _resource(document: Document) -> FunctionResource:
    """A document, word for word."""
    uri = AnyUrl(f"{SCHEME}://documents/{document.id}")
    return FunctionResource(uri=uri, name=document.id, title=document.title, mime_type="text/markdown", fn=lambda: _had(lambda: document.text))


def _had(call: Callable[[], T]) -> T:
    """What the call returns. The StoreError that a client is told names no address; the log has it."""
    try:
        return call()
    except StoreError as error:
        log.error("%s", error)
        raise StoreError(AWAY) from None
