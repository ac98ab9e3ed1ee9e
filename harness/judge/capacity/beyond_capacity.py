"""A capacity in the units of a language model, and what lies beyond it: a cliff, or rates that keep the limit again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.run_result import Cliff, StreamLoad

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.judge.capacity.border import RateTrial
    from harness.judge.metrics import PointMetrics

SOON = 1.25  # times the capacity: as far beyond it a cliff is looked for
STEEP = 0.3  # share of requests that break the bound there
FALLEN = 0.8  # times the rate of the capacity: so much less is answered beyond it


def stream_load(rate_rps: float, point: PointMetrics) -> StreamLoad | None:
    """Tokens and users of a rate, by the point that was measured nearest to it; None for other servers."""
    stream, answered_rps = point.stream, point.throughput_rps.value
    if stream is None or stream.tokens_per_s is None or not answered_rps or not point.rate_target_rps:
        return None
    return StreamLoad(
        tokens_per_s=rate_rps * stream.tokens_per_s.value / answered_rps,
        measured_at_rps=point.rate_target_rps,
        users=stream.in_flight or None,
        tokens_per_s_of_user=stream.tokens_per_s_of_stream,
    )


def find_cliff(
    capacity_rps: float, trials: Mapping[str, Sequence[RateTrial]], points: Sequence[PointMetrics]
) -> Cliff | None:
    """The lowest rate little above the capacity at which very many requests break a bound; None where there is none.

    Of a single queue a tenth more than the capacity lets some more be slow; where a cache no longer holds what runs, or
    requests are refused, it is nearly all of them, and less is answered than at the capacity.
    """
    answered = {point.rate_target_rps: point.throughput_rps.value for point in points}
    shares = [
        (rate_rps, slow / total, bound)
        for bound, own in trials.items()
        for rate_rps in {trial.rate_rps for trial in own}
        if capacity_rps < rate_rps <= SOON * capacity_rps
        if (total := sum(trial.total for trial in own if trial.rate_rps == rate_rps))
        if (slow := sum(trial.slow for trial in own if trial.rate_rps == rate_rps)) >= STEEP * total
    ]
    if not shares:
        return None
    rate_rps, share, bound = min(shares, key=lambda found: (found[0], -found[1]))
    answered_rps = answered.get(rate_rps)
    fallen = answered_rps is not None and answered_rps < FALLEN * capacity_rps
    return Cliff(rate_rps=rate_rps, share=share, bound=bound, answered_rps=answered_rps if fallen else None)


def held_again(kept: Sequence[float], missed: Sequence[float]) -> tuple[float, float] | None:
    """A rate that surely misses the limit between two that surely keep it, and the higher of these; else None."""
    holes = [rate for rate in missed if kept and min(kept) < rate < max(kept)]
    return (min(holes), max(kept)) if holes else None
