"""Counts and times for Prometheus: which door, which route, which action, how long. Never a word of a message."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from bot.records import Reply

# Seconds. A reply takes 10 to 50 ms on an idle core; the upper ones show a machine that cannot keep up.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One set of counters; each server has its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.ready = Gauge("kratom_faq_ready", "1 when the index is in service", registry=self.registry)
        self._requests = Counter("kratom_faq_http_requests", "Requests by route and status", ("method", "route", "status"), registry=self.registry)
        self._seconds = Histogram("kratom_faq_http_request_seconds", "Time to answer", ("route",), buckets=BUCKETS, registry=self.registry)
        self._replies = Counter(
            "kratom_faq_replies", "Replies by door (http, mcp, page, gradio), action and urgency", ("door", "action", "urgency"), registry=self.registry
        )
        self._taken = Histogram("kratom_faq_reply_seconds", "Time to work out a reply, by door", ("door",), buckets=BUCKETS, registry=self.registry)
        self._rules = Counter("kratom_faq_rules", "Rules of guardrails.toml that fired, by net", ("rule", "net"), registry=self.registry)
        self._refusals = Counter(
            "kratom_faq_refused", "Requests turned away: rate, full, slow, queue, trickle, large, unknown, failed", ("why",), registry=self.registry
        )
        self.waiting = Gauge("kratom_faq_waiting", "Requests that wait for a place", registry=self.registry)
        self._queue = Gauge("kratom_faq_page_queue", "Messages in the queue of the page", registry=self.registry)
        self._searches = Counter("kratom_faq_searches", "Searches by door", ("door",), registry=self.registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one HTTP request; `route` is the template, so that no name a caller chose becomes a label."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def replied(self, door: str, answer: Callable[[], Reply]) -> Reply:
        """The reply of `answer`, counted and timed; an abstention is an action like the others."""
        began = time.perf_counter()
        reply = answer()
        self._taken.labels(door).observe(time.perf_counter() - began)
        self._replies.labels(door, reply.action, reply.urgency).inc()
        for rule, net in {(match.rule, match.net) for match in reply.decision.matches}:
            self._rules.labels(rule, net).inc()
        return reply

    def refused(self, why: str) -> None:
        """Count one request that was turned away."""
        self._refusals.labels(why).inc()

    def watch_queue(self, length: Callable[[], int]) -> None:
        """Read the length of the page's queue from now on."""
        self._queue.set_function(lambda: float(length()))

    def search(self, door: str) -> None:
        """Count one search."""
        self._searches.labels(door).inc()

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
