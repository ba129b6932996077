"""Results kept in memory by the sha256 of the text they were made from: follow-ups and popular questions ask for the same again.

What is asked for is kept as its hash; a remembered reply or query holds the words that were searched, in memory alone.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from threading import Event, Lock
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Remembered(Generic[Result]):
    """A function of one text that remembers its last `size` results; threads may share it."""

    def __init__(self, make: Callable[[str], Result], size: int, keep: Callable[[Result], bool] = lambda _: True) -> None:
        self._make, self._size, self._keep = make, size, keep
        self._kept: OrderedDict[bytes, Result] = OrderedDict()
        self._begun: dict[bytes, Event] = {}  # what a thread is making now: others wait for it
        self._lock = Lock()

    def __call__(self, text: str) -> Result:
        """What the function makes of the text; raises what it raises, which is not remembered; nor is what `keep` refuses."""
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        own = Event()
        with self._lock:
            if key in self._kept:
                return self._again(key)
            begun = self._begun.setdefault(key, own)
        if begun is not own:
            begun.wait()
            with self._lock:
                if key in self._kept:
                    return self._again(key)
            return self._make(text)  # it failed, or is not to be kept: everyone for himself
        try:
            made = self._make(text)  # outside the lock: others go on
            if self._keep(made):
                self._store(key, made)
            return made
        finally:
            with self._lock:
                del self._begun[key]
            own.set()

    def _again(self, key: bytes) -> Result:
        self._kept.move_to_end(key)
        return self._kept[key]

    def _store(self, key: bytes, made: Result) -> None:
        with self._lock:
            self._kept[key] = made
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
