"""How the plan of a capacity run grows by what was measured."""

from __future__ import annotations

import math
from types import SimpleNamespace

import msgspec
import pytest
from answers_of import invalid, point_of, quantile_of

from harness.errors import UserError
from harness.judge.capacity.capacities import capacity_of
from harness.judge.checks.case import finding
from harness.judge.checks.records import TARGET_DIED
from harness.judge.conclusions.capacity_recommendation import recommend_capacity
from harness.judge.findings import Finding, Verdict
from harness.judge.metrics import LimitCount
from harness.judge.slo_check import trusted
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, Trial
from harness.plan.slo import Slo, parse_slo
from harness.record.run_dir import RunDir, TrialRecord
from harness.run import capacity_run, failures, grid_run
from harness.run.capacity_run import FIRST_USERS, checked_capacity_plan, longer, run_capacity
from harness.run.run_job import RunJob

SLO = parse_slo("p99<20ms")
CAPACITY_RPS = {1: 1000.0, 16: 5000.0}  # by batch_size
LATE = Finding(
    kind="lateness",
    title="Requests left late",
    lengthens=True,
    verdict=Verdict.INVALID,
    text="Requests left late.",
    remedy="",
)


def plan_of(*sizes):
    points = tuple(
        Point(number=number, setting={"batch_size": size}, arrivals=Closed(users=FIRST_USERS))
        for number, size in enumerate(sizes)
    )
    return Plan(
        name="capacity",
        target="batched",
        scenario="scenarios/predict.py",
        model="digits-mlp",
        points=points,
        trials=tuple(Trial(number=each.number, point=each.number, repeat=0, seed=each.number) for each in points),
        load=LoadSettings(warmup_s=0.5, measure_s=2.0),
        repeats=1,
        slo=SLO,
        capacity=True,
        seed=1,
    )


def measure(point, findings=(), trials=1):
    """A target without noise, whose p99 grows by a factor of e for 10 % more load."""
    capacity_rps = CAPACITY_RPS[point.setting["batch_size"]]
    if isinstance(point.arrivals, Closed):
        return point_of(1.2 * capacity_rps, number=point.number, setting=point.setting, users=point.arrivals.users)
    tail_ms = 20 * math.exp((point.arrivals.rate_rps / capacity_rps - 1) * 10)
    share = 0.01 * (tail_ms / 20) ** 2
    count = LimitCount(bound="p99", allowed=0.01, broken=round(20_000 * share), total=20_000)
    found = point_of(
        point.arrivals.rate_rps,
        number=point.number,
        setting=point.setting,
        users=None,
        tail=quantile_of(tail_ms, tail_ms, tail_ms),
        rates=[point.arrivals.rate_rps] * trials,
        meets=True if share < 0.008 else False if share > 0.012 else None,
        findings=findings,
    )
    own = tuple(msgspec.structs.replace(trial, limits=(count,)) for trial in found.trials)
    return msgspec.structs.replace(found, rate_target_rps=point.arrivals.rate_rps, trials=own)


def tries(plan, point):
    return sum(trial.point == point.number for trial in plan.trials)


def search(plan, findings=()):
    while True:
        measured = {point.number: measure(point, findings, tries(plan, point)) for point in plan.points}
        grown = longer(plan, measured)
        if grown is None:
            return plan, list(measured.values())
        assert grown.trials[:-1] == plan.trials
        plan = grown


@pytest.mark.parametrize("findings", [(), (LATE,)], ids=["valid", "late generator"])
def test_each_setting_is_searched(findings):
    plan, points = search(plan_of(1, 16), findings)
    for size, capacity_rps in CAPACITY_RPS.items():
        own = [point for point in points if point.setting["batch_size"] == size and point.rate_target_rps]
        found = capacity_of(own, SLO, 5.5)
        low, high = found.rate_rps.ends
        if not findings:
            # One in twenty intervals misses the truth; `test_border.py` counts how often they hold it.
            assert 0.94 * capacity_rps < low < 1.01 * capacity_rps
            assert 0.99 * capacity_rps < high < 1.06 * capacity_rps
            assert found.kept_rps < capacity_rps < found.missed_rps
        assert found.trials == sum(tries(plan, plan.point(point.point)) for point in own)
    numbers = [trial.number for trial in plan.trials]
    assert numbers == list(range(len(numbers)))
    assert len({trial.seed for trial in plan.trials}) == len(numbers)
    for point in plan.points:
        repeats = [trial.repeat for trial in plan.trials if trial.point == point.number]
        assert repeats == list(range(len(repeats)))


def test_the_recommendation_has_the_interval_the_bracket_and_the_gain():
    plan, points = search(plan_of(1, 16))
    found = recommend_capacity(plan, [point for point in points if point.rate_target_rps])
    text = found.sentence.replace("\u202f", " ")
    assert text.startswith("At p99 ≤ 20 ms batch_size=16 sustains ")
    assert "× (" in text
    assert "It surely holds at " in text
    assert ", and it surely does not at " in text
    assert found.speedup.low < 5.0 < found.speedup.high
    assert points[found.best_point].rate_target_rps <= 5000.0


def test_a_rate_that_cannot_be_decided_is_none_that_missed():
    plan, points = search(plan_of(1))
    own = [point for point in points if point.rate_target_rps]
    undecided = [msgspec.structs.replace(point, meets_slo=None) for point in own]
    found = capacity_of(undecided, SLO, 5.5)
    assert (found.kept_rps, found.missed_rps) == (None, None)
    assert found.rate_rps == capacity_of(own, SLO, 5.5).rate_rps
    none_above = [point for point in own if point.rate_target_rps < 900.0]
    assert capacity_of(none_above, SLO, 5.5).rate_rps is None
    text = recommend_capacity(plan, none_above).sentence
    assert "sustains at least" in text


def test_a_point_that_could_not_be_run_is_too_much():
    plan = plan_of(1)
    assert longer(plan, {}) is None


def test_lateness_speaks_for_an_objective_that_is_kept_in_an_open_loop():
    kept = msgspec.structs.replace(point_of(meets=True, findings=(LATE,)), rate_target_rps=1000.0)
    assert trusted(kept)
    assert not trusted(msgspec.structs.replace(kept, meets_slo=False))
    assert not trusted(msgspec.structs.replace(kept, rate_target_rps=None))
    unsent = Finding(
        kind="rate", title="The requested rate was not reached", verdict=Verdict.INVALID, text="", remedy=""
    )
    assert not trusted(msgspec.structs.replace(kept, findings=(LATE, unsent)))
    assert not trusted(msgspec.structs.replace(point_of(meets=True, findings=(invalid(),)), rate_target_rps=None))


def test_where_noise_spoiled_every_trial_the_cause_is_said_and_what_the_machine_sustained_all_the_same():
    plan, points = search(plan_of(1), (msgspec.structs.replace(invalid(), lengthens=False),))
    own = [point for point in points if point.rate_target_rps]
    found = recommend_capacity(plan, own)
    text = found.sentence.replace("\u202f", " ")
    assert text.startswith("No recommendation: every point is INVALID: The generator was busy 97 % of the time.")
    assert "On the machine as it is, batch_size=1 sustains about " in text
    assert found.best_point is None


def test_a_default_budget_grows_to_ten_trials_and_a_given_one_is_refused():
    short = msgspec.structs.replace(plan_of(1), capacity_budget_s=34.0)  # ten trials of 2 + 0.5 + 1 s take 35 s
    assert checked_capacity_plan(short, given=False).capacity_budget_s == 35.0
    with pytest.raises(UserError, match=r"^--budget 34s: .* 10 trials or more, about 35 s"):
        checked_capacity_plan(short)
    assert checked_capacity_plan(plan_of(1)) == plan_of(1)


@pytest.mark.parametrize("text", ["mean<5ms", "p99<20ms,max<1s", "ttft_mean<1s"])
def test_a_limit_that_no_single_request_breaks_is_refused_of_classes_too(text):
    slo = parse_slo(text)
    for each in (slo, Slo(bounds=SLO.bounds, of_classes={"chat": slo.bounds})):
        with pytest.raises(UserError, match=r"^--slo \w+ . .*: `capacity` searches limits on percentiles and errors"):
            checked_capacity_plan(msgspec.structs.replace(plan_of(1), slo=each))


def not_started(point):
    """The setting under any load: nothing was measured."""
    found = point_of(0.0, number=point.number, setting=point.setting, users=FIRST_USERS, rates=[0.0])
    own = tuple(msgspec.structs.replace(trial, seconds=0.0, start_failure="died at start") for trial in found.trials)
    return msgspec.structs.replace(found, trials=own, verdict=Verdict.INVALID)


def died(point, trials):
    """The load killed the target."""
    dead = finding(TARGET_DIED, Verdict.INVALID, "The target died during the trial.", "")
    return measure(point, (dead,), trials)


@pytest.mark.parametrize("fault", ["not started", "died"])
def test_a_trial_that_failed_is_not_run_again_and_the_other_settings_are_searched(tmp_path, monkeypatch, fault):
    state = SimpleNamespace(plan=msgspec.structs.replace(plan_of(1, 16), capacity_budget_s=35.0))
    ran = []

    def fails(point):
        return point.setting["batch_size"] == 1 and (fault == "not started" or not isinstance(point.arrivals, Closed))

    def fake_trial(job):
        ran.append(job.trial.number)
        failure = fault if fails(job.point) else None
        code = None if failure == "not started" else 0
        job.folder.create()
        record = TrialRecord(
            trial=job.trial, point=job.point, finished=failure is None, failure=failure, load_exit_code=code
        )
        job.folder.write(record)
        return record

    def figures(job, point):
        if not fails(point):
            return measure(point, trials=tries(job.plan, point))
        return not_started(point) if fault == "not started" else died(point, tries(job.plan, point))

    monkeypatch.setattr(failures, "run_trial", fake_trial)
    for module in (capacity_run, grid_run):
        monkeypatch.setattr(module, "point_metrics", figures)
    summaries = SimpleNamespace(read=lambda plan, trial: SimpleNamespace(durations={}))
    job = RunJob(state.plan, RunDir.create(tmp_path / "run"), None, None, lambda _: None, lambda _: None, summaries)
    run_capacity(job, lambda longer: setattr(state, "plan", longer))
    assert ran == [trial.number for trial in state.plan.trials]
    count = {size: sum(state.plan.point(trial.point).setting["batch_size"] == size for trial in state.plan.trials)
             for size in (1, 16)}  # fmt: skip
    assert count[16] >= 11  # of users, and of rates
    assert count[1] == 1 if fault == "not started" else count[1] >= 11
