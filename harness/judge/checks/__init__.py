"""Checks a trial and a point: every check is one named function, and the worst finding is the verdict.

A new check is a function, the `FindingKind` of what it finds beside it (name and title for reports), and an entry in
`TRIAL_CHECKS` or `POINT_CHECKS`. A check of a trial that finds nothing returns None, one of a point yields nothing; its
thresholds are constants beside it. A finding whose own verdict is VALID is an insight and takes nothing away.

`judge/trial_summary.py` calls `judge_trial`, `judge/point_summary.py` calls `judge_point`; both leave the verdict to
`judged` in `case.py`. A point has the findings of its repeats (`point.of_its_trials`), of which INVALID ones are left
out as long as a repeat is left, unless the target was at fault (`point.counted_trials`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.checks import (
    arrivals,
    envelope,
    generator,
    harm,
    machine,
    point,
    records,
    service,
    steadiness,
    streams,
    target,
    users,
)
from harness.judge.checks.case import Check, PointCheck, TrialCase, judged, worst
from harness.judge.checks.point import counted_trials

if TYPE_CHECKING:
    from harness.judge.checks.case import Judgement
    from harness.judge.metrics import PointMetrics

__all__ = ["TRIAL_CHECKS", "TrialCase", "counted_trials", "judge_point", "judge_trial", "worst"]

TRIAL_CHECKS: tuple[Check, ...] = (
    target.wrong_answers,
    records.damaged,
    records.target_died,
    records.load_died,
    records.lost_worker,
    records.recorder,
    records.conservation,
    records.clock_step,
    records.clock_offset,
    harm.harmed,
    service.unavailable,
    target.errors,
    target.unnoticed_failures,
    target.rejections,
    generator.not_sent,
    generator.lateness,
    arrivals.rate,
    arrivals.arrival_process,
    generator.generator_cpu,
    generator.loop_lag,
    generator.gc_pause,
    users.missing_users,
    users.added_users,
    users.task_errors,
    generator.littles_law,
    envelope.outside_envelope,
    steadiness.unsteady,
    steadiness.slower_and_slower,
    service.unequal_users,
    service.cached,
    service.slow_first,
    service.server_timing,
    service.disbelieved,
    service.closed,
    service.unasked,
    streams.unstreamed,
    streams.undercounted,
    streams.off_length,
    streams.several_tokens,
    streams.off_prompt,
    streams.warm_cache,
    streams.repeated_prompts,
    target.saturated,
    machine.not_isolated,
    machine.steal,
    machine.neighbours,
    machine.sampler,
    target.lenient,
    target.unchecked,
)
POINT_CHECKS: tuple[PointCheck, ...] = (
    point.of_its_trials,
    point.left_out,
    point.too_few_samples,
    point.repeats_disagree,
    machine.slow_memory,
)


def judge_trial(case: TrialCase) -> Judgement:
    """The verdict on one trial, and the findings behind it."""
    return judged(harm.without_consequences([each for check in TRIAL_CHECKS if (each := check(case)) is not None]))


def judge_point(metrics: PointMetrics) -> Judgement:
    """The verdict on a point over its repeats, and the findings behind it."""
    return judged(each for check in POINT_CHECKS for each in check(metrics))
