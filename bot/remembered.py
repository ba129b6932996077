"""Results kept in memory by the sha256 of the text they were made from: follow-ups and popular questions ask for the same again.

What is asked for is kept as its hash; a remembered reply or query holds the words that were searched, in memory alone.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Remembered(Generic[Result]):
    """A function of one text that remembers its last `size` results; threads may share it."""

    def __init__(self, make: Callable[[str], Result], size: int, keep: Callable[[Result], bool] = lambda _: True) -> None:
        self._make, self._size, self._keep = make, size, keep
        self._kept: OrderedDict[bytes, Result] = OrderedDict()
        self._lock = Lock()

    def __call__(self, text: str) -> Result:
        """What the function makes of the text; raises what it raises, which is not remembered; nor is what `keep` refuses."""
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = self._make(text)  # outside the lock: others go on
        if not self._keep(made):
            return made
        with self._lock:
            self._kept[key] = made
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return made
