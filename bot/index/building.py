"""Builds in a temporary folder and puts the result in service with one rename. The corpus goes through in windows, never whole in memory.

Vectors are kept in shards as they are made: a build that was killed goes on from there. A corpus of one window goes the same way.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
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
from bot.index.reading import check_index
from bot.index.shared import FORMAT, LIBRARIES, VECTORS, Documents, Progress, alone, check_files, current_build, read_json, sha256, write_synced
from bot.index.store import TABLES
from bot.index.workers import encoding
from bot.index.writing import Making, Writer, windows
from bot.records import Claim
from bot.settings import EXACT_UP_TO


@dataclass(frozen=True, slots=True)
class Plan:
    """What is built. `workers`: see bot/index/workers.py. `exact_up_to`: rows of a table above which its nearest are looked up approximately."""

    documents: Documents
    model: str
    claims: Sequence[Claim] = ()
    workers: str = "threads"
    exact_up_to: int = EXACT_UP_TO


def build_index(folder: Path, plan: Plan, progress: Progress, *, force: bool = False) -> bool:
    """Build in a temporary folder and put it in service with one rename; whatever served before serves until then.

    False where another process built the same meanwhile, for which this one waited; unless `force`, that is not built again.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = _served(folder)
        with alone(folder):
            if not force and _served(folder) != before and _is_current(folder, plan):
                return False
            _build(folder, plan, progress)
            return True
    except (OSError, RuntimeError) as error:  # faiss tells of a full disk with a RuntimeError
        told = f"the index cannot be written to {folder} ({error}); what served before still does"
        raise IndexWriteError(f"{told}. Free some disk, or point KRATOM_FAQ_INDEX at a folder that can be written, and run: python -m bot build") from error


def _served(folder: Path) -> str | None:
    """The name of the build in service."""
    try:
        return current_build(folder).name
    except IndexFolderError:
        return None


def _is_current(folder: Path, plan: Plan) -> bool:
    try:
        check_index(folder, plan.documents, plan.model, plan.claims)
    except IndexFolderError:
        return False
    return True


def _build(folder: Path, plan: Plan, progress: Progress) -> None:
    encoder_folder = _exported(folder, plan.model, progress)
    encoder = open_encoder(encoder_folder, plan.model)
    shards = Shards(folder / encoder_folder.name.replace("encoder-", ".encoding-"), encoder.dimension)
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder))
    try:
        with encoding(plan.workers, encoder, encoder_folder, plan.model) as encode:
            making = Making(_known(folder, encoder_folder.name), shards, encode, encoder.dimension)
            manifest = _write_build(work, plan, encoder, making, progress)
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
        if any(not (build / name).is_file() for name in VECTORS):  # a server holds them, or somebody deleted them
            return Known()
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


def _write_build(work: Path, plan: Plan, encoder: Encoder, making: Making, progress: Progress) -> dict[str, Any]:
    with Writer(work, making) as writer:
        for window in windows(plan.documents, encoder):
            writer.add(window, progress, len(plan.documents))
        written = writer.close(plan.claims)
    near = write_all(work, written["counts"], plan.exact_up_to, progress)
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
