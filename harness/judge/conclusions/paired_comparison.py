"""Compares the two variants of a paired plan by the pairs of their trials."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.checks.harm import DISTURBANCES, only_disturbed
from harness.judge.checks.point import fault_of_target, faults_of_target, new_faults
from harness.judge.conclusions.grid_recommendation import DISTURBED, spoiled_by
from harness.judge.decision.history_of_plan import usable_share
from harness.judge.decision.trial_history import LEAST_USABLE
from harness.judge.findings import Verdict
from harness.judge.interval import Interval
from harness.judge.paired_result import (
    FAILED,
    FIGURES,
    P50,
    P99,
    THROUGHPUT,
    PairedComparison,
    PairedFigure,
    PairedLevel,
    SpoiledPairs,
)
from harness.judge.significance import SIGNIFICANT, Change, judged_together, of_pairs, worst_change
from harness.judge.stats.paired_tests import MOST_PAIRS, PairedTest, effect_found, pairs_to_find
from harness.judge.stats.ratio_intervals import ratio_within
from harness.plan.paired.paired_plan import block_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from harness.judge.metrics import TrialMetrics
    from harness.judge.significance import Comparison, Evidence
    from harness.plan.plan import Plan

    Pair = tuple[TrialMetrics, TrialMetrics]

FEWEST_CLEAN = 5  # pairs without disturbances; with fewer, the disturbed ones count too
FAILED_MARGIN = 0.005  # a share of failures that grows by less is no change
SUPPOSED_NOISE = 0.03  # what trials of one variant differ by, before any was run


@dataclass(frozen=True, slots=True)
class _Tested:
    """A figure at a level, with the test of its pairs."""

    level: int
    name: str
    test: PairedTest
    ratio: Interval
    each_pair: tuple[float, ...]


def compare_variants(plan: Plan, trials: Iterable[TrialMetrics]) -> PairedComparison:
    """What the trials that were measured say of the second variant of `plan` against the first."""
    if plan.pairing is None:
        raise ValueError("the plan compares no variants")
    margin = plan.pairing.margin
    pairs = paired_trials(plan, trials)
    tested = [each for level, found in enumerate(pairs) for each in _tests(level, _judged(found))]
    comparisons = judged_together([_evidence(each, margin) for each in tested])
    figures = [_figure(*each, margin, len(tested)) for each in zip(tested, comparisons, strict=True)]
    levels = []
    for level, found in enumerate(pairs):
        own = tuple(figure for figure, each in zip(figures, tested, strict=True) if each.level == level)
        served = any(figure.name == THROUGHPUT for figure in own)  # else no pair has good responses on both sides
        change = worst_change([*(figure.change for figure in own), *(() if served else (Change.INCONCLUSIVE,))])
        faults = _new_faults(_judged(found))
        levels.append(
            PairedLevel(
                points=(2 * level, 2 * level + 1),
                figures=own,
                change=Change.REGRESSION if faults else change,
                faults=faults,
                spoiled=_spoiled(found),
            )
        )
    return PairedComparison(
        change=worst_change([level.change for level in levels]),
        margin=margin,
        variants=plan.pairing.texts(),
        levels=tuple(levels),
        finds=_finds(tested, len(tested)),
        more_seconds=_more_seconds(plan, figures),
    )


def paired_trials(plan: Plan, trials: Iterable[TrialMetrics]) -> list[list[Pair]]:
    """For each load level the pairs of trials of one block, both of which were measured."""
    measured = {trial.trial: trial for trial in trials if trial.seconds}
    found: dict[tuple[int, int], dict[int, TrialMetrics]] = defaultdict(dict)
    for trial in plan.trials:
        if trial.number in measured:
            found[trial.point // 2, trial.block][trial.point % 2] = measured[trial.number]
    levels: list[list[Pair]] = [[] for _ in range(len(plan.points) // 2)]
    for (level, _), pair in sorted(found.items()):
        if len(pair) == 2:
            levels[level].append((pair[0], pair[1]))
    return levels


def pairs_needed(plan: Plan, trials: Iterable[TrialMetrics]) -> int:
    """How many pairs of each level it takes to find a change of the margin, by what the pairs so far scatter.

    By the scatter alone: whether a change is seen must not decide when the measurement ends.
    """
    margin = math.log1p(plan.pairing.margin if plan.pairing else 0.0)
    tested = [each for level, found in enumerate(paired_trials(plan, trials)) for each in _tests(level, _judged(found))]
    timed = [each.test.deviation for each in tested if each.name != FAILED]
    return max((pairs_to_find(margin, each, SIGNIFICANT / len(tested)) for each in timed), default=MOST_PAIRS)


def supposed_power(plan: Plan) -> tuple[int, float]:
    """(blocks within the budget, smallest change that they find with 90 % power), before anything was measured.

    Trials are supposed to differ by `SUPPOSED_NOISE`.
    """
    budget_s = plan.pairing.budget_s if plan.pairing else 0.0
    blocks = max(int(budget_s / block_seconds(plan)), 2)
    tests = len(FIGURES) * len(plan.points) // 2
    return blocks, math.expm1(effect_found(blocks, math.sqrt(2.0) * SUPPOSED_NOISE, SIGNIFICANT / tests))


def supposed_blocks(plan: Plan) -> int:
    """How many blocks find a change of the margin with 90 % power, where trials differ as supposed."""
    margin = math.log1p(plan.pairing.margin if plan.pairing else 0.0)
    return pairs_to_find(margin, math.sqrt(2.0) * SUPPOSED_NOISE, SIGNIFICANT / (len(FIGURES) * len(plan.points) // 2))


def _judged(pairs: list[Pair]) -> list[Pair]:
    """The clean pairs; where those are too few, disturbed ones too: disturbances come to both variants alike."""
    clean = [pair for pair in pairs if _is_clean(pair)]
    if len(clean) >= min(FEWEST_CLEAN, len(pairs)):
        return clean
    return [pair for pair in pairs if _at_most_disturbed(pair)]


def _is_clean(pair: Pair) -> bool:
    return min(map(usable_share, pair)) >= LEAST_USABLE


def _at_most_disturbed(pair: Pair) -> bool:
    """Whether nothing but disturbances spoiled a pair: a limit of the load generator hides what variants differ by."""
    return all(
        trial.verdict is not Verdict.INVALID or fault_of_target(trial) or only_disturbed(trial.findings)
        for trial in pair
    )


def _new_faults(pairs: list[Pair]) -> tuple[str, ...]:
    """The faults of the second variant that the first does not have."""
    first, second = (
        {kind: title for pair in pairs for kind, title in faults_of_target(pair[side].findings).items()}
        for side in (0, 1)
    )
    return new_faults(first, second)


def _spoiled(pairs: list[Pair]) -> tuple[SpoiledPairs, ...]:
    """The pairs that are not clean, by what spoiled them."""
    judged = _judged(pairs)
    counted = Counter((_cause(pair), pair in judged) for pair in pairs if not _is_clean(pair))
    return tuple(SpoiledPairs(pairs=many, cause=cause, count=count) for (cause, count), many in counted.items())


def _cause(pair: Pair) -> str:
    if _at_most_disturbed(pair):
        return DISTURBED
    return spoiled_by(each for trial in pair for each in trial.findings if each.kind not in DISTURBANCES)


def _tests(level: int, pairs: list[Pair]) -> Iterator[_Tested]:
    """The test of every figure that at least two pairs have."""
    for name in FIGURES:
        read = _READERS[name]
        values = [(read(first), read(second)) for first, second in pairs]
        known = [(first, second) for first, second in values if first is not None and second is not None]
        if len(known) < 2:
            continue
        if name == FAILED:
            test = PairedTest.of([second - first for first, second in known])
            ratio = Interval(test.mean, test.mean - test.reach, test.mean + test.reach)
            yield _Tested(level, name, test, ratio, tuple(second - first for first, second in known))
        else:
            sign = -1.0 if name == THROUGHPUT else 1.0
            test = PairedTest.of([sign * math.log(second / first) for first, second in known])
            ratio = ratio_within(math.exp(sign * test.mean), test.reach)
            yield _Tested(level, name, test, ratio, tuple(second / first for first, second in known))


def _throughput(trial: TrialMetrics) -> float | None:
    return trial.throughput_rps.value or None


def _percentile(trial: TrialMetrics, p: float) -> float | None:
    """What was observed, though the sample of one trial be small: its scatter from pair to pair is in the test."""
    quantile = trial.response.at(p)
    return None if quantile is None or quantile.at_least or not quantile.value_ms else quantile.value_ms


_READERS: dict[str, Callable[[TrialMetrics], float | None]] = {
    THROUGHPUT: _throughput,
    P50: lambda trial: _percentile(trial, 0.5),
    P99: lambda trial: _percentile(trial, 0.99),
    FAILED: lambda trial: trial.counts.failed_share,
}


def _margin(name: str, margin: float) -> float:
    return FAILED_MARGIN if name == FAILED else math.log1p(margin)


def _evidence(each: _Tested, margin: float) -> Evidence:
    return of_pairs(each.test, each.ratio, _margin(each.name, margin))


def _figure(each: _Tested, found: Comparison, margin: float, tests: int) -> PairedFigure:
    undecided = found.change is Change.INCONCLUSIVE
    return PairedFigure(
        name=each.name,
        ratio=found.ratio,
        change=found.change,
        pairs=each.test.pairs,
        p_worse=found.p_worse,
        deviation=each.test.deviation,
        more_pairs=_more_pairs(each.test, _margin(each.name, margin), tests) if undecided else None,
        each_pair=each.each_pair,
    )


def _more_pairs(test: PairedTest, margin: float, tests: int) -> int:
    """How many more pairs would decide the figure, if they show the same: that it is worse, or not by the margin."""
    enough = []
    if test.mean < margin:
        enough.append(pairs_to_find(margin - test.mean, test.deviation, SIGNIFICANT, power=0.5))
    if test.mean > 0.0:
        enough.append(pairs_to_find(test.mean, test.deviation, SIGNIFICANT / tests, power=0.5))
    return max(min(enough) - test.pairs, 1)


def _finds(tested: Sequence[_Tested], tests: int) -> float | None:
    found = [
        effect_found(each.test.pairs, each.test.deviation, SIGNIFICANT / tests)
        for each in tested
        if each.name == THROUGHPUT
    ]
    return math.expm1(max(found)) if found else None


def _more_seconds(plan: Plan, figures: Sequence[PairedFigure]) -> float | None:
    more = [figure.more_pairs for figure in figures if figure.more_pairs is not None]
    return max(more) * block_seconds(plan) if more else None
