"""Builds in a temporary folder and puts the result in service with one rename. The corpus goes through in windows, never whole in memory.

Vectors are kept in shards as they are made: a build that was killed goes on from there. A corpus of one window goes the same way.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from bot.chunking import VERSION as CHUNKER
from bot.encoder import Encoder, export_encoder, export_name, is_whole, model_identity, open_encoder
from bot.errors import IndexFolderError, IndexWriteError
from bot.index.approximate import write_all
from bot.index.known import Keys, Known, Shards
from bot.index.matrix import table_of
from bot.index.shared import FORMAT, LIBRARIES, Documents, Progress, alone, check_files, current_build, read_json, sha256, write_synced
from bot.index.store import TABLES
from bot.index.workers import encoding
from bot.index.writing import Making, Writer, windows
from bot.settings import EXACT_UP_TO


def build_index(folder: Path, documents: Documents, model: str, progress: Progress, workers: str = "threads", exact_up_to: int = EXACT_UP_TO) -> None:
    """Build in a temporary folder and put it in service with one rename; whatever served before serves until then.

    `workers`: see bot/index/workers.py. `exact_up_to`: rows of a table above which its nearest are looked up approximately.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder):
            _build(folder, documents, model, progress, workers, exact_up_to)
    except (OSError, RuntimeError) as error:  # faiss tells of a full disk with a RuntimeError
        told = f"the index cannot be written to {folder} ({error}); what served before still does"
        raise IndexWriteError(f"{told}. Free some disk, or point KRATOM_FAQ_INDEX at a folder that can be written, and run: python -m bot build") from error


def _build(folder: Path, documents: Documents, model: str, progress: Progress, workers: str, exact_up_to: int) -> None:
    encoder_folder = _exported(folder, model, progress)
    encoder = open_encoder(encoder_folder, model)
    shards = Shards(folder / encoder_folder.name.replace("encoder-", ".encoding-"), encoder.dimension)
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder))
    try:
        with encoding(workers, encoder, encoder_folder, model) as encode:
            making = Making(_known(folder, encoder_folder.name), shards, encode, encoder.dimension)
            manifest = _write_build(work, documents, encoder, making, progress, exact_up_to)
        manifest["encoder"]["folder"] = encoder_folder.name
        write_synced(work / "manifest.json", json.dumps(manifest, indent=1))
        work.chmod(0o755)  # readable for whoever serves, who may be another user than who builds
        target = folder / f"build-{manifest['id'][:16]}-{work.name.removeprefix('.building-')}"  # no clock in it: clocks go back
        os.rename(work, target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    _put_in_service(folder, target.name)
    _sweep(folder, keep={target.name, encoder_folder.name})


def _known(folder: Path, export: str) -> Known:
    """Vectors of the build in service by the hash of their text, where the same encoder made them: unchanged text is not encoded again."""
    try:
        build = current_build(folder)
        manifest = read_json(build / "manifest.json")
        if manifest["encoder"]["folder"] != export:
            return Known()
        check_files(build, manifest)
        known, dimension = Known(), manifest["encoder"]["dimension"]
        for name in TABLES:
            keys: Keys = np.load(build / f"{name}.keys.npy", allow_pickle=False)
            known.add(keys, partial(table_of, build, name, len(keys), dimension))
        return known
    except (IndexFolderError, KeyError, OSError, ValueError):
        return Known()  # nothing usable: everything is made anew


def _exported(folder: Path, model: str, progress: Progress) -> Path:
    name, _, identity = model_identity(model)
    target = folder / export_name(identity)
    if is_whole(target):
        return target
    progress(f"exporting {name}", 0, 1)
    work = Path(tempfile.mkdtemp(prefix=".exporting-", dir=folder))
    try:
        export_encoder(model, work)
        work.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        os.rename(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    progress(f"exporting {name}", 1, 1)
    return target


def _write_build(work: Path, documents: Documents, encoder: Encoder, making: Making, progress: Progress, exact_up_to: int) -> dict[str, Any]:
    with Writer(work, making) as writer:
        for window in windows(documents, encoder):
            writer.add(window, progress, len(documents))
        written = writer.close()
    near = write_all(work, written["counts"], exact_up_to, progress)
    manifest = {
        "format": FORMAT,
        "chunker": CHUNKER,
        "encoder": {key: encoder.card[key] for key in ("name", "identity", "dimension", "max_tokens", "query_prefix")},
        "metric": "inner product of unit vectors (cosine)",
        "libraries": {name: version(name) for name in LIBRARIES},
        **written,
        **({"approximate": near} if near else {}),
        "files": {path.relative_to(work).as_posix(): sha256(path) for path in sorted(work.rglob("*")) if path.is_file()},
    }
    manifest["id"] = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    manifest["created"] = datetime.now(UTC).isoformat(timespec="seconds")
    return manifest


def _put_in_service(folder: Path, build: str) -> None:
    temporary = folder / f".current-{os.getpid()}.json"
    write_synced(temporary, json.dumps({"build": build}))
    os.replace(temporary, folder / "current.json")
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sweep(folder: Path, keep: set[str]) -> None:
    """Delete what no reader opens any more: builds and exports that were replaced, work of killed builds, shards that are in the build now."""
    for path in folder.iterdir():
        if path.is_dir() and path.name not in keep and path.name.startswith(("build-", "encoder-", ".building-", ".exporting-", ".encoding-")):
            shutil.rmtree(path, ignore_errors=True)
