"""Measures two variants in blocks A B, B A, until the blocks can find the change that was asked for.

How many blocks that takes is learnt from the scatter of the first ones, not from their difference, so that the false
alarms stay as rare as they are for a fixed number (Stein, 1945). The plan grows by a block at a time: what was stopped
goes on where it was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import RunError
from harness.judge.conclusions.paired_comparison import paired_trials, pairs_needed
from harness.judge.conclusions.paired_sentences import power_sentence
from harness.measure.trial import run_trial
from harness.plan.paired.paired_plan import LEAST_BLOCKS, block_of_trials, block_seconds
from harness.run.events import Note, RunStarted
from harness.run.failures import MAX_FAILURES_IN_A_ROW
from harness.run.run_job import measure
from harness.run.trial_events import trial_ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.judge.metrics import TrialMetrics
    from harness.plan.plan import Plan, Trial
    from harness.run.run_job import RunJob

FIRST_BLOCKS = 8  # before their scatter decides how many follow


def run_paired(job: RunJob, keep_plan: Callable[[Plan], None]) -> None:
    """Run the blocks of a plan with a pairing. `keep_plan` writes a longer plan to disk before it is run.

    Raises RunError after three failures in a row: a target is past saving.
    """
    if job.plan.pairing is None:
        raise ValueError("the plan compares no variants")
    job.listener(RunStarted(None))
    job.listener(Note(power_sentence(job.plan)))
    spent_s, blocks, failed = sum(job.run_dir.spent_seconds(job.plan).values()), _blocks(job.plan), 0
    for trial, _ in job.run_dir.unfinished(job.plan):
        failed = _measure(job, trial, failed)
    wanted = FIRST_BLOCKS
    budget_s = job.plan.pairing.budget_s - job.beside_s
    while blocks < LEAST_BLOCKS or spent_s + _block_s(job, spent_s, blocks) <= budget_s:
        if blocks >= wanted:
            wanted = pairs_needed(job.plan, _measured(job))
            if blocks >= wanted:
                return
        began_ns = monotonic_ns()
        plan = msgspec.structs.replace(job.plan, trials=(*job.plan.trials, *block_of_trials(job.plan, blocks)))
        keep_plan(plan)
        added = plan.trials[len(job.plan.trials) :]
        job = replace(job, plan=plan)
        for trial in added:
            failed = _measure(job, trial, failed)
        spent_s += (monotonic_ns() - began_ns) / NS_PER_S
        blocks += 1
        if blocks == FIRST_BLOCKS and not any(paired_trials(job.plan, _measured(job))):
            raise RunError("no block has a good trial of both variants")


def _measure(job: RunJob, trial: Trial, failed: int) -> int:
    """Run one trial; returns how many have failed in a row."""
    began_ns = monotonic_ns()
    record, summary = measure(job, trial, run_trial)
    job.folder(trial).write(msgspec.structs.replace(record, spent_seconds=(monotonic_ns() - began_ns) / NS_PER_S))
    job.listener(trial_ended(record, summary))
    failed = 0 if record.failure is None else failed + 1
    if failed == MAX_FAILURES_IN_A_ROW:
        raise RunError(f"{failed} trials in a row failed, the last: {record.failure}")
    return failed


def _measured(job: RunJob) -> list[TrialMetrics]:
    return [summary.metrics for summary in job.summaries.of_run(job.plan)]


def _blocks(plan: Plan) -> int:
    return max((trial.block + 1 for trial in plan.trials), default=0)


def _block_s(job: RunJob, spent_s: float, blocks: int) -> float:
    """What the next block is expected to take."""
    return spent_s / blocks if blocks and spent_s else block_seconds(job.plan)
