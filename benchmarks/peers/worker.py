"""One system in a process of its own: builds its index, or opens it and answers. Standard library alone, so that it runs in every environment.

    PYTHON worker.py build SYSTEM given.json FOLDER      -> {"build_s", "index_mb"}
    PYTHON worker.py answer SYSTEM given.json FOLDER     -> a line when the first question is answered, then everything measured

A system is a module beside this one with `build(texts, model, folder)` and `opened(model, folder) -> answer`, where `answer(question)` gives the
numbers of the ten nearest texts; `ours` and `floor` read their own index. Every phase asks questions of its own: nothing is answered from memory.
"""

import importlib
import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


def build(system: Any, given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Build the index of the given texts."""
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    system.build(given["texts"], given["model"], folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"build_s": time.perf_counter() - began, "index_mb": size / 1e6}


def answer(system: Any, given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Open the index, answer, and measure."""
    phases = given["phases"]
    began = time.perf_counter()
    ask = system.opened(given["model"], folder)
    loaded = time.perf_counter() - began
    ask(phases["first"])
    megabytes = peak()
    print(json.dumps({"first": True}), flush=True)
    times = [1000 * timed(ask, question) for question in phases["single"]]
    found: dict[str, Any] = {"load_s": loaded, "first_mb": megabytes, "single_ms": times[len(times) // 10 :]}  # the first tenth warms it up
    for clients in (1, 8, 64):
        found[f"rate_{clients}"] = rate(ask, phases[f"rate_{clients}"], clients)
    found["peak_mb"] = peak()
    rank = getattr(system, "ranked", lambda *_: ask)(given["model"], folder)
    found["ranked"] = [rank(question) for question in given["ranked"]]
    found.update(getattr(system, "more", dict)())
    return found


def timed(ask: Callable[[str], Any], question: str) -> float:
    """Seconds of one answer."""
    began = time.perf_counter()
    ask(question)
    return time.perf_counter() - began


def rate(ask: Callable[[str], Any], questions: list[str], clients: int) -> float | None:
    """Questions a second with so many clients asking at once; None where the system cannot."""
    ready = threading.Barrier(clients + 1)
    share = [questions[number::clients] for number in range(clients)]

    def client(own: list[str]) -> None:
        ready.wait()
        for question in own:
            ask(question)

    with ThreadPoolExecutor(clients) as pool:
        asking = [pool.submit(client, own) for own in share]
        ready.wait()
        began = time.perf_counter()
        try:
            for one in asking:
                one.result()
        except Exception as error:  # a system that cannot be asked by several at once says so in many ways
            print(f"{clients} clients: {error!r}", file=sys.stderr)
            return None
        return len(questions) / (time.perf_counter() - began)


def peak() -> float:
    """Megabytes that the process held at most; on Linux without what its parent held, which ru_maxrss counts too."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    what, name, path, folder = sys.argv[1:]
    GIVEN = json.loads(Path(path).read_text("utf-8"))
    print(json.dumps({"build": build, "answer": answer}[what](importlib.import_module(name), GIVEN, Path(folder))), flush=True)
