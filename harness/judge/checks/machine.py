"""Checks of the machine: isolated cores, stolen time, foreign processes, slow memory, and the samplers' own health."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_S
from harness.judge.checks.case import finding, grade
from harness.judge.checks.point import counted_trials
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import figure, milliseconds, percent
from harness.judge.numbers.machine.usable_time import is_elsewhere
from harness.judge.stats.distributions import student_t_quantile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.checks.case import TrialCase
    from harness.judge.findings import Finding
    from harness.judge.metrics import PointMetrics, Usage

NOT_ISOLATED = FindingKind("not_isolated", "Target and generator shared cores")
STEAL = FindingKind("steal", "The hypervisor took time away", lengthens=True)
NEIGHBOURS = FindingKind("neighbours", "Others were busy on this machine")
SAMPLER = FindingKind("sampler", "Resource samples are missing or late")
SLOW_MEMORY = FindingKind("slow_memory", "Memory was slower at times")
STEAL_DEGRADED_PERCENT = 1.0
STEAL_INVALID_PERCENT = 5.0
FOREIGN_SHARE = 0.1  # of all cores; the kernel's own work for the run stays well below it
MEMORY_TRIALS = 5  # of a point, before it is asked whether throughput followed the memory
MEMORY_ERROR = 0.005  # chance that it seems so without cause
MEMORY_COST = 0.05  # share of the throughput below which it is not worth a word
SAMPLER_GAP_S = 2.0
SAMPLER_LATE_MS = 250.0


def not_isolated(case: TrialCase) -> Finding | None:
    """Target and load generator competed for cores."""
    if case.data.isolated is not False:  # a server by URL may be on another machine
        return None
    text = "Target and load generator shared cores: each slowed the other down."
    remedy = (
        "Use a machine with two cores or more and leave --isolate on, or put the target on another machine; "
        "to one that docker or systemd starts, give cores of its own (--cpuset-cpus, CPUAffinity)."
    )
    if case.data.in_process:
        text = "The model ran inside the load process: its numbers include the generator's work."
        remedy = "That is what this target is for; compare it with others only for the order of magnitude."
        return finding(NOT_ISOLATED, Verdict.VALID, text, remedy)
    return finding(NOT_ISOLATED, Verdict.DEGRADED, text, remedy)


def steal(case: TrialCase) -> Finding | None:
    """The hypervisor gave the cores to somebody else, at times too short to be left out."""
    return stolen_time(case.metrics.usage)


def stolen_time(used: Usage) -> Finding | None:
    """The same of any measured window."""
    stolen = used.steal_percent
    if stolen is None or stolen <= STEAL_DEGRADED_PERCENT:
        return None
    text = f"The hypervisor took {figure(stolen)} % of the machine's time away."
    remedy = "Measure at a quieter time or on a dedicated host."
    verdict = grade(stolen, STEAL_DEGRADED_PERCENT, STEAL_INVALID_PERCENT)
    return finding(STEAL, verdict, text, remedy, percent=stolen)


def neighbours(case: TrialCase) -> Finding | None:
    """Processes that have nothing to do with the run worked on this machine: all cores' time less target's and load's.

    Silent where the target's share is not known: a server by URL may be the one that works here. It does no harm where
    it is known that they kept nobody from running.
    """
    used = case.metrics.usage
    target = 0.0 if case.data.in_process else used.cpu_target_cores
    if target is None or used.cpu_load_cores is None or not used.cpu_machine_percent:
        return None
    ours = target + used.cpu_load_cores + (used.sampler_cpu_percent or 0.0) / 100
    foreign = sum(used.cpu_machine_percent) / 100 - ours
    share = foreign / len(used.cpu_machine_percent)
    if share <= FOREIGN_SHARE:
        return None
    text = f"Other processes took {figure(foreign)} cores' time, {percent(share)} of this machine."
    remedy = "End them, or measure at a quieter time: they make the target slower and its responses later."
    if case.usable is not None and case.usable.stretches.watched:
        text += " Threads of target and load did not wait for a core because of them."
        return finding(NEIGHBOURS, Verdict.VALID, text, "", cores=foreign, share=share)
    return finding(NEIGHBOURS, Verdict.DEGRADED, text, remedy, cores=foreign, share=share)


def slow_memory(metrics: PointMetrics) -> Iterator[Finding]:
    """Over the repeats, throughput was lower where accesses to memory took longer.

    Caches and memory are shared with neighbours on the host, which no counter of a virtual machine shows. Tested is the
    correlation of both logarithms, by Student's t. The finding has the slope of their regression line with its standard
    error and its degrees of freedom, and the fastest access.
    """
    trials = counted_trials(metrics.trials)
    figures = [(each.throughput_rps.value, each.usage.memory_access_ns or 0.0) for each in trials]
    logs = np.log([each for each in figures if min(each) > 0.0])
    if len(logs) < MEMORY_TRIALS or not logs.std(axis=0).all():
        return
    rates, accesses = logs.T
    freedom = len(logs) - 2
    correlation = float(np.corrcoef(rates, accesses)[0, 1])
    student_t = correlation * math.sqrt(freedom / max(1.0 - correlation**2, 1e-12))
    ratio = float(rates.std() / accesses.std())
    slope, error = ratio * correlation, ratio * math.sqrt((1.0 - correlation**2) / freedom)
    cost = -math.expm1(slope * float(np.ptp(accesses)))
    if student_t > student_t_quantile(MEMORY_ERROR, freedom) or cost < MEMORY_COST:
        return
    slow_ns, fast_ns = figure(math.exp(accesses.max())), figure(math.exp(accesses.min()))
    text = (
        f"Where accesses to memory took {slow_ns} ns instead of {fast_ns} ns, throughput was {percent(cost)} lower: "
        "others on the host use the caches or the memory that the target's cores share."
    )
    remedy = "Compare settings within one run, not between runs; for absolute figures measure on a host without others."
    data = {"cost": cost, "correlation": correlation, "slope": slope, "error": error, "freedom": freedom}
    yield finding(SLOW_MEMORY, Verdict.VALID, text, remedy, **data, fastest_ns=math.exp(accesses.min()))


def sampler(case: TrialCase) -> Finding | None:
    """Resource readings are missing, late or failed; latencies are not concerned unless the machine stood still."""
    failure = case.data.sampler_failure
    if case.rows is None or (case.data.samples is None and not failure):  # Locust on its own starts no samplers
        return None
    window = case.rows.window
    read_ns = case.samples.t_ns[window.holds(case.samples.t_ns)]
    if failure:
        then = " from then on" if read_ns.size else ""
        text = f"The samplers failed ({failure}): CPU, memory and GPU are unknown{then}."
        return finding(SAMPLER, Verdict.VALID, text, "Measure again where these figures matter.")
    if not read_ns.size:
        text = "There are no resource samples of this trial: CPU, memory and GPU are unknown."
        return finding(SAMPLER, Verdict.VALID, text, "A trial of a second or more has some.")
    edges_ns = np.concatenate(([window.start_ns], read_ns, [window.end_ns]))
    gap_s = float(np.diff(edges_ns).max()) / NS_PER_S
    late_ms = case.metrics.usage.sampler_late_p99_ms or 0.0
    if (gap_s > SAMPLER_GAP_S or late_ms > SAMPLER_LATE_MS) and not is_elsewhere(case.data, case.samples):
        text = f"The samplers were {milliseconds(late_ms)} late (p99) and once silent for {figure(gap_s)} s."
        remedy = "The machine was overloaded or stood still: free it of other work and measure again."
        return finding(SAMPLER, Verdict.DEGRADED, text, remedy, gap_s=gap_s, late_p99_ms=late_ms)
    failed = [text for t_ns, text in case.samples.errors if window.start_ns <= t_ns < window.end_ns]
    if failed:
        text = f"{len(failed)} resource readings failed, the first: {failed[0]}."
        return finding(SAMPLER, Verdict.VALID, text, "Those readings are left out.", failed=len(failed))
    return None
