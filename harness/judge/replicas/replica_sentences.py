"""The plan of replicas in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import figure, grouped, percent
from harness.judge.replicas.replica_model import TailRange
from harness.plan.knobs import format_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.replicas.replica_plan import ReplicaPlan


def replica_sentences(found: ReplicaPlan, cores: int | None) -> Iterator[str]:
    """The number, how much it is used, what a loss does, how far it is from what was measured, and how sure that is.

    cores: of each replica, as in the run; None where they are not known.
    """
    metric = found.bound.partition(" ")[0]
    several = "s" if found.replicas > 1 else ""
    setting = ", ".join(f"{name}={format_value(value)}" for name, value in found.setting.items())
    of = f" of {setting}" if setting else ""
    most = "what each can do" if found.saturated else "the highest rate that was measured of one"
    on = f"; each on {cores} core{'s' if cores > 1 else ''} as in the run" if cores else ""
    yield (
        f"{grouped(found.replicas)} replica{several}{of} keep{'' if several else 's'} {found.bound} at "
        f"{figure(found.rate_rps, 3)} req/s: {metric} {TailRange(found.low_ms, found.high_ms).text}, "
        f"{percent(found.used)} of {most}{on}."
    )
    if found.fewer_may_do:
        yield "No more was tried of one: if it can do more, fewer are enough."
    if found.replicas == 1:
        yield "If it is lost, nothing is left; 2 survive the loss of one."
    elif found.one_lost_ms is None:
        others = "the others cannot serve the rate" if found.saturated else "it is not known how the others do"
        yield f"If one is lost, {others}; {grouped(found.survivors)} survive the loss of one."
    else:
        lost = TailRange(*found.one_lost_ms).text
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
