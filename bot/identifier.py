"""py3langid's language identifier in a fifth of its memory: its tables stay in a file, of which a message touches a few pages.

py3langid unpacks its model to a temporary file, copies 39 MB of it into memory twice and keeps 142 languages of it: 180 MB at most, 97 MB for good.
Here the same file is mapped (where /tmp is memory it stays there), and what is copied is
the languages that are wanted. Scores are the same (tests/test_language.py).
"""

from __future__ import annotations

import logging
import lzma
import mmap
import shutil
import tempfile
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import numpy as np
from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier

log = logging.getLogger(__name__)
MEGABYTE = 1 << 20
ROWS = 10_000  # of a table copied at once: 3 MB of the file


class _Mapped(LanguageIdentifier):  # type: ignore[misc]  # the library has no types
    """Gives the pages back that a text has touched: the system's cache of the file holds them for the next."""

    __slots__ = ("held",)

    def rank(self, text: str) -> Any:
        """As the library's own."""
        try:
            return super().rank(text)
        finally:
            _give_back(self.held)


def open_identifier(languages: Collection[str], model: Path = MODEL_DIR / MODEL_FILE) -> Any:
    """An identifier of the languages (ISO 639 codes): `.rank(text)` gives each with its probability, the likeliest first."""
    try:
        return _mapped(model, languages)
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:  # another version's model
        log.info("the language model cannot be mapped (%s) and is read whole", error)
        identifier = LanguageIdentifier.from_model_file(model, norm_probs=True)
        identifier.set_languages(list(languages))
        return identifier


def _mapped(model: Path, languages: Collection[str]) -> Any:
    with tempfile.TemporaryFile() as file:
        with lzma.open(model) as packed:
            shutil.copyfileobj(packed, file, MEGABYTE)
        file.flush()
        held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # outlives the file's name and handle
        whole = memoryview(held)
        with zipfile.ZipFile(file) as members:
            tables = {name: _array(file, whole, members.getinfo(f"{name}.npy")) for name in ("ptc", "pc", "classes", "nextmove", "nextmove_row", "out_feat")}
    codes = tables["classes"].tolist()
    if unknown := set(languages) - set(codes):
        raise ValueError(f"no language {', '.join(sorted(unknown))}")
    kept = [place for place, code in enumerate(codes) if code in languages]
    moves = memoryview(tables["nextmove"])  # gives plain numbers, as the array that the library reads does
    likely = np.empty((len(tables["ptc"]), len(kept)), tables["ptc"].dtype)
    for begin in range(0, len(likely), ROWS):
        likely[begin : begin + ROWS] = tables["ptc"][begin : begin + ROWS, kept]
        _give_back(held)
    names = [codes[place] for place in kept]
    made = _Mapped(likely, tables["pc"][kept], names, moves, tables["out_feat"].tolist(), norm_probs=True, tk_row=tables["nextmove_row"].tolist())
    made.held = held
    return made


def _give_back(held: mmap.mmap) -> None:
    """Let go of the pages in memory; who reads them again gets them from the file."""
    if hasattr(held, "madvise"):  # not on Windows
        held.madvise(mmap.MADV_DONTNEED)


def _array(file: IO[bytes], whole: memoryview, member: zipfile.ZipInfo) -> Any:
    """A member of the archive as an array over the mapped file. ValueError where it is compressed: it cannot be mapped then."""
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member.filename} is compressed")
    file.seek(member.header_offset + 26)
    name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    file.seek(member.header_offset + 30 + name + extra)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{member.filename} has another layout")
    shape, by_column, kind = np.lib.format.read_array_header_1_0(file)
    count = int(np.prod(shape))
    return np.frombuffer(whole, kind, count, file.tell()).reshape(shape, order="F" if by_column else "C")
