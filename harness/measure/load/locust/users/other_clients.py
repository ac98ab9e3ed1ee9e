"""Writes rows for requests of other clients: FastHttpUser, HttpUser, or any that fires `events.request`.

Their instants are those that the client reports: from the call to the end of the response, without the first byte. What
a task takes as good counts as good, as Locust has it; where the body says that the request failed, the load's report
says so too.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from locust.exception import CatchResponseError

from harness.clock import NS_PER_MS, NS_PER_S, monotonic_ns, wall_time
from harness.measure.load.ledger import ObservedRequest
from harness.measure.load.timeout_errors import is_timeout
from harness.record.rows import ABSENT, Outcome
from harness.wire.failure_text import SMALL, is_page, quoted, reported_in
from harness.wire.http.refusal import REFUSED_STATUSES

if TYPE_CHECKING:
    from harness.measure.load.load_generator import Load

CAUGHT = "_sweepspot_caught"  # an attribute of responses that the task looks into itself
OTHER_CLOCK_NS = 60 * NS_PER_S  # a client may report a request later than it ended, but not by that much
WALL_STEP_NS = NS_PER_S // 10  # a start that is off by more was reported late, or the wall clock was set meanwhile
logger = logging.getLogger(__name__)


class OtherClientRecorder:
    """Records the requests that `events.request` reports during a test."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._warned = False
        # Locust's instants are wall-clock time; those of rows are CLOCK_MONOTONIC. The wall clock may be set, or go on
        # while the machine sleeps: requests that were open then began by the earlier offset.
        self._wall_offsets_ns: tuple[float, ...] = (_wall_offset_ns(),)

    def on_request(  # noqa: PLR0917  (Locust's own signature)
        self,
        request_type: str,
        name: str,
        response_time: float | None,
        response_length: int | None = 0,
        exception: Exception | None = None,
        response: Any = None,
        start_time: float | None = None,
        **_: Any,
    ) -> None:
        """Record a request that has ended."""
        duration_ns = round((response_time or 0) * NS_PER_MS)
        start_ns = monotonic_ns() - duration_ns
        if start_time is not None:
            start_ns = self._started(start_time, start_ns)
        status = getattr(response, "status_code", 0) or ABSENT
        outcome = outcome_of(status, exception)
        caught = bool(getattr(response, CAUGHT, False))
        seen = ObservedRequest(
            outcome=outcome,
            error="" if exception is None else _text(outcome, status, exception),
            status=status,
            size_bytes=response_length or 0,
            start_ns=start_ns,
            done_ns=start_ns + duration_ns,
            checked=caught,
            unnoticed="" if caught or exception is not None else reported_failure(response),
        )
        self._load.ledger.observed(seen, self._load.classes.place(name, request_type, fed=False))

    def _started(self, start_time: float, by_duration_ns: int) -> int:
        """The start by the client's own clock; by the duration where that clock is not `time.time()`."""
        start_ns = self._nearest(start_time, by_duration_ns)
        if abs(start_ns - by_duration_ns) > WALL_STEP_NS:
            now_ns = _wall_offset_ns()
            if abs(now_ns - self._wall_offsets_ns[-1]) > WALL_STEP_NS:
                self._wall_offsets_ns = (self._wall_offsets_ns[-1], now_ns)
            start_ns = self._nearest(start_time, by_duration_ns)
        if abs(start_ns - by_duration_ns) <= OTHER_CLOCK_NS:
            return start_ns
        if not self._warned:
            self._warned = True
            logger.warning("start_time of events.request is not time.time(): requests are taken as ended when reported")
        return by_duration_ns

    def _nearest(self, start_time: float, by_duration_ns: int) -> int:
        starts_ns = (round(start_time * NS_PER_S - offset_ns) for offset_ns in self._wall_offsets_ns)
        return min(starts_ns, key=lambda each_ns: abs(each_ns - by_duration_ns))


def _wall_offset_ns() -> float:
    return wall_time().timestamp() * NS_PER_S - monotonic_ns()


def outcome_of(status: int, exception: Exception | None) -> Outcome:
    """The outcome of a row by the status and the exception that a client reports."""
    if exception is None:
        return Outcome.OK
    if status in REFUSED_STATUSES:
        return Outcome.REJECTED
    if isinstance(exception, CatchResponseError) and 200 <= status < 300:
        return Outcome.WRONG  # the task itself has rejected the response
    return Outcome.TIMEOUT if is_timeout(exception) else Outcome.ERROR


def reported_failure(response: Any) -> str:
    """The words of a body that reports a failure; empty where there are none.

    Only a body that the client has read already is looked into, and no web page, which may be what was asked for.
    """
    known = (getattr(response, name, None) for name in ("_content", "_cached_content"))  # of requests, geventhttpclient
    body = next((each for each in known if isinstance(each, bytes)), b"")
    return "" if len(body) > SMALL or is_page(body) else reported_in(body) or ""


def _text(outcome: Outcome, status: int, exception: Exception) -> str:
    """The text of an error: the words of a task that rejects a response, else the type of the exception.

    The text of any other exception may hold what was sent.
    """
    if outcome is Outcome.WRONG:
        return f"a wrong response: {quoted(str(exception))}"
    if status != ABSENT:
        return f"HTTP {status}"
    return f"{outcome.name.lower()}: {type(exception).__name__}"
