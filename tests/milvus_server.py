"""Milvus Lite's own server on loopback, for every test that needs one."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path


def started(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """The server, once it listens. End it with kill(): its data goes with the folder, and told to end politely it may take a minute."""
    command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(240):
        assert process.poll() is None, "the server did not start"
        with socket.socket() as door:
            if door.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.25)
    process.kill()
    raise AssertionError("the server does not listen")
