"""Compares a run with a baseline, and brings a comparison of variants into the same form."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.judge.checks.point import new_faults
from harness.judge.conclusions.paired_sentences import comparison_sentences
from harness.judge.conclusions.run_comparison import other_service
from harness.judge.gate.baseline import FAILED, FIGURES, GOODPUT, THROUGHPUT
from harness.judge.gate.gate_result import GateFigure, GatePoint, GateResult
from harness.judge.gate.gate_sentence import gate_sentence
from harness.judge.interval import Interval
from harness.judge.number_text import percent
from harness.judge.phrases import level_text
from harness.judge.significance import Change, Evidence, judged_together, measured_apart, worst_change
from harness.judge.stats.distributions import normal_cdf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.gate.baseline import Baseline, BaselinePoint
    from harness.judge.paired_result import PairedComparison
    from harness.plan.plan import Plan

HIGHER_IS_BETTER = (THROUGHPUT, GOODPUT)
POWER_Z = 1.645 + 1.282  # 5 % false alarms, 90 % power
FAILED_MARGIN = 0.01  # of all requests: fewer more are no regression
CLUSTERED = 3.0  # failures come in groups: their share scatters by so many times what independent ones would
DRIFT = 0.1  # standard deviation of the logarithm of a figure between two times of a machine that others use
OF_THE_MACHINE = ("CPU, ", "Limits, ", "GPU", "System, Memory")


def compare_with_baseline(before: Baseline, after: Baseline, effect: float, *, force: bool = False) -> GateResult:
    """The run that made `after` against the baseline. A change within `effect` (0.1: 10 %) is none.

    Nothing is said of runs on two machines, but where `force` is given.
    """
    now = {point.key: point for point in after.points}
    pairs = [(point, now.get(point.key)) for point in before.points]
    names = [name for name in FIGURES if name != GOODPUT or before.plan.slo == after.plan.slo]
    evidence = {
        (row, name): each
        for row, (one, other) in enumerate(pairs)
        if other is not None
        for name in names
        if (each := _evidence(name, one, other, effect)) is not None
    }
    found = dict(zip(evidence, judged_together([*evidence.values()]), strict=True))
    points = []
    for row, (one, other) in enumerate(pairs):
        figures = tuple(
            GateFigure(
                name=name,
                ratio=found[row, name].ratio,
                change=found[row, name].change,
                before=one.figures[name],
                after=other.figures[name] if other else None,
                finds=_finds(found[row, name].ratio, effect) if name != FAILED else None,
            )
            for name in FIGURES
            if (row, name) in found
        )
        points.append(_gate_point(one, other, figures))
    models = [(one.model, other.model) for one, other in pairs if other is not None]
    reasons = [*_differences(before, after), *other_service(before.plan, after.plan, models)]
    change = worst_change([point.change for point in points])
    elsewhere = any(reason.startswith("Another machine") for reason in reasons)
    if (elsewhere and not force) or not points:
        change = Change.INCONCLUSIVE
    return _with_sentence(
        GateResult(
            change=change,
            effect=effect,
            sentence="",
            points=tuple(points),
            interleaved=False,
            before=_words(before, "the baseline"),
            after=_words(after, "this run"),
            reasons=tuple(reasons),
        )
    )


def of_variants(plan: Plan, compared: PairedComparison) -> GateResult:
    """The same of two variants that were measured in turn."""
    points = tuple(
        GatePoint(
            label=level_text(plan.points[level.points[0]]),
            change=level.change,
            why=", ".join(level.faults) or ("" if level.figures else "too few pairs of trials count"),
            figures=tuple(
                GateFigure(name=each.name, ratio=each.ratio, change=each.change, finds=compared.finds)
                for each in level.figures
            ),
        )
        for level in compared.levels
    )
    return GateResult(
        change=compared.change,
        effect=compared.margin,
        sentence=" ".join(comparison_sentences(plan, compared)),
        points=points,
        interleaved=True,
        before=compared.variants[0],
        after=compared.variants[1],
    )


def _gate_point(one: BaselinePoint, other: BaselinePoint | None, figures: tuple[GateFigure, ...]) -> GatePoint:
    change, why = worst_change([figure.change for figure in figures]), ""
    if other is None:
        why = "this run has no such point"
    elif not (one.usable and other.usable):
        side, which = (other, "run") if one.usable else (one, "baseline")
        faults = f" ({', '.join(side.faults.values())})" if side.faults else ""
        why = f"the point of the {which} is INVALID{faults}"
        worse = change is Change.REGRESSION or (one.usable and new_faults(one.faults, other.faults))
        change = Change.REGRESSION if worse else Change.INCONCLUSIVE
    elif not figures:
        why = "neither has a figure that both can give"
    return GatePoint(
        label=one.label,
        change=change,
        figures=figures,
        why=why,
        misses_slo=other is not None and other.meets_slo is False,
    )


def _evidence(name: str, one: BaselinePoint, other: BaselinePoint, effect: float) -> Evidence | None:
    """What a figure says; None where a point does not have it, or is INVALID so that it says nothing."""
    if not (name in one.figures and name in other.figures and one.tells(name) and other.tells(name)):
        return None
    before, after = one.figures[name], other.figures[name]
    if name == FAILED:
        return _failures(before.value, one.scheduled, after.value, other.scheduled)
    if one.disturbed or other.disturbed:
        before, after = _drifting(before), _drifting(after)
    return measured_apart(before, after, effect, higher_is_better=name in HIGHER_IS_BETTER)


def _drifting(figure: Interval) -> Interval:
    """The interval of a figure that was measured on a busy machine, which is another one at another time."""
    low, high = figure.ends
    if low <= 0 or not math.isfinite(high):
        return figure
    half = math.hypot(math.log(high / low) / 2, 1.96 * DRIFT)
    return Interval(figure.value, figure.value * math.exp(-half), figure.value * math.exp(half))


def _failures(before: float, scheduled_before: int, after: float, scheduled_after: int) -> Evidence:
    """Of two shares; each is taken to scatter `CLUSTERED` times as much as a share of independent requests."""
    parts = ((before, scheduled_before), (after, scheduled_after))
    # One more failure and one more success (Agresti and Caffo, 2000): a share of 0 is not known exactly.
    smoothed = [((share * count + 1) / (count + 2), count + 2) for share, count in parts]
    error = CLUSTERED * math.sqrt(sum(share * (1 - share) / count for share, count in smoothed))
    difference = after - before
    ratio = Interval(difference, difference - 1.96 * error, difference + 1.96 * error)
    return Evidence(
        ratio,
        worse=normal_cdf((FAILED_MARGIN - difference) / error),
        better=normal_cdf((difference + FAILED_MARGIN) / error),
        not_worse=normal_cdf((difference - FAILED_MARGIN) / error),
        not_better=normal_cdf((-FAILED_MARGIN - difference) / error),
    )


def _finds(ratio: Interval, effect: float) -> float | None:
    """The relative change that would be called worse with 90 % power; None where an end is open."""
    low, high = ratio.ends
    if low <= 0 or not math.isfinite(high):
        return None
    return math.expm1(math.log1p(effect) + POWER_Z * math.log(high / low) / (2 * 1.96))


def _differences(before: Baseline, after: Baseline) -> Iterator[str]:
    """What a reader must know of the two: machine, software, objective, points that only one has."""
    found = before.environment.differences(after.environment)
    machine = [text for text in found if text.startswith(OF_THE_MACHINE)]
    if machine:
        yield f"Another machine: {'; '.join(machine[:3])}."
    software = [text for text in found if text not in machine]
    if software:
        yield f"Other software: {'; '.join(software[:3])}."
    if None not in (before.plan.slo, after.plan.slo) and before.plan.slo != after.plan.slo:
        yield f"Another objective: {before.plan.slo} before, {after.plan.slo} now; goodput is not compared."
    if disturbed := sum(point.disturbed for each in (before, after) for point in each.points):
        several = "s" if disturbed > 1 else ""
        yield (
            f"Others kept the machine busy at {disturbed} point{several}: the intervals allow for a drift of "
            f"{percent(DRIFT)} between two times."
        )
    known = {point.key for point in before.points}
    if more := sum(point.key not in known for point in after.points):
        yield f"{more} point{'s are' if more > 1 else ' is'} in this run only."


def _words(baseline: Baseline, what: str) -> str:
    commit = f" of {baseline.commit[:12]}" if baseline.commit else ""
    return f"{what}{commit} ({baseline.made_at})"


def _with_sentence(result: GateResult) -> GateResult:
    import msgspec

    return msgspec.structs.replace(result, sentence=gate_sentence(result))
