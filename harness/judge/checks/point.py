"""Checks of a point over its repeats."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from harness.judge.checks.case import finding, worst_of_each_kind
from harness.judge.checks.generator import GC_PAUSE, GENERATOR_CPU
from harness.judge.checks.records import TARGET_DIED
from harness.judge.checks.service import UNAVAILABLE
from harness.judge.checks.steadiness import UNSTEADY
from harness.judge.checks.target import ERRORS, UNNOTICED_FAILURES, WRONG_ANSWERS
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import figure, grouped, listed
from harness.judge.numbers.throughput import disjoint

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from harness.judge.findings import Finding
    from harness.judge.metrics import PointMetrics, TrialMetrics

TOO_FEW_SAMPLES = FindingKind("too_few_samples", "Too few samples for some percentiles")
LEFT_OUT = FindingKind("left_out", "A repeat is left out")
REPEATS_DISAGREE = FindingKind("repeats_disagree", "Repeats disagree")
DISAGREE_BY = 1.05  # repeats that differ by less than this factor are near enough, whatever their intervals
FAULTS_OF_TARGET = {kind.name for kind in (WRONG_ANSWERS, ERRORS, UNNOTICED_FAILURES, TARGET_DIED, UNAVAILABLE)}
NO_REPEAT_CHANGES = FAULTS_OF_TARGET | {GENERATOR_CPU.name, GC_PAUSE.name}  # nor the limits of the load process
HEADLINE_PERCENTILES = (0.5, 0.9, 0.95, 0.99)


def counted_trials(trials: Sequence[TrialMetrics]) -> tuple[TrialMetrics, ...]:
    """The repeats by which a point is judged: all but INVALID ones, as long as one is left.

    A repeat that is INVALID by a fault of the target's stays: it is evidence, and no disturbance.
    """
    counted = tuple(trial for trial in trials if trial.verdict is not Verdict.INVALID or fault_of_target(trial))
    return counted or tuple(trials)


def left_out(metrics: PointMetrics) -> Iterator[Finding]:
    """Repeats are INVALID and the point is judged by the others."""
    counted = counted_trials(metrics.trials)
    out = [trial for trial in metrics.trials if trial not in counted]
    if not out:
        return
    grave = next(each for trial in out for each in trial.findings if each.verdict is Verdict.INVALID)
    verb = "is" if len(out) == 1 else "are"
    text = f"{len(out)} of {len(metrics.trials)} repeats {verb} INVALID and left out: {grave.text}"
    yield finding(LEFT_OUT, Verdict.DEGRADED, text, grave.remedy, left_out=len(out))


def invalid_by(findings: Iterable[Finding], kinds: Container[str]) -> Finding | None:
    """The first of the findings that says INVALID and is one of `kinds`."""
    return next((each for each in findings if each.verdict is Verdict.INVALID and each.kind in kinds), None)


def fault_of_target(trial: TrialMetrics) -> bool:
    """Whether a trial is INVALID by what the target did, which no repeat would change."""
    return bool(faults_of_target(trial.findings))


def faults_of_target(findings: Iterable[Finding]) -> dict[str, str]:
    """What the target did that makes a trial or a point INVALID: titles of findings by their kind."""
    return {
        each.kind: each.title for each in findings if each.verdict is Verdict.INVALID and each.kind in FAULTS_OF_TARGET
    }


def new_faults(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """The titles of the faults in `after` that are not in `before`, but for failed requests, whose share tells more."""
    return tuple(title for kind, title in after.items() if kind not in before and kind != ERRORS.name)


def of_its_trials(metrics: PointMetrics) -> Iterator[Finding]:
    """What was found in the repeats by which it is judged, one finding of each kind: the worst."""
    trials = counted_trials(metrics.trials)
    for shown, _, count in worst_of_each_kind([trial.findings for trial in trials]):
        where = f"In {count} of {len(trials)} repeats, at worst: " if len(trials) > 1 else ""
        found = msgspec.structs.replace(shown, text=where + shown.text)
        yield _allowed_for(found) if shown.kind == UNSTEADY.name and _interval_allows(metrics, trials) else found


def _interval_allows(metrics: PointMetrics, trials: Sequence[TrialMetrics]) -> bool:
    """Whether what the changes within repeats may have done to the mean of all lies within its interval."""
    found = [each for trial in trials for each in trial.findings if each.kind == UNSTEADY.name]
    off_by = sum(each.data.get("off_by", math.inf) for each in found) / len(trials)
    return metrics.throughput_rps.value > 0 and abs(off_by) <= metrics.throughput_rps.half_width < math.inf


def _allowed_for(found: Finding) -> Finding:
    return msgspec.structs.replace(
        found, verdict=Verdict.VALID, text=f"{found.text} The interval of the throughput allows for that."
    )


def too_few_samples(metrics: PointMetrics) -> Iterator[Finding]:
    """A percentile up to p99 has only a lower bound, which is a doubt unless it decides the objective."""
    bounds = [
        quantile
        for p in HEADLINE_PERCENTILES
        if (quantile := metrics.response.at(p)) is not None and quantile.only_bound
    ]
    if not bounds:
        return
    needed = max(quantile.needed or 0 for quantile in bounds)
    names = listed([f"p{100 * quantile.p:g}" for quantile in bounds])
    have = "has" if len(bounds) == 1 else "have"
    count = metrics.response.count
    worth = bounds[-1].effective_samples or 0.0
    text = (
        f"{names} {have} only a lower bound: {grouped(count)} requests that depend on each other are worth only "
        f"{figure(worth, 3)} independent ones."
    )
    seconds = metrics.seconds / metrics.repeats * (1 + needed / count)
    remedy = f"Some {figure(needed)} more requests would do: measure for {figure(seconds)} s (--seconds) or repeat."
    verdict = Verdict.DEGRADED if metrics.meets_slo is None else Verdict.VALID
    yield finding(TOO_FEW_SAMPLES, verdict, text, remedy, needed=needed)


def repeats_disagree(metrics: PointMetrics) -> Iterator[Finding]:
    """Two repeats differ by more than chance inside them allows: something outside the plan changed."""
    trials = [trial for trial in counted_trials(metrics.trials) if trial.seconds]
    throughputs = [trial.throughput_rps.value for trial in trials]
    if disjoint([trial.throughput_rps for trial in trials]) and _spread(throughputs) > DISAGREE_BY:
        listed = ", ".join(figure(value, 3) for value in throughputs)
        yield _disagreement(f"The repeats disagree: {listed} requests/s.", throughputs)
        return
    quantiles = [quantile for trial in trials if (quantile := trial.response.at(0.99)) is not None]
    tails = [quantile.interval_ms for quantile in quantiles if quantile.interval_ms and not quantile.only_bound]
    values_ms = [tail.value for tail in tails]
    if disjoint(tails) and _spread(values_ms) > DISAGREE_BY:
        listed = ", ".join(figure(value, 3) for value in values_ms)
        yield _disagreement(f"The repeats disagree: p99 was {listed} ms.", values_ms)


def _disagreement(text: str, values: list[float]) -> Finding:
    remedy = "Something outside the plan changed: free the machine of other work and use more --repeats."
    return finding(REPEATS_DISAGREE, Verdict.DEGRADED, text, remedy, spread=_spread(values))


def _spread(values: list[float]) -> float:
    return max(values) / max(min(values), 1e-9)
