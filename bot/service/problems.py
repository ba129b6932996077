"""Errors as problem details (RFC 9457). A detail says what is wrong with the request and never repeats what was sent."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from bot.errors import AWAY, BotError, InputError, SettingsError, StoreError
from bot.replies import load_texts
from bot.schema import Fault, Problem

log = logging.getLogger(__name__)
MEDIA = "application/problem+json"
BRANCHES = ("constrained-str", "Earlier")  # pydantic names the branch of a union that failed; the request has no such place
INVALID = "/docs#invalid-request"  # the one problem of our own; the others say no more than their status: about:blank


def problem(status: int, detail: str, faults: Sequence[Fault] = (), headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A problem-details response."""
    kind = INVALID if status == HTTPStatus.UNPROCESSABLE_ENTITY else "about:blank"
    title = "The request is not valid" if kind == INVALID else HTTPStatus(status).phrase
    content = Problem(type=kind, title=title, status=status, detail=detail, errors=list(faults)).model_dump(exclude_defaults=True)
    return JSONResponse(content, status, headers, MEDIA)


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entries of the problems a route may answer with."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {status: {"description": HTTPStatus(status).phrase, "content": {MEDIA: schema}} for status in statuses}


def handle_problems(app: FastAPI) -> None:
    """Answer every error of `app` with problem details."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(BotError, _wrong)
    app.add_exception_handler(Exception, _failed)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [Fault(pointer=_pointer(fault["loc"]), detail=_said(fault)) for fault in error.errors()]
    if any(fault["type"] == "json_invalid" for fault in error.errors()):
        return problem(HTTPStatus.BAD_REQUEST, "the body is not valid JSON")
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(f"{fault.pointer}: {fault.detail}" for fault in faults[:3]), faults[:20])


def _said(fault: Mapping[str, Any]) -> str:
    """What pydantic says of a fault. Of an unknown name it would repeat nothing but the name, which is in the pointer."""
    return str(fault["msg"]).removeprefix("Value error, ")


def _pointer(place: Sequence[str | int]) -> str:
    """A JSON pointer as a URI fragment; names are cut so that no message text comes back through one, and made fit to encode."""
    parts = [str(part) for part in place[1:] if part not in BRANCHES]
    names = [part[:40].encode("ascii", "replace").decode().replace("~", "~0").replace("/", "~1") for part in parts]
    return "#" + "".join(f"/{name}" for name in names)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    told = str(error.detail)
    if error.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        told = f"{told}\n{fixed_text(('starting',), request)}"
    return problem(error.status_code, told, headers=error.headers)


async def _wrong(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, InputError | SettingsError):
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
    if isinstance(error, StoreError):  # names the server's address, which is nobody's business
        log.error("%s", error)
        return failed(request, AWAY)
    return failed(request, str(error))


async def _failed(request: Request, _error: Exception) -> JSONResponse:
    return failed(request)


def failed(request: Request, told: str = "the bot failed; the server's log says where") -> JSONResponse:
    """500 with the fixed text for it and the numbers to call: somebody may be waiting for the answer."""
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"{told}\n{fixed_text(('unavailable',), request)}")


def fixed_text(keys: Iterable[str], request: Request) -> str:
    """Fixed texts and the help lines of the server's region, which `Guard` notes with the request, as plain lines."""
    region = getattr(request.state, "region", "OTHER")
    return "\n".join(f"{notice.title}\n{notice.text}" for notice in load_texts().notices(keys, region))
