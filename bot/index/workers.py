"""Who encodes in a build: threads of this process, processes of this machine, or a Ray cluster.

    chunks of texts ─Encode→ their vectors, in order

Threads are the default: onnxruntime computes outside Python's lock (docs/scale.md says how to compare them).
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bot.encoder import Encoder, Vectors, open_encoder
from bot.errors import EncoderError
from bot.settings import cores

Chunks = Sequence[list[str]]
Encode = Callable[[Chunks], Iterator[Vectors]]
_encoder: Encoder  # of a worker process, opened once


@contextmanager
def encoding(workers: str, encoder: Encoder, folder: Path, model: str) -> Iterator[Encode]:
    """The way to encode that `build --workers` names: threads, processes or ray. `folder` holds the exported encoder.

    Raises EncoderError where a process was killed, or where there is no Ray or no cluster.
    """
    if workers == "ray":
        yield _on_ray(folder, model)
        return
    if workers == "processes":
        context = multiprocessing.get_context("spawn")  # a fork would copy onnxruntime's threads half
        with ProcessPoolExecutor(cores(), context, _open, (folder, model)) as processes:
            try:
                yield lambda chunks: processes.map(_encoded, chunks)
            except BrokenProcessPool as error:
                told = "a process that encodes was killed, mostly for want of memory; run again, it goes on from there"
                raise EncoderError(f"{told}: python -m bot build --workers threads") from error
        return
    with ThreadPoolExecutor(cores()) as threads:  # each encodes on its own thread; a model that splits one text between threads is far slower
        yield lambda chunks: threads.map(encoder.encode, chunks)


def _open(folder: Path, model: str) -> None:
    global _encoder
    _encoder = open_encoder(folder, model)


def _encoded(chunk: list[str]) -> Vectors:
    return _encoder.encode(chunk)


class RayWorker:
    """One process of a Ray cluster that encodes: it sees the exported encoder under the same path as the machine that builds."""

    def __init__(self, folder: str, model: str) -> None:
        self._encoder = open_encoder(Path(folder), model)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """The vectors of a row's texts, as bytes, which Ray passes on without reading them."""
        return {"vectors": self._encoder.encode(list(row["texts"])).tobytes()}


def _on_ray(folder: Path, model: str) -> Encode:
    """Encode on the Ray cluster that RAY_ADDRESS names, or on processes of this machine. Raises EncoderError where there is no Ray or no cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise EncoderError(f"{error.name} is not installed, and build --workers ray needs it; run: pip install 'kratom-faq[ray]'") from error
    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS")
        local = {} if address else {"num_cpus": cores(), "include_dashboard": False}
        try:
            ray.init(log_to_driver=False, logging_level="error", **local)
        except (OSError, RuntimeError) as error:
            told = f"no Ray cluster answers at {address}" if address else "Ray does not start on this machine"
            raise EncoderError(f"{told} ({error}); start one (docs/scale.md) or unset RAY_ADDRESS, and run: python -m bot build --workers ray") from error
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    dimension = open_encoder(folder, model).dimension

    def encode(chunks: Chunks) -> Iterator[Vectors]:
        if not chunks:
            return
        workers = min(len(chunks), int(ray.cluster_resources()["CPU"]))
        rows = ray.data.from_items([{"texts": chunk} for chunk in chunks], override_num_blocks=len(chunks))
        made = rows.map(RayWorker, fn_constructor_args=(str(folder), model), compute=ray.data.ActorPoolStrategy(size=workers), num_cpus=1)
        for row in made.iter_rows():
            yield np.frombuffer(row["vectors"], dtype=np.float32).reshape(-1, dimension)

    return encode
