"""Starts app.py as a Space does and asks it a question through gradio_client; run by .ci/space in the environment it made."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

LIMIT = 900  # seconds for the first start, which builds the index; a Space allows 30 minutes
ADDRESS = "http://127.0.0.1:7860"


def main() -> None:
    """Start, wait until it is ready, ask, look at what it took."""
    walls()
    began = time.monotonic()
    app = subprocess.Popen([sys.executable, "app.py"])
    try:
        while not ready():
            if app.poll() is not None or time.monotonic() - began > LIMIT:
                raise SystemExit(f"app.py did not start ({app.poll()})")
            time.sleep(2)
        took = time.monotonic() - began
        from gradio_client import Client

        client = Client(ADDRESS, verbose=False)
        reply = client.predict("is it dangerous to mix kratom with xanax", api_name="/reply")
        assert reply["action"] == "caution" and reply["hits"][0]["passage"]["text"], reply
        assert client.predict("liver injury", 2, api_name="/search")[0]["passage"]["topic"] == "safety"
        Path("reply.json").write_text(json.dumps(reply), "utf-8")
        subprocess.run([sys.executable, "bot/verify.py", "reply.json"], check=True)
        peak = next(line.split()[1] for line in Path(f"/proc/{app.pid}/status").read_text("utf-8").splitlines() if line.startswith("VmHWM"))
        assert int(peak) < 16 * 1024 * 1024, f"{peak} kB is more than a Space has"
        sys.stdout.write(f"the Space answers: ready after {took:.0f} s, {int(peak) / 1024:.0f} MB at most, {len(os.sched_getaffinity(0))} processors\n")
    finally:
        app.terminate()
        app.wait(30)


def walls() -> None:
    """Say which of a Space's walls stand here: what cannot be reached and where nothing can be written."""
    try:
        socket.create_connection(("huggingface.co", 443), 5).close()
        sys.stdout.write("NOTE: the network is open here\n")
    except OSError:
        sys.stdout.write("no network beyond this machine\n")
    written = [place for place in ("/etc", "/usr", "/var", str(Path(sys.prefix).resolve())) if os.access(place, os.W_OK)]
    sys.stdout.write(
        f"NOTE: can be written here: {', '.join(written)}\n" if written else f"read-only but for {Path.cwd()}, the home and the temporary folder\n"
    )


def ready() -> bool:
    """Whether the page answers; while the index is built it says 503."""
    try:
        with urllib.request.urlopen(f"{ADDRESS}/healthz", timeout=5) as answer:  # noqa: S310  # our own address
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    main()
