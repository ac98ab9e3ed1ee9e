"""Checks whether something kept target or load from running: what, for how long, and which figures still hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.checks.arrivals import ARRIVAL_PROCESS, RATE
from harness.judge.checks.case import finding, worst
from harness.judge.checks.generator import GENERATOR_CPU, LATENESS, LOOP_LAG
from harness.judge.checks.machine import NEIGHBOURS, SAMPLER, STEAL
from harness.judge.checks.steadiness import UNSTEADY
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import percent
from harness.judge.numbers.machine.harmed_time import Culprit
from harness.judge.numbers.machine.machine_stretches import strangers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.judge.checks.case import TrialCase
    from harness.judge.findings import Finding
    from harness.judge.numbers.machine.harmed_time import UsableTime

FEW_HARMED = 0.01  # of the window: up to it, no finding
MOSTLY_USABLE = 0.5
HINDERED = 0.1  # of the time: above it, figures of the whole time are those of another, slower machine
HARMED = FindingKind("harmed", "Target or load could not run all the time", lengthens=True)
DISTURBANCES = {kind.name for kind in (HARMED, STEAL, NEIGHBOURS)}  # findings that only the machine and others explain
_OF_DISTURBANCE = {LATENESS.name, LOOP_LAG.name}  # what they do to the load generator
# Findings of the whole window that harm explains, and of what is left of it: lateness and steadiness.
_EXPLAINED_IN_WINDOW = {kind.name for kind in (STEAL, NEIGHBOURS, SAMPLER, LOOP_LAG, RATE, ARRIVAL_PROCESS)}
_EXPLAINED_IN_REST = {LATENESS.name, UNSTEADY.name}
_OF_A_BUSY_GENERATOR = {kind.name for kind in (LOOP_LAG, RATE, ARRIVAL_PROCESS, LATENESS)}


def harmed(case: TrialCase) -> Finding | None:
    """Others harmed the trial: what is left of it is judged, or, where that is too little, all of it."""
    usable = case.usable
    if usable is None or usable.harmed_share < FEW_HARMED:
        return None
    culprit = max(usable.culprits, key=lambda each: usable.culprits[each])
    stretches = f"In stretches that make up {percent(usable.culprits[culprit])} of the time"
    seen = f"{stretches}, {_who(culprit, case, usable)}."
    if usable.enough:
        verdict = Verdict.VALID if usable.usable_share >= MOSTLY_USABLE else Verdict.DEGRADED
        left = (
            "These and the backlog after them are left out: the figures are those of the other "
            f"{percent(usable.usable_share)}."
        )
        remedy = "Nothing is needed; on a quiet machine the intervals would be narrower."
    else:
        hindered = usable.stretches.hindered_share(*usable.window_ns)
        verdict = Verdict.INVALID if hindered > HINDERED else Verdict.DEGRADED
        left = (
            f"Only {percent(usable.usable_share)} of the time is free of that and of its backlog, which is too little: "
            "the figures are those of the whole time, and the target alone is faster."
        )
        remedy = "End other work, or measure at a quieter time or for longer (--seconds)."
    shares = {str(each): share for each, share in usable.culprits.items()}
    return finding(
        HARMED, verdict, f"{seen} {left}", remedy, usable=usable.usable_share, enough=usable.enough, **shares
    )


def only_disturbed(findings: Iterable[Finding]) -> bool:
    """Whether findings say INVALID only because of disturbances, and of what those do to the load generator."""
    kinds = {each.kind for each in findings if each.verdict is Verdict.INVALID}
    return bool(kinds & DISTURBANCES) and kinds <= DISTURBANCES | _OF_DISTURBANCE


def without_consequences(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings without those that follow from harm by others, which has a finding of its own.

    Lateness stays where the generator used its own core up. Where too little is left to judge by, what weighs more than
    the harm stays.
    """
    harm = next((each for each in findings if each.kind == HARMED.name), None)
    if harm is None:
        return tuple(findings)
    busy = any(each.kind == GENERATOR_CPU.name for each in findings)
    unexplained = _OF_A_BUSY_GENERATOR if busy else set()
    if harm.data["enough"]:
        return tuple(each for each in findings if each.kind not in _EXPLAINED_IN_WINDOW - unexplained)
    explained = (_EXPLAINED_IN_WINDOW | _EXPLAINED_IN_REST) - unexplained
    return tuple(
        each
        for each in findings
        if each.kind not in explained or worst((each.verdict, harm.verdict)) is not harm.verdict
    )


def _who(culprit: Culprit, case: TrialCase, usable: UsableTime) -> str:
    if culprit is Culprit.HYPERVISOR:
        return "the hypervisor took cores away"
    if culprit is Culprit.STANDSTILL:
        return "the machine stood still, or was too busy even for the samplers"
    if culprit is Culprit.GENERATOR:
        return "the load generator's event loop was held up"
    named = [str(each) for each in strangers(case.samples, usable.window_ns)[:2]]
    mostly = f", mostly {' and '.join(named)}," if named else ""
    return f"other processes{mostly} ran on the cores of target and load"
