"""Harm by others, from samples to the verdict: what is left out, what is said, and which findings it explains."""

import numpy as np
import pytest
from evidence_of import (
    MS,
    START,
    S,
    closed_loop,
    evidence_of,
    report_of,
    rows_of,
    samples_of,
    summarise_point,
    summarise_trial,
)

from harness.judge.findings import Verdict
from harness.record.load_report import LoopHealth
from harness.record.rows import Outcome

V = Verdict


def counter(per_stretch):
    return [(index / 10, float(value)) for index, value in enumerate(np.cumsum([0.0, *per_stretch]))]


def machine(harmed, *, foreign=0.08, waited=0.06, stolen=0.0):
    """Samples of 10 s in which others ran in the stretches named, and threads waited for them."""
    mask = np.zeros(100)
    mask[list(harmed)] = 1
    return {
        ("cores", "ran_s"): counter(0.081 + foreign * mask),
        ("target", "ran_s"): counter(np.full(100, 0.050)),
        ("load", "ran_s"): counter(np.full(100, 0.030)),
        ("sampler", "ran_s"): counter(np.full(100, 0.001)),
        ("sampler", "cpu_s"): counter(np.full(100, 0.001)),
        ("target", "waited_s"): counter(waited * mask),
        ("load", "waited_s"): counter(np.zeros(100)),
        ("machine", "steal_s"): counter(stolen * mask),
        ("process:hog:77:", "cpu_s"): counter(foreign * mask),
        **{(f"cpu{n}", "cpu_percent"): [(t / 10, 40.0) for t in range(101)] for n in range(2)},
    }


def disturbed(harmed, slow_ms=60):
    """One user: 10 ms for each request, `slow_ms` where it is due in one of the harmed stretches."""
    due_ms, took_ms, now = [], [], 0
    while now < 10_000:
        took = slow_ms if now // 100 in harmed else 10
        due_ms.append(now)
        took_ms.append(took)
        now += took
    return rows_of(START + np.array(due_ms) * MS, np.array(took_ms) * MS)


def judged(rows, samples, **changes):
    return summarise_trial(evidence_of(rows, samples=samples_of(samples), **changes), None)


def test_harmed_stretches_are_left_out_of_latency_and_throughput_and_the_rest_is_valid():
    harmed = range(20, 40)
    trial = judged(disturbed(harmed), machine(harmed))
    assert trial.response.max_ms == 10
    assert trial.throughput_rps.value == pytest.approx(100, rel=0.01)
    (found,) = trial.findings
    assert (found.kind, found.verdict, trial.verdict) == ("harmed", V.VALID, V.VALID)
    assert found.text.startswith(
        "In stretches that make up 20\u202f% of the time, other processes, mostly hog (pid 77), "
    )
    # 0 to 2 s less a guard of 10 ms, and from 4.1 s on: at 4 s a request of the last harmed stretch is still open.
    assert trial.usable_share == pytest.approx(0.789, abs=0.011)
    assert trial.counts.sent == disturbed(harmed).num_rows  # nothing is lost from the counts


def test_without_harm_all_is_judged():
    trial = judged(closed_loop(), machine(()))
    assert trial.usable_share == 1.0
    assert trial.findings == ()


def test_too_little_left_is_invalid_with_one_cause_and_figures_of_all():
    harmed = range(95)
    trial = judged(disturbed(harmed), machine(harmed, stolen=0.002))
    assert trial.usable_share < 0.06
    assert trial.response.at(0.5).value_ms == 60
    assert trial.verdict is V.INVALID
    assert [found.kind for found in trial.findings if found.verdict is V.INVALID] == ["harmed"]
    assert not {"steal", "neighbours"} & {found.kind for found in trial.findings}


def test_the_hypervisor_is_named():
    harmed = range(20, 40)
    trial = judged(disturbed(harmed), machine(harmed, foreign=0.0, waited=0.0, stolen=0.04))
    (found,) = [each for each in trial.findings if each.kind == "harmed"]
    assert found.text.startswith("In stretches that make up 20\u202f% of the time, the hypervisor took cores away.")
    assert "steal" not in {each.kind for each in trial.findings}


def test_others_who_do_no_harm_take_nothing_away():
    trial = judged(closed_loop(), machine(range(100), waited=0.0) | {("cpu0", "cpu_percent"): [(0, 95.0), (9, 95.0)]})
    kinds = {found.kind: found.verdict for found in trial.findings}
    assert "harmed" not in kinds
    assert kinds.get("neighbours", V.VALID) is V.VALID


def test_a_stall_of_the_load_is_left_out():
    harmed = range(20, 23)
    rows = disturbed(harmed)
    stall = (START + 2 * S, START + 2 * S + 250 * MS)
    health = LoopHealth(cpu_ns=2 * S, wall_ns=10 * S, loop_lag_p99_ns=250 * MS, stalls_ns=(stall,))
    trial = judged(rows, machine(()), reports=(report_of(rows, 10.0, health=health),))
    assert trial.response.max_ms == 10
    assert "loop_lag" not in {found.kind for found in trial.findings}
    assert trial.verdict is V.VALID


def test_an_invalid_repeat_is_left_out_and_not_the_point():
    quiet, busy = range(0), range(98)
    trials = [
        evidence_of(disturbed(harmed), samples=samples_of(machine(harmed)), repeat=repeat)
        for repeat, harmed in enumerate((quiet, busy))
    ]
    point = summarise_point(trials[0].point, trials, None)
    assert [trial.verdict for trial in point.trials] == [V.VALID, V.INVALID]
    assert point.verdict is V.DEGRADED
    assert [found.kind for found in point.findings] == ["left_out"]
    assert point.findings[0].text.startswith("1 of 2 repeats is INVALID and left out: In stretches that make up 98")
    assert (point.repeats, point.response.max_ms) == (1, 10)


def test_wrong_answers_in_one_repeat_are_not_left_out():
    rows = closed_loop()
    wrong = closed_loop(outcome=Outcome.WRONG)
    trials = [evidence_of(each, samples=samples_of(machine(())), repeat=n) for n, each in enumerate((rows, wrong))]
    assert summarise_point(trials[0].point, trials, None).verdict is V.INVALID
