"""From evidence to a verdict: every check is one named function; the worst finding decides.

A finding whose own verdict is VALID is an insight and takes nothing away. The thresholds are constants beside the
checks; a check that meets its own limits says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.checks import arrivals, envelope, generator, machine, point, records, steadiness, target
from harness.judge.checks.case import Check, TrialCase, worst
from harness.judge.findings import Verdict

if TYPE_CHECKING:
    from harness.judge.findings import Finding
    from harness.judge.metrics import PointMetrics

__all__ = ["TRIAL_CHECKS", "TrialCase", "judge_point", "judge_trial", "worst"]

TRIAL_CHECKS: tuple[Check, ...] = (
    target.wrong_answers,
    records.target_died,
    records.load_died,
    records.lost_worker,
    records.recorder,
    records.conservation,
    records.clock_step,
    records.clock_offset,
    target.errors,
    target.rejections,
    generator.not_sent,
    generator.lateness,
    arrivals.rate,
    arrivals.arrival_process,
    generator.generator_cpu,
    generator.loop_lag,
    generator.gc_pause,
    generator.littles_law,
    envelope.outside_envelope,
    steadiness.unsteady,
    target.saturated,
    machine.not_isolated,
    machine.steal,
    machine.neighbours,
    machine.sampler,
    target.unchecked,
)
POINT_CHECKS = (point.of_its_trials, point.too_few_samples, point.repeats_disagree)

Judgement = tuple[Verdict, tuple["Finding", ...]]


def judge_trial(case: TrialCase) -> Judgement:
    """The verdict on one trial, and the findings behind it."""
    findings = tuple(finding for check in TRIAL_CHECKS if (finding := check(case)) is not None)
    return worst(finding.verdict for finding in findings), findings


def judge_point(metrics: PointMetrics) -> Judgement:
    """The verdict on a point over its repeats, and the findings behind it."""
    findings = tuple(finding for check in POINT_CHECKS for finding in check(metrics))
    return worst(finding.verdict for finding in findings), findings
