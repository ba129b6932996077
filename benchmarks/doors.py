"""What each door costs over the call in Python: median of 200 calls a door, the same questions in turn, server and client on this machine.

    python benchmarks/doors.py

The doors take turns question by question, so that a busy moment hits them alike. Read the differences, not the times.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import anyio
import httpx
from gradio_client import Client
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from bot import open_bot
from bot.evaluation import read_questions
from bot.verify import verify

ROOT = Path(__file__).parents[1]
CALLS = 200
Door = Callable[[str], Awaitable[object]]


@asynccontextmanager
async def served(*command: str) -> AsyncIterator[str]:
    """A server started as users start it; yields its address when it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {**os.environ, "GRADIO_SERVER_PORT": port, "KRATOM_FAQ_PORT": port}
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603  # our own program
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2)
                break
            except OSError:
                await anyio.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


async def measure() -> None:
    """Ask through every door and print a table."""
    bot = open_bot()
    questions = [question.text for question in read_questions("tune")][:CALLS]
    stdio = StdioServerParameters(command=sys.executable, args=["-m", "bot", "mcp"], cwd=ROOT)
    async with (
        served("app.py") as page,
        served("-m", "bot", "serve", "--no-page") as service,
        httpx.AsyncClient() as client,
        streamable_http_client(f"{service}/mcp") as (read, write, _),
        ClientSession(read, write) as over_http,
        stdio_client(stdio) as (read_pipe, write_pipe),
        ClientSession(read_pipe, write_pipe) as over_stdio,
    ):
        await over_http.initialize()
        await over_stdio.initialize()
        gradio = Client(page, verbose=False)

        async def in_process(question: str) -> object:
            return bot.reply(question).to_dict()

        async def gradio_door(question: str) -> object:
            return await anyio.to_thread.run_sync(lambda: gradio.predict(question, [], None, api_name="/reply"))

        doors: dict[str, Door] = {
            "in process": in_process,
            "HTTP /v1/reply, JSON service alone": lambda question: client.post(f"{service}/v1/reply", json={"message": question}),
            "HTTP /v1/reply beside the page": lambda question: client.post(f"{page}/v1/reply", json={"message": question}),
            "MCP over stdio": lambda question: over_stdio.call_tool("ask_kratom_faq", {"message": question}),
            "MCP over streamable HTTP": lambda question: over_http.call_tool("ask_kratom_faq", {"message": question}),
            "Gradio's own API, gradio_client": gradio_door,
        }
        times = await ask(doors, questions)
    print(f"{CALLS} calls each\n\n| door | median ms | over in process | p95 ms |\n|---|---|---|---|")
    for name, taken in times.items():
        print(f"| {name} | {median(taken):.1f} | {median(taken) - median(times['in process']):+.1f} | {quantiles(taken, n=20)[-1]:.1f} |")
    print(f"verifier: {verifying([bot.reply(question).to_dict() for question in questions[:50]]):.2f} ms a reply (median of 50), without starting Python")


async def ask(doors: dict[str, Door], questions: list[str]) -> dict[str, list[float]]:
    """Milliseconds of each call, by door; the first questions warm every door up and are not counted."""
    times: dict[str, list[float]] = {name: [] for name in doors}
    for number, question in enumerate([*questions[:5], *questions]):
        for name, door in doors.items():
            began = time.perf_counter()
            await door(question)
            if number >= 5:
                times[name].append(1000 * (time.perf_counter() - began))
    return times


def verifying(replies: list[dict[str, object]]) -> float:
    """Median milliseconds of bot/verify.py for one reply."""
    taken = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "reply.json"
        for reply in replies:
            path.write_text(json.dumps(reply), "utf-8")
            began = time.perf_counter()
            verify(json.loads(path.read_text("utf-8")), ROOT / "corpus", ROOT / "bot" / "replies.toml")
            taken.append(1000 * (time.perf_counter() - began))
    return median(taken)


if __name__ == "__main__":
    anyio.run(measure)
