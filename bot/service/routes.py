"""The typed JSON routes: each checks its request against bot/schema.py, asks the Bot, and answers in the shape of `Reply.to_dict`."""

from __future__ import annotations

from concurrent.futures import Future
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from bot.chat import Bot
from bot.metrics import Metrics
from bot.records import Claim, Document
from bot.schema import ClaimList, DocumentCard, DocumentList, Found, Health, ReplyCard, ReplyRequest, SearchRequest
from bot.service.page import page
from bot.service.problems import described

RETRY = 10  # seconds after which a client that came too early should ask again; a first build takes minutes, an opening two seconds
TAKES_JSON = described(400, 413, 415, 422, 503)
router = APIRouter()


def ready(request: Request) -> Bot:
    """The bot, or 503 while its index is being built."""
    opening: Future[Bot] = request.app.state.opening
    if not opening.done() or opening.exception():
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "the index is not in service yet", {"Retry-After": str(RETRY)})
    return opening.result()


def counted(request: Request) -> Metrics:
    """The server's counters."""
    metrics: Metrics = request.app.state.metrics
    return metrics


Ready = Annotated[Bot, Depends(ready)]
Counted = Annotated[Metrics, Depends(counted)]
Filter = Annotated[str | None, Query(max_length=100)]


@router.post("/v1/reply", response_model=ReplyCard, responses=TAKES_JSON, tags=["ask"], operation_id="reply")
def reply(asked: ReplyRequest, bot: Ready, metrics: Counted) -> dict[str, Any]:
    """Answer a message: guardrails first, then the search.

    Show the notices first and unchanged. `urgency` "now" is an emergency or a crisis: show its notices and nothing else. `urgency` "possible" puts
    a check first: keep the passages folded until the person says that nobody is in danger.
    """
    history = [entry if isinstance(entry, str) else entry.model_dump() for entry in asked.history]
    return metrics.replied("http", lambda: bot.reply(asked.message, history, region=asked.region)).to_dict()


@router.post("/v1/search", response_model=Found, responses=TAKES_JSON, tags=["ask"], operation_id="search")
def search(asked: SearchRequest, bot: Ready, metrics: Counted) -> dict[str, Any]:
    """Find verbatim passages, best first. No guardrails, no refusal, no safety texts: for programs that bring their own."""
    wanted = asked.model_dump(exclude={"query"})
    hits = bot.search(asked.query, **wanted)
    metrics.search("http")
    return {"index": bot.index.id, "query": asked.query, "hits": [hit.to_dict() for hit in hits]}


@router.get("/v1/documents", response_model=DocumentList, responses=described(422, 503), tags=["corpus"], operation_id="documents")
def documents(bot: Ready, topic: Filter = None, status: Filter = None) -> dict[str, Any]:
    """Every document that may be quoted, or those of one topic or status."""
    found = [document for document in bot.documents.values() if topic in (None, document.topic) and status in (None, document.status)]
    return {"index": bot.index.id, "documents": [_entry(document) for document in found]}


@router.get("/v1/documents/{id}", response_model=DocumentCard, responses=described(404, 422, 503), tags=["corpus"], operation_id="document")
def document(id: Annotated[str, Path(max_length=200, examples=["liver"])], bot: Ready) -> dict[str, Any]:  # noqa: A002  # the name in the path of the contract
    """One document, word for word: `start` and `end` of every passage count in its `text`."""
    found = bot.documents.get(id)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "there is no such document; GET /v1/documents lists them")
    return {**found.to_dict(), "text": found.text}


@router.get("/v1/claims", response_model=ClaimList, responses=described(503), tags=["corpus"], operation_id="claims")
def claims(bot: Ready) -> dict[str, Any]:
    """Statements, each with the passages that support, qualify or dispute it."""
    return {"index": bot.index.id, "claims": [_claim(claim, bot) for claim in bot.claims]}


@router.get("/healthz", response_model=Health, responses=described(503), tags=["operation"], operation_id="healthz")
def healthz(bot: Ready) -> dict[str, Any]:
    """200 when the index is in service, 503 before."""
    counts = {"documents": len(bot.documents), "passages": len(bot.index.passages)}
    return {"status": "ready", "index": bot.index.id, **counts, "certificate": bot.index.certificate}


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    tags=["operation"],
    operation_id="metrics",
)
def metrics(request: Request, counters: Counted) -> Response:
    """Counts and times, without a word of any message."""
    opening: Future[Bot] = request.app.state.opening
    counters.ready.set(opening.done() and not opening.exception())
    return Response(counters.text(), media_type="text/plain; version=1.0.0; charset=utf-8")


@router.get("/docs", response_class=HTMLResponse, include_in_schema=False)
def docs(request: Request) -> HTMLResponse:
    """The OpenAPI document as one plain page: no script, nothing fetched from anywhere."""
    return HTMLResponse(page(request.app.openapi()), headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"})


def _entry(document: Document) -> dict[str, Any]:
    return {name: value for name, value in document.to_dict().items() if name != "references"}


def _claim(claim: Claim, bot: Bot) -> dict[str, Any]:
    stances = []
    for stance in claim.stances:
        start, end = stance.span.start, stance.span.end
        text = bot.documents[stance.document_id].text[start:end]
        stances.append({"stance": stance.stance, "document_id": stance.document_id, "start": start, "end": end, "text": text})
    return {"id": claim.id, "statement": claim.statement, "stances": stances}
