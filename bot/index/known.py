"""Vectors by the hash of their text: those of the build in service, and shards that a killed build left behind.

text ─key→ sha256 ─Known→ file and row ─→ vector          (the files stay on the disk; 40 bytes of memory a vector)
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bot.encoder import Vectors
from bot.index.shared import sha256

Keys = npt.NDArray[np.bytes_]
Places = npt.NDArray[np.int64]
KEY = "S64"  # sha256 in hex
HEAD = "S32"  # as much of it as is kept in memory: 128 bits, so that no two texts of any corpus share it
ROWS = 32  # bits of a place that are the row; those above are the file


def keys_of(texts: Sequence[str]) -> Keys:
    """The key of each text, shape (n,)."""
    return np.array([hashlib.sha256(text.encode("utf-8", "replace")).hexdigest() for text in texts], dtype=KEY)


class Known:
    """Where the vector of a key lies. Sorted runs, merged as they grow, so that adding and finding stay logarithmic."""

    def __init__(self) -> None:
        self._files: list[Callable[[], Vectors]] = []
        self._runs: list[tuple[Keys, Places]] = []  # oldest first, each sorted by key

    def add(self, keys: Keys, opened: Callable[[], Vectors]) -> None:
        """Note a file of vectors: `opened` maps its rows, one a key. What is added later goes before what was there."""
        if not len(keys):
            return
        self._push(keys.astype(HEAD), np.arange(len(keys), dtype=np.int64) + (len(self._files) << ROWS))
        self._files.append(opened)
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            (new, newer), (old, older) = self._runs.pop(), self._runs.pop()
            self._push(np.concatenate([new, old]), np.concatenate([newer, older]))

    def find(self, keys: Keys) -> Places:
        """The place of each key, -1 where there is none."""
        heads, places = keys.astype(HEAD), np.full(len(keys), -1, dtype=np.int64)
        for run, numbers in self._runs:
            at = np.minimum(np.searchsorted(run, heads), len(run) - 1)
            found = run[at] == heads
            places[found] = numbers[at[found]]
        return places

    def take(self, places: Places, out: Vectors, rows: Places) -> None:
        """Write the vectors of `places` into `rows` of `out`, one file after the other."""
        files = places >> ROWS
        for file in np.unique(files):
            chosen = files == file
            out[rows[chosen]] = self._files[file]()[places[chosen] & ((1 << ROWS) - 1)]

    def _push(self, keys: Keys, places: Places) -> None:
        order = np.argsort(keys, kind="stable")
        self._runs.append((keys[order], places[order]))


class Shards(Known):
    """Vectors made by this build, a file each few thousand: written whole or not at all, so that a killed build's are taken up by the next."""

    def __init__(self, folder: Path, dimension: int) -> None:
        super().__init__()
        self._folder = folder
        self._row = np.dtype([("key", KEY), ("vector", np.float32, (dimension,))])
        folder.mkdir(exist_ok=True)
        for path in sorted(folder.iterdir()):
            if path.suffix == ".npy" and path.stem == sha256(path):
                self._note(path)
            else:
                path.unlink()  # damaged, or cut short by the kill

    def keep(self, keys: Keys, vectors: Vectors) -> None:
        """Put vectors and their keys into a shard of their own, which bears the hash of its bytes as its name."""
        rows = np.empty(len(keys), dtype=self._row)
        rows["key"], rows["vector"] = keys, vectors
        temporary = self._folder / "unfinished"
        with temporary.open("wb") as file:
            np.save(file, rows, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        target = self._folder / f"{sha256(temporary)}.npy"
        os.replace(temporary, target)
        self._note(target)

    def _note(self, path: Path) -> None:
        keys = np.load(path, mmap_mode="r", allow_pickle=False)["key"]

        def opened() -> Any:
            return np.load(path, mmap_mode="r", allow_pickle=False)["vector"]

        self.add(np.array(keys), opened)
