"""How often one client may ask: a bucket of requests that fills again with time. An address is kept as a keyed hash, in memory, while it asks."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections import OrderedDict

BURST = 40  # requests at once: someone who taps through a page and its pages of sources, or a program's start
CLIENTS = 10_000  # buckets kept; the one unused longest goes first


class Rate:
    """Buckets by client. `per_minute` 0 switches it off. Programs on this machine are not limited: a proxy must say whom it asks for."""

    def __init__(self, per_minute: int) -> None:
        self._per_second = per_minute / 60
        self._key = secrets.token_bytes(16)  # the hashes mean nothing to another process
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def wait(self, address: str, now: float, *, forwarded: bool = False) -> float:
        """Seconds until this client may ask; 0 when it may now, and then the request is counted.

        `now`: seconds on a clock that never goes back. `forwarded`: the address is what a request says of itself, so this machine's own is not believed.
        """
        name = _network(address) or ("a proxy" if forwarded else None)
        if not self._per_second or name is None:
            return 0.0
        key = hashlib.blake2b(name.encode(), key=self._key, digest_size=12).digest()
        left, then = self._buckets.pop(key, (float(BURST), now))
        left = min(BURST, left + max(now - then, 0) * self._per_second)
        allowed = left >= 1
        self._buckets[key] = (left - 1 if allowed else left, now)
        if len(self._buckets) > CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._per_second


def _network(address: str) -> str | None:
    """The address, of IPv6 its /64, which one household has; None for this machine."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address  # a test's client, a socket: one bucket for all without an address
    if known.is_loopback:
        return None
    return str(known) if known.version == 4 else str(ipaddress.ip_network((known, 64), strict=False))
