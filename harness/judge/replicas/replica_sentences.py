"""The plan of replicas in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.interval import Interval
from harness.judge.number_text import figure, grouped, milliseconds, percent
from harness.plan.knobs import format_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.replicas.replica_plan import ReplicaPlan


def replica_sentences(found: ReplicaPlan, cores: int) -> Iterator[str]:
    """The number, how much it is used, what a loss does, how far it is from what was measured, and how sure that is.

    cores: of each replica, as in the run.
    """
    metric = found.bound.partition(" ")[0]
    several = "s" if found.replicas > 1 else ""
    setting = ", ".join(f"{name}={format_value(value)}" for name, value in found.setting.items())
    of = f" of {setting}" if setting else ""
    on = f"each on {cores} core{'s' if cores > 1 else ''} as in the run"
    yield (
        f"{grouped(found.replicas)} replica{several}{of} keep{'' if several else 's'} {found.bound} at "
        f"{figure(found.rate_rps, 3)} req/s: {metric} {_range(found.low_ms, found.high_ms)}, {percent(found.used)} of "
        f"what each can do; {on}."
    )
    if found.replicas == 1:
        yield "If it is lost, nothing is left; 2 survive the loss of one."
    elif found.one_lost_ms is None:
        yield f"If one is lost, the others cannot serve the rate; {grouped(found.survivors)} survive the loss of one."
    else:
        lost = _range(*found.one_lost_ms)
        yield f"If one is lost, {metric} is {lost}; {grouped(found.survivors)} survive the loss of one."
    yield f"This is predicted from {found.source}, for arrivals at random that a balancer spreads evenly."
    if found.beyond > 1:
        yield f"Each would serve {percent(found.beyond - 1)} more than was measured of one: that much is extrapolated."
    if found.replicas > 1:
        yield "What replicas share (network, memory, the balancer) was not measured: it can only make them slower."
    yield (
        f"{found.held_out} measured points, predicted without themselves, are off by {percent(found.off_throughput)} "
        f"in throughput and {percent(found.off_tail)} in {metric} (medians)."
    )


def _range(low_ms: float, high_ms: float) -> str:
    low, high = milliseconds(low_ms), milliseconds(high_ms)
    if Interval(high_ms, low_ms, high_ms).vague:
        return f"at most {high}"
    return high if low == high else f"{low} to {high}"
