"""The page from a cold start, beside the least that Gradio can show: an empty ChatInterface (benchmarks/peers/empty_chat.py).

    python benchmarks/page.py [--rounds 5] [--report docs/page-start.md]

Every start is a fresh server and a fresh Chromium with an empty cache, all on this machine; the two take turns, and each goes first in every other
round. Our index is ready before. What the operating system keeps of the files is left as it is. Read ratios, not times.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from benchmarks.performance_report import Rounds, cell, ratios, values
from bot import __version__, build

ROOT = Path(__file__).parents[1]
# (program, the box to type into, what an answer is shown in)
SYSTEMS = {
    "ours": ("app.py", "#kf-ask textarea", ".kf-reply"),
    "empty": ("benchmarks/peers/empty_chat.py", "textarea", "[data-testid=bot] p"),
}
ROWS = {
    "any_s": "start to the first HTTP answer (ours: the help lines while it opens), s",
    "port_s": "start to the page on the port, s",
    "paint_s": "start to first contentful paint, s",
    "usable_s": "start to a box that can be typed into, s",
    "answer_s": "start to the first answer shown, s",
    "opening_s": "of these, opening the page to first contentful paint, s",
    "asking_s": "of these, question sent to answer shown, s",
    "carried_mb": "transferred until then, MB",
    "peak_mb": "memory of the server at most, MB",
}
QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
QUESTION = "Is it dangerous to mix kratom with Xanax?"
LONGEST = 300_000  # milliseconds to wait for anything in the browser: a busy machine is slow
SHOWN = """selector => { const part = document.querySelector(selector);
  return part && part.checkVisibility() && !part.disabled && performance.timeOrigin + performance.now() }"""
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
Figures = dict[str, float]


def chromium(player: Playwright) -> Browser:
    """Debian's Chromium, or whichever is on the path."""
    path = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    assert path, "no Chromium found; install the package 'chromium'"
    return player.chromium.launch(executable_path=path, args=FLAGS)


def started(player: Playwright, system: str) -> Figures:
    """One start, one question and its answer. Times are the clock's, since the browser's own marks are."""
    program, box, answer = SYSTEMS[system]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {**os.environ, **QUIET, "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": port}
    with chromium(player) as browser:
        page = browser.new_page()
        carried = counted(page)
        began = time.time()
        process = subprocess.Popen([sys.executable, program], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603  # our own programs
        try:
            found = {name: at - began for name, at in ready(process, f"http://127.0.0.1:{port}/").items()}
            page.goto(f"http://127.0.0.1:{port}/", wait_until="commit", timeout=LONGEST)
            found["usable_s"] = shown(page, box) - began
            page.fill(box, QUESTION)
            sent = time.time()
            page.press(box, "Enter")
            found["answer_s"] = shown(page, answer) - began
            found["asking_s"] = found["answer_s"] + began - sent
            found["opening_s"] = page.wait_for_function(PAINT, timeout=LONGEST).json_value() / 1000
            found["paint_s"] = page.evaluate("performance.timeOrigin") / 1000 + found["opening_s"] - began
            found["peak_mb"] = int(Path(f"/proc/{process.pid}/status").read_text("utf-8").split("VmHWM:")[1].split()[0]) / 1024
            page.wait_for_timeout(1000)  # what was still on its way
            return {**found, "carried_mb": carried() / 1e6}
        finally:
            process.terminate()
            process.wait(60)


def ready(process: subprocess.Popen[bytes], address: str) -> dict[str, float]:
    """When anything answered, and when the page did."""
    found: dict[str, float] = {}
    while process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=60):  # noqa: S310  # our own server
                now = time.time()
                return {"any_s": now, **found, "port_s": now}
        except HTTPError:
            found.setdefault("any_s", time.time())
        except (OSError, HTTPException):
            pass  # nobody there yet, or just going
        time.sleep(0.02)
    raise SystemExit(f"{process.args!r} did not start")


def shown(page: Page, selector: str) -> float:
    """When the part was there, to be seen and enabled, by the browser's own clock."""
    at: float = page.wait_for_function(SHOWN, arg=selector, timeout=LONGEST).json_value()
    return at / 1000


def counted(page: Page) -> Callable[[], int]:
    """From now on: the bytes that came over the wire for the page, headers included; of a stream that is still open, what it brought."""
    session, carried = page.context.new_cdp_session(page), dict[str, int]()

    def came(event: dict[str, Any]) -> None:
        carried[event["requestId"]] = carried.get(event["requestId"], 0) + event["encodedDataLength"]

    session.on("Network.dataReceived", came)
    session.on("Network.loadingFinished", lambda event: carried.update({event["requestId"]: event["encodedDataLength"]}))
    session.send("Network.enable")
    return lambda: sum(carried.values())


def report(found: Rounds, rounds: int, made_with: str, target: Path | None) -> str:
    """The table, written to `target` where there is one."""
    lines = ["| | ours | Gradio's empty ChatInterface | ours over empty |", "|---|---|---|---|"]
    for column, name in ROWS.items():
        cells = (cell(figures) for figures in (values(found, "ours", column), values(found, "empty", column), ratios(found, {"empty"}, column, less=True)))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    told = f"Made by `benchmarks/page.py` with {made_with}: medians of {rounds} interleaved rounds [least, greatest]. Read ratios, not times."
    text = "\n".join(["# The page from a cold start", "", told, "", *lines]) + "\n"
    if target:
        target.write_text(text, "utf-8")
    return text


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--report", type=Path, help="write the report here (docs/page-start.md)")
    options = parser.parse_args()
    build()
    found: dict[str, list[Figures]] = {system: [] for system in SYSTEMS}
    with sync_playwright() as player:
        with chromium(player) as browser:
            made_with = f"version {__version__}, Gradio {version('gradio')}, Chromium {browser.version.split('.')[0]}"
        for number in range(options.rounds):
            for system in list(SYSTEMS)[:: -1 if number % 2 else 1]:
                found[system].append(started(player, system))
                print(f"round {number + 1}, {system}: first answer after {found[system][-1]['answer_s']:.1f} s", file=sys.stderr)
    print(report(found, options.rounds, made_with, options.report))


if __name__ == "__main__":
    main()
