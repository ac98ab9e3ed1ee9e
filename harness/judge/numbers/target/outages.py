"""The outages of one trial that are the target's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.judge.metrics import Outage
from harness.judge.numbers.machine.usable_time import NEVER_NS
from harness.judge.numbers.target.availability import Availability, Exchanges, OutageKind, availability
from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from harness.judge.numbers.machine.harmed_time import UsableTime
    from harness.judge.numbers.trial_rows import TrialRows

# Silence begins at 50 median service times. Who cannot run for this share of the time takes five times as long; a
# silence in which target and load could run more than that is not the machine's.
HINDERED = 0.8


def trial_availability(rows: TrialRows, usable: UsableTime | None) -> Availability:
    """When the target did not serve within the window, without silences in which others kept it from running."""
    # A request whose connection was refused was never sent: the target turned it away all the same.
    sent = rows.everything.where(~rows.everything.outcome_is(Outcome.NOT_SENT))
    ended = sent["done_ns"] != ABSENT
    responded = sent.outcome_is(Outcome.OK, Outcome.WRONG, Outcome.CANCELLED, Outcome.REJECTED)
    responded |= sent.outcome_is(Outcome.ERROR) & (sent["status"] != ABSENT)
    exchanges = Exchanges(
        sent_ns=np.where(sent["sent_ns"] != ABSENT, sent["sent_ns"], sent["due_ns"]),
        done_ns=np.where(ended, sent["done_ns"], NEVER_NS),
        answered=responded & ended,
        good=sent.outcome_is(Outcome.OK, Outcome.WRONG, Outcome.CANCELLED),
        rejected=sent.outcome_is(Outcome.REJECTED),
    )
    found = availability(exchanges, (rows.window.start_ns, rows.window.end_ns))
    if usable is None:
        return found
    own = tuple(
        outage
        for outage in found.outages
        if outage.kind is not OutageKind.SILENT
        or usable.stretches.hindered_share(outage.start_ns, outage.end_ns) <= HINDERED
    )
    return Availability(found.window_ns, own)


def outages_of(found: Availability) -> tuple[Outage, ...]:
    """The same for a report, in seconds since the window began."""
    start_ns, end_ns = found.window_ns
    return tuple(
        Outage(
            kind=outage.kind,
            start_s=(outage.start_ns - start_ns) / 1e9,
            end_s=(outage.end_ns - start_ns) / 1e9,
            requests=outage.requests,
            ended=outage.end_ns < end_ns,
        )
        for outage in found.outages
    )
