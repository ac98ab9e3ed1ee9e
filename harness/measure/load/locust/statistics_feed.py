"""Feeds Locust's own statistics in batches, because firing `events.request` for each request would cost more than it.

Replaces `locust.stats.bucket_response_time` on import, so that Locust's percentiles are right to 0.5 % instead of being
rounded to whole milliseconds or two digits.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import locust.stats
import numpy as np
from locust.exception import StopTest
from locust.stats import StatsEntry, StatsError

from harness.clock import NS_PER_MS, NS_PER_S, monotonic_ns, wall_time
from harness.record.histogram import buckets_of, counted, middle_ms
from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from locust.env import Environment

    from harness.measure.load.payloads.request_classes import StatisticsKey
    from harness.record.recorder import Rows

OWN_PACKAGES = ("locust.runners", str(__package__))  # their listeners do not wait for reports of our own requests
logger = logging.getLogger(__name__)


def bucket_ms(response_time_ms: float) -> float:
    """The middle of the bucket that a response time is in; 0 for one that is not positive."""
    if response_time_ms <= 0:
        return 0
    return middle_ms(int(buckets_of(np.array([response_time_ms * NS_PER_MS]))[0]))


locust.stats.bucket_response_time = bucket_ms


class StatisticsFeed:
    """Adds rows to the statistics of one environment."""

    def __init__(self, environment: Environment, keys: Sequence[StatisticsKey | None]) -> None:
        self._environment = environment
        self._keys = keys  # by request class; it may grow
        self._errors_fed: dict[tuple[int, str], int] = {}
        self._wall_offset_s = 0.0

    def feed(self, rows: Rows, errors: Mapping[tuple[int, str], int]) -> None:
        """Count `rows`; `errors` counts all failures so far, by request class and text."""
        # Instants are CLOCK_MONOTONIC; Locust counts per second of wall-clock time, which may be set meanwhile.
        self._wall_offset_s = wall_time().timestamp() - monotonic_ns() / NS_PER_S
        stats = self._environment.stats
        if rows.size:
            for number, key in enumerate(self._keys):
                its_own = rows["request_class"] == number
                of_class = rows if its_own.all() else rows[its_own]  # copying whole rows is expensive
                if of_class.size and key is not None:
                    entry = self._entry(key, of_class)
                    stats.total.extend(entry)
                    stats.entries[key].extend(entry)
        self._feed_errors(errors)
        listeners = self._other_listeners()
        if listeners:
            self._fire(rows, listeners)

    def _entry(self, key: StatisticsKey, rows: Rows) -> StatsEntry:
        stats = self._environment.stats
        timed = rows["done_ns"] != ABSENT
        times_ns = (rows["done_ns"] - rows["due_ns"])[timed]
        times_ms = times_ns / NS_PER_MS
        seconds = (np.where(timed, rows["done_ns"], rows["due_ns"]) / NS_PER_S + self._wall_offset_s).astype(np.int64)
        failed = rows["outcome"] != Outcome.OK
        entry = StatsEntry(stats, key.name, key.method)
        entry.start_time = stats.start_time
        entry.num_requests = int(rows.size)
        entry.num_none_requests = int(rows.size - timed.sum())
        entry.num_failures = int(failed.sum())
        entry.total_response_time = float(times_ms.sum())
        entry.min_response_time = float(times_ms.min()) if times_ms.size else None
        entry.max_response_time = float(times_ms.max()) if times_ms.size else 0
        entry.response_times = {middle_ms(bucket): count for bucket, count in counted(buckets_of(times_ns)).items()}
        entry.num_reqs_per_sec = counted(seconds)
        entry.num_fail_per_sec = counted(seconds[failed])
        entry.total_content_length = int(np.maximum(rows["response_bytes"], 0).sum())
        entry.last_request_timestamp = float(rows["done_ns"].max() / NS_PER_S + self._wall_offset_s)
        return entry

    def _feed_errors(self, errors: Mapping[tuple[int, str], int]) -> None:
        known = self._environment.stats.errors
        for (number, text), count in errors.items():
            new, key = count - self._errors_fed.get((number, text), 0), self._keys[number]
            if new and key is not None:
                self._errors_fed[number, text] = count
                name = StatsError.create_key(key.method, key.name, text)
                error = known.setdefault(name, StatsError(key.method, key.name, text))
                error.occurrences += new - 1
                error.occurred()

    def _other_listeners(self) -> list[Any]:
        handlers = self._environment.events.request._handlers  # noqa: SLF001  (Locust offers no way to ask)
        return [handler for handler in handlers if not handler.__module__.startswith(OWN_PACKAGES)]

    def _fire(self, rows: Rows, listeners: list[Any]) -> None:
        """Report each request to the listeners that a user has registered, as Locust's own clients would."""
        for row in rows:
            key = self._keys[int(row["request_class"])]
            if key is None:
                continue
            outcome = Outcome(int(row["outcome"]))
            timed = row["done_ns"] != ABSENT
            request: dict[str, Any] = {
                "request_type": key.method,
                "name": key.name,
                "response_time": float(row["done_ns"] - row["due_ns"]) / NS_PER_MS if timed else None,
                "response_length": max(0, int(row["response_bytes"])),
                "exception": None if outcome is Outcome.OK else RequestFailedError(outcome, int(row["status"])),
                "context": {},
                "response": None,
                "start_time": float(row["due_ns"]) / NS_PER_S + self._wall_offset_s,
                "url": None,
            }
            for listener in listeners:
                try:
                    listener(**request)
                except StopTest:
                    raise
                except Exception:
                    logger.exception("Uncaught exception in event handler")
                    locust.log.unhandled_greenlet_exception = True


class RequestFailedError(Exception):
    """The exception that a listener of `events.request` gets for a request that failed."""

    def __init__(self, outcome: Outcome, status: int) -> None:
        super().__init__(f"{outcome.name.lower()}, HTTP {status}" if status != ABSENT else outcome.name.lower())
        self.outcome = outcome
