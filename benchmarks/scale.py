"""FAISS flat, FAISS approximate and Milvus side by side in one run, as the number of vectors grows: build, load, p50, p99, memory, disk, recall@10.

    python -m benchmarks.scale --sizes 1000 10000 100000 1000000 --minutes 20 --report docs/scale-figures.md

The vectors are those of the index in service (its questions, passages and sentences) and, beyond them, synthetic ones: unit vectors between two real
ones, which lie about as real ones do. Asked are 200 more of the synthetic kind, the 50 nearest each, as the index asks. Every cell is a
process of its own, so that its memory is its own; what takes longer than --minutes, or more disk than a quarter of what is free, is said to.
Milvus is Milvus Lite's server on this machine (milvus-lite), or the one at MILVUS_URI, whose memory and disk this machine cannot see.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bot.encoder import Vectors
from bot.index import current_build
from bot.index.approximate import LIBRARY, Near, rescored, write_near
from bot.index.matrix import cosines, first, lent, mapped, rows_of
from bot.settings import Settings

ASKED, LIMIT = 200, 50
WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}  # threads that spin while they wait make a build on busy cores ten times as long
SYSTEMS = {"flat": "FAISS flat", "HNSW": "FAISS HNSW", "IVF-PQ": "FAISS IVF-PQ", "milvus-flat": "Milvus FLAT", "milvus-HNSW": "Milvus HNSW"}
COLUMNS = {"build_s": "build s", "load_s": "load s", "p50": "p50 ms", "p99": "p99 ms", "memory_mb": "memory MB", "disk_mb": "disk MB", "recall": "recall@10"}
Search = Callable[[Vectors], list[int]]


def main() -> None:
    """Measure every system at every size, or one cell where a parent asks for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--cell", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.cell:
        part, system, folder = given.cell
        print(json.dumps(CELLS[part](system, Path(folder))))
        return
    results: dict[int, dict[str, dict[str, Any]]] = {}
    for size in given.sizes:
        results[size] = {}
        with tempfile.TemporaryDirectory(prefix="scale-") as name:
            _vectors(size, Path(name))
            for system in given.systems:
                results[size][system] = _measured(system, size, Path(name), given.minutes * 60)
                print(size, system, results[size][system], file=sys.stderr, flush=True)
    print(_report(results, given.report))


def _vectors(size: int, folder: Path) -> None:
    """Write vectors.npy, asked.npy and the exact answers."""
    build, chance = current_build(Settings().with_environment().index), np.random.default_rng(7)
    real = np.concatenate([lent(build / "questions.faiss"), lent(build / "passages.faiss"), np.load(build / "sentences.npy")])
    real = real[chance.permutation(len(real))]
    vectors = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=(size, real.shape[1]))
    vectors[: len(real)] = real[:size]
    for begin in range(len(real), size, 50_000):
        vectors[begin : begin + 50_000] = _between(real, min(50_000, size - begin), chance)
    asked = _between(real, ASKED, chance)
    np.save(folder / "asked.npy", asked)
    np.save(folder / "exact.npy", np.array([first(cosines(np.asarray(vectors), one), 10) for one in asked]))


def _between(real: Vectors, count: int, chance: np.random.Generator) -> Vectors:
    """A real vector with a fifth to a half of another: 10,000 of these have the neighbours' cosines of as many real ones (first 0.73 against 0.75, tenth
    0.52 and 0.55, fiftieth 0.43 and 0.42) in a space of more dimensions (18 against 13 around a point), so what is approximate has it a little harder."""
    one, other = chance.integers(0, len(real), (2, count))
    part = chance.uniform(0.2, 0.5, (count, 1)).astype(np.float32)
    mixed = (1 - part) * real[one] + part * real[other]
    made: Vectors = (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32)
    return made


def _measured(system: str, size: int, folder: Path, limit: float) -> dict[str, Any]:
    if size * 1536 * 4 > shutil.disk_usage(folder).free / 4:
        return {"told": "too large for this disk"}
    server = _server(folder / f"{system}.server") if system.startswith("milvus") and not os.environ.get("MILVUS_URI") else None
    try:
        made: dict[str, Any] = {}
        for part in CELLS:
            command = [sys.executable, "-m", "benchmarks.scale", "--cell", part, system, str(folder)]
            environment = os.environ | WAITING | ({"MILVUS_URI": server[1]} if server else {})
            done = subprocess.run(  # noqa: S603  # this file itself
                command, capture_output=True, text=True, timeout=limit, check=False, env=environment
            )
            if done.returncode:
                return {**made, "told": (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1][:120]}
            made |= json.loads(done.stdout.splitlines()[-1])
            if server:
                status = Path(f"/proc/{server[0].pid}/status").read_text("utf-8")
                made["memory_mb"] = int(status.split("VmHWM:")[1].split()[0]) / 1024
                made.setdefault("disk_mb", _size(folder / f"{system}.server"))  # before the collection is dropped
        return made
    except subprocess.TimeoutExpired:
        return {**made, "told": f"not done after {limit / 60:.0f} minutes"}
    finally:
        if server:
            server[0].kill()
            server[0].wait()
            shutil.rmtree(folder / f"{system}.server", ignore_errors=True)


def _server(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    import socket

    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
    command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603  # Milvus Lite, by its module
    for _ in range(240):
        with socket.socket() as door:
            if door.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.25)
    return process, f"http://127.0.0.1:{port}"


def _size(path: Path) -> float:
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()) / 1e6


def _build(system: str, folder: Path) -> dict[str, Any]:
    vectors: Vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    began = time.perf_counter()
    if system.startswith("milvus"):
        _loaded(system, vectors)
        return {"build_s": time.perf_counter() - began}
    flat = LIBRARY.IndexFlatIP(vectors.shape[1])
    flat.add(np.ascontiguousarray(vectors))
    LIBRARY.write_index(flat, str(folder / "flat.faiss"))
    files = [folder / "flat.faiss"]
    if system != "flat":
        files.append(folder / f"{system}.near.faiss")
        told = write_near(files[1], rows_of(flat), np.load(folder / "asked.npy")[:100], graph=system == "HNSW")
        if not told:
            raise SystemExit("no effort finds 0.99 of the ten nearest")
        (folder / f"{system}.json").write_text(json.dumps(told), "utf-8")
    return {"build_s": time.perf_counter() - began, "disk_mb": sum(map(_size, files))}


def _loaded(system: str, vectors: Vectors) -> None:
    from bot.index.loading import BATCH, PATIENCE, create

    client, name = _client(), _collection(system)
    create(client, name, "sentences", vectors.shape[1], exact=system == "milvus-flat")
    for begin in range(0, len(vectors), BATCH):
        rows = vectors[begin : begin + BATCH]
        client.insert(name, [{"row": begin + place, "vector": row} for place, row in enumerate(rows)], timeout=PATIENCE)
    client.flush(name, timeout=PATIENCE)
    client.load_collection(name, timeout=PATIENCE)
    client.close()


def _client() -> Any:
    from pymilvus import MilvusClient

    return MilvusClient(uri=os.environ["MILVUS_URI"], token=os.environ.get("KRATOM_FAQ_MILVUS_TOKEN", ""))


def _collection(system: str) -> str:
    return f"scale_{system.removeprefix('milvus-')}"


def _ask(system: str, folder: Path) -> dict[str, Any]:
    asked, exact = np.load(folder / "asked.npy"), np.load(folder / "exact.npy")
    began = time.perf_counter()
    search = _opened(system, folder, len(np.load(folder / "vectors.npy", mmap_mode="r")))
    load = time.perf_counter() - began
    times, found = [], []
    for query in asked[:20]:
        search(query)
    for query in asked:
        began = time.perf_counter()
        found.append(search(query))
        times.append(1000 * (time.perf_counter() - began))
    if system.startswith("milvus"):
        _client().drop_collection(_collection(system))
    recall = float(np.mean([len({*one[:10]} & {*other.tolist()}) / 10 for one, other in zip(found[100:], exact[100:], strict=True)]))  # not those tuned on
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"load_s": load, "p50": np.percentile(times, 50), "p99": np.percentile(times, 99), "memory_mb": memory, "recall": recall}


def _opened(system: str, folder: Path, size: int) -> Search:
    if system.startswith("milvus"):
        client, name = _client(), _collection(system)
        client.load_collection(name)
        options = {"metric_type": "IP", "params": {"ef": 256}}
        return lambda query: list(client.search(name, data=[query], anns_field="vector", limit=LIMIT, output_fields=["row"], search_params=options)[0].ids)
    path = folder / "flat.faiss"
    if system == "flat":
        rows = lent(path)
        return lambda query: first(cosines(rows, query), LIMIT)
    told = json.loads((folder / f"{system}.json").read_text("utf-8"))
    graph = system == "HNSW"
    index = LIBRARY.read_index(str(folder / f"{system}.near.faiss"), LIBRARY.IO_FLAG_SKIP_STORAGE if graph else 0)
    if graph:
        index.storage = flat = LIBRARY.read_index(str(path))
    vectors, near = rows_of(flat) if graph else mapped(path, size, index.d), Near(index, system, told["effort"])
    return lambda query: rescored(vectors, near.search(query, LIMIT), query, LIMIT)


CELLS: dict[str, Callable[[str, Path], dict[str, Any]]] = {"build": _build, "ask": _ask}


def _report(results: dict[int, dict[str, dict[str, Any]]], target: Path | None) -> str:
    lines = [
        "# Stores side by side",
        "Made by `benchmarks/scale.py` in one run: vectors of the corpus and, beyond them, synthetic ones between two real ones. The 50 nearest of 200 "
        "queries, one at a time; memory at its highest (of the server, for Milvus). Milvus is Milvus Lite's server on the same cores.",
    ]
    for size, systems in results.items():
        rows = [f"| {size:,} vectors | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 1) + "|"]
        for system, made in systems.items():
            cells = " | ".join(f"{made[column]:.3g}" if column in made else "–" for column in COLUMNS)
            rows.append(f"| {SYSTEMS[system]}{' (' + made['told'] + ')' if 'told' in made else ''} | {cells} |")
        lines.append("\n".join(rows))
    if target:
        plot = target.with_suffix(".svg")
        _plot(results, plot)
        lines.append(f"![How build and query grow]({plot.name})")
    text = "\n\n".join(lines) + "\n"
    if target:
        target.write_text(text, "utf-8")
    return text


def _plot(results: dict[int, dict[str, dict[str, Any]]], target: Path) -> None:
    """Build and query over the sizes, both axes by powers of ten."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4))
    for axis, column in zip(axes, ("build_s", "p50"), strict=True):
        for system, title in SYSTEMS.items():
            points = [(size, systems[system][column]) for size, systems in results.items() if column in systems.get(system, {})]
            if points:
                axis.loglog(*zip(*points, strict=True), marker="o", label=title)
        axis.set_xlabel("vectors")
        axis.set_title(COLUMNS[column])
        axis.grid(visible=True, which="major", alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(target, format="svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
