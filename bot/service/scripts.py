"""The scripts of Gradio's page: those it was sent with run, no other does."""

from __future__ import annotations

import secrets
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.headers import gradio_policy


class Scripts:
    """Names every inline script of Gradio's page with a number made anew, and lets no other run: plain ASGI, inside Gradio's compression."""

    def __init__(self, app: ASGIApp, script: str, frames: str) -> None:
        self.app, self._script, self._frames = app, script, frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; only the page itself is changed."""
        if scope["type"] != "http" or scope["path"] != "/":
            await self.app(scope, receive, send)
            return
        nonce, start, body = secrets.token_urlsafe(16), dict[str, Any](), b""

        async def kept(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = dict(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                named = body.replace(b"<script", f"<script nonce={nonce}".encode())  # without quotes: it also stands inside the page's JSON
                policy = (b"content-security-policy", gradio_policy(nonce, self._script, self._frames).encode())
                others = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
                size = [(b"content-length", str(len(named)).encode())] if body else [pair for pair in start["headers"] if pair[0].lower() == b"content-length"]
                await send({**start, "headers": [*others, policy, *size]})
                await send({"type": "http.response.body", "body": named})

        await self.app(scope, receive, kept)
