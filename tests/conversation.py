"""Starts the page's server, talks to it through every door and writes down what it saw: run by test_isolation.py, in a network of its own.

python tests/conversation.py FOLDER CANARY     everything the server writes goes below FOLDER; CANARY is in every message
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PORT = "7871"
ELSEWHERE = {"path": "http://visitor-chose-this.example/x.png", "meta": {"_type": "gradio.FileData"}}  # Gradio would fetch it
HERE = f"http://127.0.0.1:{PORT}"
# Runs in the server before anything else: notes every name looked up and every address connected to, and where; at its end, every module it loaded.
RECORDER = """
import atexit, os, sys
def note(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        with open(os.environ["CONNECTS"], "a") as file:
            file.write(f"{event} {args[1:] if event in ('socket.connect', 'socket.sendto') else args}\\n")
sys.addaudithook(note)
def loaded():
    with open(os.environ["LOADED"], "a") as file:
        print(*sys.modules, sep="\\n", file=file)
atexit.register(loaded)
"""


def ask(path: str, data: object = None, headers: dict[str, str] | None = None, method: str | None = None) -> dict[str, Any]:
    """Status, headers and text of one request."""
    body = data if isinstance(data, bytes) else json.dumps(data).encode() if data is not None else None
    sent = {"content-type": "application/json", "accept": "application/json, text/event-stream", **(headers or {})}
    request = urllib.request.Request(HERE + path, body, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return {
                "status": answer.status,
                "headers": {name.lower(): value for name, value in answer.headers.items()},
                "text": answer.read().decode("utf-8", "replace"),
            }
    except urllib.error.HTTPError as error:
        return {
            "status": error.code,
            "headers": {name.lower(): value for name, value in error.headers.items()},
            "text": error.read().decode("utf-8", "replace"),
        }


def through_gradio(name: str, data: list[object]) -> str:
    """The last event of a call through Gradio's queue."""
    joined = json.loads(ask(f"/gradio_api/call/{name}", {"data": data})["text"])
    return str(ask(f"/gradio_api/call/{name}/{joined['event_id']}")["text"]) if "event_id" in joined else str(joined)


def started(folder: Path) -> subprocess.Popen[bytes]:
    """The server, with its own home, temporary folder and feedback file."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(RECORDER, "utf-8")
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    own = {
        "HOME": folder / "home",
        "TMPDIR": folder / "tmp",
        "XDG_CACHE_HOME": folder / "home/cache",
        "CONNECTS": folder / "connects",
        "LOADED": folder / "loaded",
        "PYTHONPATH": folder / "site",
    }
    switches = {"GRADIO_SERVER_PORT": PORT, "KRATOM_FAQ_LOG": "json", "KRATOM_FAQ_FEEDBACK": folder / "feedback.jsonl", "PYTHONDONTWRITEBYTECODE": "1"}
    environment = {**os.environ, **{name: str(value) for name, value in {**own, **switches}.items()}}
    return subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=(folder / "stdout").open("wb"), stderr=(folder / "stderr").open("wb"))


def talk(canary: str) -> dict[str, Any]:
    """One conversation through every door, with the requests that make servers write things down."""
    question = f"does kratom harm the liver {canary}"
    seen = {
        "reply": ask("/v1/reply", {"message": question, "history": [f"i take it for my back {canary}"]}),
        "emergency": ask("/v1/reply", {"message": f"he wont wake up {canary}", "region": "UK"}),
        "search": ask("/v1/search", {"query": question}),
        "mcp": ask("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "ask_kratom_faq", "arguments": {"message": question}}}),
        "gradio": {"text": through_gradio("reply", [question, [canary], "US"])},
        "gradio file": {"text": through_gradio("reply", [question, [{"role": "user", "content": ELSEWHERE}], "US"])},
        "gradio wrong": {"text": through_gradio("search", [question, canary])},
        "gradio wrong region": {"text": through_gradio("reply", [question, [], canary])},
        "gradio wrong history": {"text": through_gradio("reply", [question, [[canary]], "US"])},
        "library": ask(f"/library?q={canary}"),
        "thumb": ask("/feedback", {"kind": "helpful", "document": "liver", "passage": canary, "message": canary}),
        "not json": ask("/v1/reply", f'{{"message": "{canary}'.encode()),
        "wrong type": ask("/v1/reply", {"message": [canary]}),
        "no such path": ask(f"/v1/{canary}"),
        "no such document": ask(f"/read/{canary}"),
        "traversal": ask("/read/..%2f..%2fetc%2fpasswd"),
        "method": ask("/v1/reply", {"message": canary}, method="PUT"),
        "other host": ask("/config", headers={"origin": "https://evil.example", "host": "faq.example"}),
        "preflight": ask("/v1/reply", headers={"origin": "https://evil.example", "access-control-request-method": "POST"}, method="OPTIONS"),
        "page": ask("/"),
        "about": ask("/about"),
        "metrics": ask("/metrics"),
        "id": ask("/healthz", headers={"x-request-id": "0123456789abcdef"}),
        "bad id": ask("/healthz", headers={"x-request-id": canary}),
    }
    closed: tuple[str, ...] = (
        "upload",
        "upload_progress",
        "file=/etc/hostname",
        "file=http://127.0.0.1:1/",
        "proxy=http://127.0.0.1:1/",
        "stream/1",
        "deep_link",
        "component_server",
        "process_recording",
    )
    closed += ("vibe-code", "vibe-edit", "runs", "dev/reload", "custom_component/a/b/c/d", "profiling/summary", "run-history/buckets")
    others = (
        "/monitoring",
        "/monitoring/summary",
        "/login",
        "/logout",
        "/static/../../../etc/hostname",
        "/assets/..%2f..%2fapp.py",
        "/app.py",
        "/openapi",
        "/docs/",
        "/redoc",
    )
    seen["closed"] = {path: ask(path, {} if "upload" in path else None)["status"] for path in (*(f"/gradio_api/{path}" for path in closed), *others)}
    wrong = {"data": [canary, [{"role": canary, "content": {canary: 1}}], canary], "fn_index": 0, "session_hash": "a"}
    seen["event"] = ask("/gradio_api/queue/join", wrong)
    time.sleep(1)
    seen["metrics"] = ask("/metrics")
    return seen


def main(folder: Path, canary: str) -> None:
    process = started(folder)
    try:
        for _ in range(300):
            try:
                if ask("/healthz")["status"] == 200:
                    break
            except OSError:
                assert process.poll() is None, "the server did not start"
            time.sleep(0.3)
        seen = talk(canary)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
    (folder / "seen.json").write_text(json.dumps({**seen, "exit": code}), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
