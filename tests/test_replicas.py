"""Two real servers over one store: one is killed under load, and no request is lost beyond those it was answering."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from chromium import free_port
from milvus_server import started

from bot.settings import Settings

ROOT = Path(__file__).parents[1]
NGINX = (ROOT / "nginx.conf").read_text("utf-8")
TEXTS = {"liver": "Kratom has been linked to liver injury [@source-2020-study].", "heart": "Kratom can make the heart beat faster [@source-2020-study]."}
QUESTIONS = ("can kratom hurt the liver", "does kratom make the heart race")
CLIENTS, EACH = 4, 30  # requests at once, and how often each asks: the kill falls into the first third


class RoundRobin:
    """The smallest proxy: each request to the next server, and to the one after it where none listens or not one byte comes back.

    The second is needed: the kernel accepts for a killed process until its memory is freed (0.2 s here, 14 requests of 120 on a busy machine).
    """

    def __init__(self, ports: list[int]) -> None:
        self.ports, self.port, self.next = ports, free_port(), 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        """End the proxy and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        server = self._loop.run_until_complete(asyncio.start_server(self._pass_on, "127.0.0.1", self.port))
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.1))
        self._loop.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")] or [0]
        request = head + await reader.readexactly(length)
        self.next += 1
        place = self.next % len(self.ports)  # of this request: others move `next` on while it waits, and it would ask the dead one twice
        for port in self.ports[place:] + self.ports[:place]:
            try:
                back, forth = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            answer = b""
            try:
                forth.write(request)
                answer = await back.read()
            except OSError:
                pass  # it died with this request in flight
            finally:
                forth.close()
            if answer:
                writer.write(answer)
                break
        writer.close()


def ask(port: int, question: str) -> dict[str, Any]:
    """A reply over a connection of its own."""
    body = json.dumps({"message": question}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/reply", body, {"Content-Type": "application/json", "Connection": "close"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        reply: dict[str, Any] = json.loads(answer.read())
        return reply


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until the server's index serves."""
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2).close()
            return
        except OSError:
            assert process.poll() is None, "a replica did not start"
            time.sleep(0.3)
    raise AssertionError("a replica did not start in three minutes")


@contextmanager
def replicas(environment: dict[str, str]) -> Iterator[list[tuple[int, subprocess.Popen[bytes]]]]:
    """Two servers of ours on loopback, each a process."""
    command, running = [sys.executable, "-m", "bot", "serve", "--no-page"], []
    for port in (free_port(), free_port()):
        own = {**os.environ, **environment, "KRATOM_FAQ_PORT": str(port)}
        running.append((port, subprocess.Popen(command, cwd=ROOT, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)))
    try:
        for port, process in running:
            wait_for(port, process)
        yield running
    finally:
        for _, process in running:
            process.kill()
            process.wait()


@contextmanager
def milvus(folder: Path) -> Iterator[str]:
    """Where Milvus Lite's own server listens."""
    port = free_port()
    process = started(folder, port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(20)


@pytest.fixture(params=["faiss", "milvus"])
def store(request: pytest.FixtureRequest, settings: Settings, small_corpus: Callable[..., Path], tmp_path: Path) -> Iterator[dict[str, str]]:
    """What both replicas are told: one corpus, one index, and where its vectors are."""
    small_corpus(**TEXTS)
    given = {"KRATOM_FAQ_CORPUS": str(settings.corpus), "KRATOM_FAQ_INDEX": str(settings.index)}
    if request.param == "faiss":
        build(given)
        yield given
        return
    if not (importlib.util.find_spec("pymilvus") and importlib.util.find_spec("milvus_lite")):
        pytest.skip("pymilvus and milvus-lite are not installed")
    with milvus(tmp_path / "milvus") as address:
        given |= {"KRATOM_FAQ_STORE": "milvus", "KRATOM_FAQ_MILVUS_URI": address}
        build(given)
        yield given


def build(environment: dict[str, str]) -> None:
    """As an operator does it, once for all replicas."""
    subprocess.run([sys.executable, "-m", "bot", "build"], cwd=ROOT, env={**os.environ, **environment}, check=True, capture_output=True)


class Load:
    """Clients that ask and ask; what they got, and when."""

    def __init__(self, port: int) -> None:
        self.answered, self.lost, self._port = 0, list[str](), port
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether every client is still asking."""
        return all(thread.is_alive() for thread in self._threads)

    def wait(self) -> None:
        """Until every client has asked what it had to ask."""
        for thread in self._threads:
            thread.join()

    def _client(self, number: int) -> None:
        for turn in range(EACH):
            try:
                reply = ask(self._port, QUESTIONS[(number + turn) % 2])
                assert reply["hits"][0]["passage"]["document_id"] == ("liver", "heart")[(number + turn) % 2]
                self.answered += 1  # under Python's lock; what matters are the lost ones
            except (OSError, HTTPException, ValueError) as error:
                self.lost.append(f"{time.monotonic():.2f} {error!r}")


def killed_under_load(port: int, process: subprocess.Popen[bytes]) -> Load:
    """Ask through `port`, and kill `process` after a fifth of the requests; what came back."""
    load = Load(port)
    while load.answered < CLIENTS * EACH // 5:
        assert load.alive, "a client got an answer it did not expect"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    load.wait()
    return load


def test_a_killed_replica_loses_no_request_but_those_it_was_answering(store: dict[str, str]) -> None:
    with replicas(store) as running:
        (left, process), (right, _) = running
        assert [ask(left, question)["hits"] for question in QUESTIONS] == [ask(right, question)["hits"] for question in QUESTIONS]
        proxy = RoundRobin([left, right])
        try:
            load = killed_under_load(proxy.port, process)
        finally:
            proxy.stop()
        assert len(load.lost) <= CLIENTS, f"each client has one request in flight: {load.lost}"


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_nginx_puts_what_a_killed_replica_left_to_the_other_one(settings: Settings, small_corpus: Callable[..., Path], tmp_path: Path) -> None:
    small_corpus(**TEXTS)
    given = {"KRATOM_FAQ_CORPUS": str(settings.corpus), "KRATOM_FAQ_INDEX": str(settings.index), "KRATOM_FAQ_RATE": "0"}  # what came by a proxy is counted
    build(given)
    with replicas(given) as running:
        (left, process), (right, _) = running
        port = free_port()
        path = tmp_path / "nginx.conf"
        path.write_text(on_loopback(NGINX, tmp_path, port, left, right), "utf-8")
        subprocess.run(["nginx", "-t", "-e", "stderr", "-c", str(path)], check=True, capture_output=True)
        proxy = subprocess.Popen(
            ["nginx", "-e", "stderr", "-c", str(path), "-g", "daemon off; user root;"[: 11 if os.getuid() else None]], stderr=subprocess.DEVNULL
        )
        try:
            wait_for(port, proxy)
            load = killed_under_load(port, process)
            with pytest.raises(OSError, match="404"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)
        finally:
            proxy.terminate()
            proxy.wait(20)
        assert load.lost == [], f"{load.lost}; a reply changes nothing, so the other replica was asked"


def on_loopback(text: str, folder: Path, port: int, left: int, right: int) -> str:
    """The same configuration with its two servers on this machine, and its files in a folder."""
    text = text.replace("faq-1:7860", f"127.0.0.1:{left}").replace("faq-2:7860", f"127.0.0.1:{right}").replace("listen 7860", f"listen 127.0.0.1:{port}")
    return text.replace(" /tmp/", f" {folder}/").replace("worker_processes auto", "worker_processes 1")
