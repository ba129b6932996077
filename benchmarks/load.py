"""What the real servers do under load, on loopback alone: 1, 8, 64 and 256 clients through HTTP and through Gradio's queue, bounded in time.

    python benchmarks/load.py [--seconds 10] [--peer PYTHON]     PYTHON: one with benchmarks/peers/requirements.txt installed
    python benchmarks/load.py --memory 100000 --minutes 8        memory of one bot over as many replies as fit into the minutes

Server and clients share this machine's cores: read the columns against each other, not the times. "busy" is an answer with the help lines, no error.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles

import httpx

from bot import open_bot
from bot.encoder import embedded_folder
from bot.evaluation import read_questions

ROOT = Path(__file__).parents[1]
CLIENTS = (1, 8, 64, 256)
HEAD = "| door | clients | answers/s | p50 ms | p95 ms | p99 ms | answers | busy | errors | server MB |\n|---|---|---|---|---|---|---|---|---|---|"
Ask = Callable[[httpx.AsyncClient, str], Awaitable[str]]  # "answer", "busy" or what went wrong


def memory(process: int) -> float:
    """Resident memory in MB."""
    [line] = [line for line in Path(f"/proc/{process}/status").read_text("utf-8").splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


@contextmanager
def served(command: list[str], given: dict[str, object] | None = None) -> Iterator[tuple[str, int]]:
    """A server on a free port; yields its address and process id once it answers. `{port}` is also put into `given`, sent to its standard input."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "GRADIO_SERVER_PORT": str(port),
        "KRATOM_FAQ_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }  # two threads of torch on two busy cores stop each other
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603  # our own programs
    assert process.stdin
    if given is not None:
        process.stdin.write(json.dumps({**given, "port": port}).encode())
    process.stdin.close()
    try:
        for _ in range(2000):
            try:
                httpx.get(f"http://127.0.0.1:{port}/openapi.json" if given else f"http://127.0.0.1:{port}/healthz", timeout=2).raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None, f"{command} did not start"
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(30)


def kind(answer: httpx.Response) -> str:
    """What came back: every refusal must carry the numbers to call."""
    if answer.status_code == 200:
        return "answer"
    text = answer.json().get("detail", "")
    return "busy" if answer.status_code in (429, 503) and "In danger?" in text else f"status {answer.status_code}"


def over_http(address: str, path: str, field: str) -> Ask:
    async def ask(client: httpx.AsyncClient, question: str) -> str:
        return kind(await client.post(f"{address}{path}", json={field: question}))

    return ask


def through_queue(address: str) -> Ask:
    """As Gradio's page does: join the queue, then read the event's stream to its end."""

    async def ask(client: httpx.AsyncClient, question: str) -> str:
        session = f"{random.getrandbits(64):x}"
        config = FUNCTION[address]
        joined = await client.post(f"{address}/gradio_api/queue/join", json={"data": [question, [], None], "fn_index": config, "session_hash": session})
        if joined.status_code != 200:
            return kind(joined)
        async with client.stream("GET", f"{address}/gradio_api/queue/data", params={"session_hash": session}) as stream:
            async for line in stream.aiter_lines():
                told = json.loads(line[5:]) if line.startswith("data:") else {}
                if told.get("msg") == "process_completed":
                    return "answer" if told["success"] else "failed"
        return "cut off"

    return ask


FUNCTION: dict[str, int] = {}  # of an address: the number of the function "reply" in Gradio's configuration


async def drive(ask: Ask, clients: int, seconds: float, questions: list[str]) -> tuple[Counter[str], list[float], float]:
    """Outcomes, seconds of each answer, and how long it took."""
    outcomes: Counter[str] = Counter()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)

    async def client_of(number: int, session: httpx.AsyncClient) -> None:
        source = random.Random(number)
        while time.perf_counter() < end:
            began = time.perf_counter()
            try:
                outcome = await ask(session, source.choice(questions))
            except httpx.HTTPError as error:
                outcome = type(error).__name__
            outcomes[outcome] += 1
            if outcome == "answer":
                taken.append(time.perf_counter() - began)
            elif outcome == "busy":
                await asyncio.sleep(0.5)  # a client that keeps to Retry-After waits longer

    began = time.perf_counter()
    async with httpx.AsyncClient(timeout=60, limits=limits) as session:
        await asyncio.gather(*(client_of(number, session) for number in range(clients)))
    return outcomes, taken, time.perf_counter() - began


def row(door: str, clients: int, outcomes: Counter[str], taken: list[float], seconds: float, megabytes: float) -> str:
    p50, p95, p99 = (1000 * quantiles(taken, n=100)[place - 1] for place in (50, 95, 99)) if len(taken) > 1 else (0.0, 0.0, 0.0)
    wrong = {name: count for name, count in outcomes.items() if name not in ("answer", "busy")}
    told = sum(wrong.values()) if not wrong else f"{sum(wrong.values())} {wrong}"
    counts = f"{len(taken)} | {outcomes['busy']} | {told}"
    return f"| {door} | {clients} | {len(taken) / seconds:.1f} | {p50:.0f} | {p95:.0f} | {p99:.0f} | {counts} | {megabytes:.0f} |"


def in_process(seconds: float, questions: list[str]) -> str:
    """The best there could be: one thread, no door."""
    bot, taken, source = open_bot(), list[float](), random.Random(0)
    bot.reply(questions[0])
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        bot.reply(source.choice(questions)).to_dict()
        taken.append(time.perf_counter() - began)
    return row("in process, one thread", 1, Counter(answer=len(taken)), taken, seconds, memory(os.getpid()))


def peer(python: str) -> tuple[list[str], dict[str, object]]:
    """LangChain's server over the same passages and the same published model."""
    texts = [passage.text for passage in open_bot().index.passages]
    return [python, "benchmarks/peers/langchain_server.py"], {"texts": texts, "model": str(embedded_folder())}


def growth(replies: int, minutes: float, questions: list[str]) -> None:
    """Memory of one bot over many replies to repeated questions; the slope is that of the second half, when every cache is full."""
    bot, marks, source = open_bot(), list[tuple[int, float]](), random.Random(0)
    end, number = time.perf_counter() + 60 * minutes, 0
    while number < replies and time.perf_counter() < end:
        bot.reply(source.choice(questions), [source.choice(questions)] if number % 4 == 0 else [])
        number += 1
        if number % 50 == 0:
            marks.append((number, memory(os.getpid())))
    if len(marks) < 4:
        sys.exit(f"{number} replies are too few for a slope; give more --minutes")
    half = [mark for mark in marks if mark[0] >= number / 2]
    slope = 1000 * (half[-1][1] - half[0][1]) / (half[-1][0] - half[0][0])
    print(f"{number} replies: {marks[0][1]:.1f} MB after {marks[0][0]}, {half[0][1]:.1f} after {half[0][0]}, {half[-1][1]:.1f} at the end")
    print(f"slope of the second half: {slope:+.3f} MB per 1,000 replies, {100 * slope:+.1f} MB per 100,000")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--peer", metavar="PYTHON")
    parser.add_argument("--memory", type=int, metavar="REPLIES")
    parser.add_argument("--minutes", type=float, default=8.0)
    options = parser.parse_args()
    questions = [question.text for question in read_questions("tune")]
    if options.memory:
        growth(options.memory, options.minutes, questions[:60])
        return
    print(HEAD)
    print(in_process(options.seconds, questions), flush=True)
    doors: list[tuple[str, list[str], dict[str, object] | None, Callable[[str], Ask]]] = [
        ("HTTP /v1/reply", [sys.executable, "-m", "bot", "serve", "--no-page"], None, lambda address: over_http(address, "/v1/reply", "message")),
        ("HTTP /v1/search", [sys.executable, "-m", "bot", "serve", "--no-page"], None, lambda address: over_http(address, "/v1/search", "query")),
        ("Gradio's queue", [sys.executable, "app.py"], None, through_queue),
    ]
    if options.peer:
        doors.append(("LangChain + FAISS, FastAPI: /v1/search", *peer(options.peer), lambda address: over_http(address, "/v1/search", "query")))
    for name, command, given, door in doors:
        with served(command, given) as (address, process):
            if door is through_queue:
                config = httpx.get(f"{address}/config", timeout=10).json()
                [FUNCTION[address]] = [one["id"] for one in config["dependencies"] if one["api_name"] == "reply"]
            asyncio.run(drive(door(address), 1, 1, questions))  # warm
            for clients in CLIENTS:
                outcomes, taken, seconds = asyncio.run(drive(door(address), clients, options.seconds, questions))
                print(row(name, clients, outcomes, taken, seconds, memory(process)), flush=True)


if __name__ == "__main__":
    main()
