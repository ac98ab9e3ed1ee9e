"""What a user reads at the end of a run within a budget, from metrics of its points."""

import math

import msgspec
import pytest
from answers_of import invalid, point_of

from harness.judge.checks.case import finding
from harness.judge.checks.generator import GENERATOR_CPU
from harness.judge.checks.harm import HARMED
from harness.judge.checks.records import INTERRUPTED, NOT_STARTED
from harness.judge.checks.target import WRONG_ANSWERS
from harness.judge.conclusions.budgeted_recommendation import recommend_within_budget
from harness.judge.decision.chances import Limit
from harness.judge.decision.history_of_plan import candidates_of, outcome_of, trial_history
from harness.judge.findings import Verdict
from harness.judge.interval import Interval
from harness.judge.metrics import Latency, StreamMetrics
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, Trial, TrialKind
from harness.plan.slo import parse_slo

EXPLORE, CONFIRM = TrialKind.EXPLORE, TrialKind.CONFIRM
SLO = parse_slo("p99<50ms")
HARM = finding(HARMED, Verdict.INVALID, "Others ran on the cores for 97 % of the time.", "End other work.")
WRONG = finding(WRONG_ANSWERS, Verdict.INVALID, "3 responses were wrong.", "")


def run_of(*rates, meets=None, confirmed=(), blocks=6, spoiled=(), sizes=None, harm=HARM):
    """A plan and its points: each is run once in each block, of which the last three confirm those of `confirmed`.

    The trials of the points in `spoiled` all have the finding `harm`.
    """
    sizes = sizes or [4**number for number in range(len(rates))]
    meets = meets or [True] * len(rates)
    trials, points = [], []
    for number, rate in enumerate(rates):
        known = [block for block in range(blocks) if block < blocks - 3 or number in confirmed]
        own = [
            Trial(
                number=len(trials) + place,
                point=number,
                repeat=place,
                seed=0,
                kind=CONFIRM if block >= blocks - 3 else EXPLORE,
                block=block,
            )
            for place, block in enumerate(known)
        ]
        trials += own
        point = point_of(rate, number=number, setting={"batch_size": sizes[number]}, users=8, rates=[rate] * len(own))
        verdict, findings = (Verdict.INVALID, (harm,)) if number in spoiled else (Verdict.VALID, ())
        measured = tuple(
            msgspec.structs.replace(each, trial=trial.number, verdict=verdict, findings=findings)
            for each, trial in zip(point.trials, own, strict=True)
        )
        point = msgspec.structs.replace(point, findings=findings)
        points.append(msgspec.structs.replace(point, trials=measured, meets_slo=meets[number], verdict=verdict))
    plan = Plan(
        target="batched",
        scenario="scenarios/predict.py",
        points=tuple(
            Point(number=number, setting={"batch_size": size}, arrivals=Closed(users=8))
            for number, size in enumerate(sizes)
        ),
        trials=tuple(sorted(trials, key=lambda trial: trial.block)),
        load=LoadSettings(measure_s=2.0),
        budget_seconds=180.0,
        slo=SLO,
    )
    return plan, points


def found(*rates, **more):
    said = recommend_within_budget(*run_of(*rates, **more), 5.0)
    return said, said.sentence.replace("\u202f", " ")


def test_the_best_is_named_with_its_figure_its_lead_and_how_sure_that_is():
    said, text = found(1000.0, 4000.0, 2000.0, confirmed=(1, 2))
    assert text.startswith("At p99 ≤ 50 ms batch_size=4 sustains 4 000 req/s (")
    assert "4× (" in text
    assert ") batch_size=1. It is within 2 % of the best with " in text
    assert (said.best_point, said.baseline_point, said.more_seconds) == (1, 0, None)
    assert said.speedup.value == pytest.approx(4.0, rel=0.02)
    assert said.rate_rps.low < 4000.0 < said.rate_rps.high
    assert said.certainty > 0.95


def test_the_goodput_of_streams_is_in_responses():
    plan, points = run_of(1000.0, 4000.0, confirmed=(0, 1))
    nothing = Latency(count=0, mean_ms=None, max_ms=None, quantiles=())
    for number, point in enumerate(points):
        stream = StreamMetrics(
            ttft=nothing, itl=nothing, tpot=nothing, tokens_per_s=point.throughput_rps.times(50.0), prompt_tokens=None,
            output_tokens=50.0, in_flight=None,
        )  # fmt: skip
        points[number] = msgspec.structs.replace(
            point, stream=stream, goodput_rps=Interval(3000.0, 2900.0, 3100.0), trials=streamed(point, stream)
        )
    said = recommend_within_budget(plan, points, 5.0)
    assert said.rate_rps.value == pytest.approx(200_000.0, rel=0.01)  # tokens/s
    assert said.goodput_rps.value == pytest.approx(3000.0, rel=0.01)


def streamed(point, stream):
    return tuple(msgspec.structs.replace(trial, stream=stream) for trial in point.trials)


def test_a_smaller_setting_is_offered_with_what_it_costs():
    said, text = found(1000.0, 3980.0, 4000.0, confirmed=(1, 2))
    assert said.best_point == 2
    assert said.tied_points == (1,)
    assert "batch_size=4 may do as well: it costs 0." in text


def test_settings_are_ordered_by_their_values_and_not_by_the_plan():
    said, _ = found(4000.0, 3980.0, confirmed=(0, 1), sizes=[64, 8])
    assert (said.best_point, said.tied_points) == (0, (1,))
    plan, _ = run_of(1.0, 2.0, sizes=[64, 8])
    assert [candidate.setting for candidate in candidates_of(plan)] == [1, 0]


def test_a_point_that_noise_spoiled_is_not_recommended_and_not_forgotten():
    said, text = found(1000.0, 4000.0, 9000.0, confirmed=(1, 2), spoiled=(2,))
    assert said.best_point in (None, 1)
    assert said.open_points == (2,)
    assert "batch_size=16 at 8 users may be better: disturbances on the machine spoiled 6 of its trials." in text


def test_where_the_generator_is_the_limit_no_time_is_promised():
    busy = finding(
        GENERATOR_CPU, Verdict.INVALID, "The load generator was busy 98 % of the time.", "Give it more cores."
    )
    said, text = found(1000.0, 4000.0, 9000.0, spoiled=(2,), harm=busy)
    assert text.startswith(
        "Not decided, and more of the same would not decide it: The load generator was busy 98 % of the time. Give it "
        "more cores. batch_size=4 at 8 users is ahead; it is"
    )
    assert said.more_seconds is None


def test_an_interrupted_trial_is_a_question_of_time():
    cut = finding(INTERRUPTED, Verdict.INVALID, "The trial was interrupted.", "Go on with --resume.")
    said, text = found(1000.0, 4000.0, 9000.0, spoiled=(2,), harm=cut)
    assert text.startswith("Not decided yet: about ")
    assert said.more_seconds is not None


def test_a_published_rate_that_is_not_the_tables_is_explained():
    plan, points = run_of(1000.0, 4000.0, confirmed=(0, 1))
    points[1] = msgspec.structs.replace(points[1], throughput_rps=Interval(4400.0, 4300.0, 4500.0))
    sentence = recommend_within_budget(plan, points, 5.0).sentence.replace("\u202f", " ")
    assert "sustains 4 000 req/s (" in sentence
    assert "That is of its fresh trials; over all of its trials it is 4 400." in sentence


def test_a_limit_that_is_not_decided_leaves_a_better_point_open():
    said, text = found(1000.0, 4000.0, 9000.0, confirmed=(1, 2), meets=[True, True, None])
    assert said.open_points == (2,)
    assert "batch_size=16 at 8 users may be better by up to " in text
    assert "not enough was measured to say whether it keeps p99 ≤ 50 ms." in text


def test_without_confirming_trials_it_cannot_be_said_yet():
    said, text = found(1000.0, 4000.0, 2000.0)
    assert (said.best_point, said.rate_rps) == (None, None)
    assert said.more_seconds == pytest.approx(30.0)  # six trials of 5 s
    assert text.startswith("Not decided yet: about 30 seconds more would do. batch_size=4 at 8 users is ahead; it is")


def test_in_an_open_loop_the_point_that_is_ahead_is_named_by_its_requested_rate():
    plan, points = run_of(1000.0, 4000.0, 2000.0)
    points = [msgspec.structs.replace(each, concurrency=None, rate_target_rps=5000.0) for each in points]
    text = recommend_within_budget(plan, points, 5.0).sentence.replace("\u202f", " ")
    assert ". batch_size=4 at 5 000 req/s is ahead; it is" in text


def test_where_noise_spoiled_every_trial_the_order_stands_the_culprit_is_named_and_no_time_promised():
    said, text = found(1000.0, 4000.0, spoiled=(0, 1))
    assert (said.best_point, said.more_seconds) == (None, None)
    assert text.startswith(
        "No recommendation: disturbances on the machine spoiled every trial. Others ran on the cores for 97 % of the "
        "time. End other work. On the machine as it is, batch_size=4 at 8 users is ahead with 4 000 req/s and keeps "
        "p99 ≤ 50 ms; there it is within 5 % of the best with more than 99 % certainty."
    )


def test_on_a_busy_machine_the_rate_is_the_tables_and_a_limit_that_is_missed_is_named():
    plan, points = run_of(1000.0, 4040.0, spoiled=(0, 1), meets=[False, False])
    # The trials scatter: what the ranking expects of the point is another figure than the table's.
    trials = points[1].trials[:1] + tuple(
        msgspec.structs.replace(each, throughput_rps=Interval(3000.0)) for each in points[1].trials[1:]
    )
    points[1] = msgspec.structs.replace(points[1], trials=trials)
    text = recommend_within_budget(plan, points, 5.0).sentence.replace("\u202f", " ")
    assert (
        "On the machine as it is, no point is known to keep p99 ≤ 50 ms; batch_size=4 at 8 users has the highest rate, "
        "4 040 req/s, with a p99 of "
    ) in text
    assert "is ahead" not in text


def test_no_setting_keeps_the_limit():
    said, text = found(1000.0, 4000.0, meets=[False, False])
    assert said.more_seconds is None
    assert text.startswith("No setting meets p99 ≤ 50 ms at any load that was tried")


def test_what_a_trial_says_of_its_point():
    (trial,) = point_of(1000.0, half=19.6).trials
    outcome = outcome_of(trial, Limit.KEPT, 5.0)
    assert outcome.log_value == pytest.approx(math.log(1000.0))
    assert outcome.standard_error == pytest.approx(0.01, rel=0.01)  # 19.6 / 1.96 of 1000
    spoiled = msgspec.structs.replace(trial, verdict=Verdict.INVALID, findings=(invalid(),))
    assert outcome_of(spoiled, Limit.KEPT, 5.0).harmed
    wrong = outcome_of(msgspec.structs.replace(trial, verdict=Verdict.INVALID, findings=(WRONG,)), Limit.KEPT, 5.0)
    assert (wrong.harmed, wrong.log_value) == (False, None)  # the target's own fault
    assert outcome_of(msgspec.structs.replace(trial, seconds=0.0), Limit.KEPT, 5.0).log_value is None


def test_trials_of_the_plan_that_have_not_run_are_no_failures():
    plan, points = run_of(1000.0, 2000.0)
    more = Trial(number=99, point=0, repeat=9, seed=0, kind=EXPLORE, block=9)
    record = trial_history(msgspec.structs.replace(plan, trials=(*plan.trials, more)), points, 5.0)
    assert len(record.trials) == len(plan.trials)


def test_what_is_no_noise_is_not_called_noise():
    _, text = found(1000.0, 4000.0, spoiled=(0, 1), harm=invalid())
    assert text.startswith(
        "No recommendation: every point is INVALID: The generator was busy 97 % of the time. Use more cores. On "
    )
    _, text = found(1000.0, 4000.0, 9000.0, confirmed=(1, 2), spoiled=(2,), harm=invalid())
    assert "may be better: 6 of its trials are INVALID (the load generator was busy)." in text


def test_a_setting_that_cannot_be_started_is_said_beside_the_noise_and_alone():
    why = finding(NOT_STARTED, Verdict.INVALID, "The trial could not be started: pool must be more than 0.", "See log.")
    plan, points = run_of(0.0, 4000.0, spoiled=(0, 1))
    trials = tuple(msgspec.structs.replace(each, findings=(why,), seconds=0.0) for each in points[0].trials)
    points[0] = msgspec.structs.replace(points[0], findings=(why,), trials=trials)
    text = recommend_within_budget(plan, points, 5.0).sentence.replace("\u202f", " ")
    assert text.startswith(
        "No recommendation: disturbances on the machine spoiled every trial. Others ran on the cores for 97 % of the "
        "time. End other work. batch_size=1 at 8 users: The trial could not be started: pool must be more than 0. On "
    )
    alone = msgspec.structs.replace(plan, points=plan.points[:1], trials=tuple(t for t in plan.trials if t.point == 0))
    assert recommend_within_budget(alone, points[:1], 5.0).sentence == (
        "No recommendation: the trial could not be started: pool must be more than 0. See log."
    )
