"""Doubts about a point as a whole: over its repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.judge.checks.case import finding, worst
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import figure, grouped
from harness.judge.numbers.throughput import disjoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.findings import Finding
    from harness.judge.metrics import PointMetrics, TrialMetrics

DISAGREE_BY = 1.05  # repeats that differ by less than this factor are near enough, whatever their intervals
_TARGETS_FAULTS = frozenset({FindingKind.WRONG_ANSWERS, FindingKind.TARGET_DIED})
HEADLINE_PERCENTILES = (0.5, 0.9, 0.95, 0.99)


def is_left_out(trial: TrialMetrics) -> bool:
    """Whether a trial is no measurement of the target, and that is not the target's own fault."""
    grave = {each.kind for each in trial.findings if each.verdict is Verdict.INVALID}
    return trial.verdict is Verdict.INVALID and not grave & _TARGETS_FAULTS


def of_its_trials(metrics: PointMetrics) -> Iterator[Finding]:
    """What was found in the repeats, one finding of each kind: the worst.

    An INVALID repeat beside others that stand is left out of the point's figures, so it costs them no more than that.
    """
    some_stand = any(not is_left_out(trial) for trial in metrics.trials)
    for kind in dict.fromkeys(each.kind for trial in metrics.trials for each in trial.findings):
        with_it = [trial for trial in metrics.trials if any(each.kind is kind for each in trial.findings)]
        used = [trial for trial in with_it if not (some_stand and is_left_out(trial))]
        found = [each for trial in used or with_it for each in trial.findings if each.kind is kind]
        severe = worst(each.verdict for each in found)
        shown = next(each for each in found if each.verdict is severe)
        if len(metrics.trials) > 1:
            left_out = "" if used else " (left out of the figures)"
            where = f"In {len(with_it)} of {len(metrics.trials)} repeats{left_out}, at worst: "
            shown = msgspec.structs.replace(shown, text=where + shown.text)
        if not used and severe is Verdict.INVALID:
            shown = msgspec.structs.replace(shown, verdict=Verdict.DEGRADED)
        yield shown


def too_few_samples(metrics: PointMetrics) -> Iterator[Finding]:
    """A percentile up to p99 cannot be given."""
    withheld = [
        quantile
        for p in HEADLINE_PERCENTILES
        if (quantile := metrics.response.at(p)) is not None and quantile.value_ms is None
    ]
    if not withheld:
        return
    needed = max(quantile.needed or 0 for quantile in withheld)
    names = " and ".join(f"p{100 * quantile.p:g}" for quantile in withheld)
    count = metrics.response.count
    worth = withheld[-1].effective_samples or 0.0
    text = (
        f"{names} cannot be given: {grouped(count)} requests that depend on each other are worth only "
        f"{figure(worth, 3)} independent ones."
    )
    seconds = metrics.seconds / metrics.repeats * (1 + needed / count)
    remedy = f"Some {figure(needed)} more requests would do: measure for {figure(seconds)} s (--seconds) or repeat."
    yield finding(FindingKind.TOO_FEW_SAMPLES, Verdict.DEGRADED, text, remedy, needed=needed)


def repeats_disagree(metrics: PointMetrics) -> Iterator[Finding]:
    """Two repeats differ by more than chance inside them allows: something outside the plan changed."""
    standing = [trial for trial in metrics.trials if not is_left_out(trial)] or metrics.trials
    trials = [trial for trial in standing if trial.seconds]
    throughputs = [trial.throughput_rps.value for trial in trials]
    if disjoint([trial.throughput_rps for trial in trials]) and _spread(throughputs) > DISAGREE_BY:
        listed = ", ".join(figure(value, 3) for value in throughputs)
        yield _disagreement(f"The repeats disagree: {listed} requests/s.", throughputs)
        return
    quantiles = [quantile for trial in trials if (quantile := trial.response.at(0.99)) is not None]
    tails = [quantile.interval_ms for quantile in quantiles if quantile.interval_ms is not None]
    values_ms = [tail.value for tail in tails]
    if disjoint(tails) and _spread(values_ms) > DISAGREE_BY:
        listed = ", ".join(figure(value, 3) for value in values_ms)
        yield _disagreement(f"The repeats disagree: p99 was {listed} ms.", values_ms)


def _disagreement(text: str, values: list[float]) -> Finding:
    remedy = "Something outside the plan changed: free the machine of other work and use more --repeats."
    return finding(FindingKind.REPEATS_DISAGREE, Verdict.DEGRADED, text, remedy, spread=_spread(values))


def _spread(values: list[float]) -> float:
    return max(values) / max(min(values), 1e-9)
