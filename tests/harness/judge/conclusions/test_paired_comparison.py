"""What pairs of trials say, from metrics of trials that differ by a known noise on a machine that drifts."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from answers_of import invalid, quantile_of, trial_of

from harness.judge.conclusions.paired_comparison import compare_variants, pairs_needed, supposed_blocks, supposed_power
from harness.judge.conclusions.paired_sentences import comparison_sentences, power_sentence
from harness.judge.findings import Verdict
from harness.judge.interval import Interval
from harness.judge.metrics import Counts, Latency
from harness.judge.numbers.latency import NOTHING
from harness.judge.paired_result import SpoiledPairs
from harness.judge.significance import Change
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.paired.paired_plan import block_of_trials, block_seconds, paired_plan
from harness.plan.plan import Plan, Point


def plan_of(blocks, users=(8,)):
    one = Plan(
        target="batched",
        scenario="scenarios/predict.py",
        points=tuple(Point(number=n, setting={}, arrivals=Closed(users=each)) for n, each in enumerate(users)),
        load=LoadSettings(warmup_s=0.5, measure_s=2.0),
    )
    plan = paired_plan(one, one, margin=0.05, budget_s=120.0)
    for block in range(blocks):
        plan = msgspec.structs.replace(plan, trials=(*plan.trials, *block_of_trials(plan, block)))
    return plan


DISTURBANCES = "disturbances on the machine"
DISTURBED = msgspec.structs.replace(invalid(), kind="harmed", title="Target or load could not run all the time")


def measured(plan, rng, *, factor=1.0, noise=0.03, drift=0.02, failed=(0, 0), spoiled=(), why=DISTURBED):
    """The trials of the plan: variant B is `factor` times as fast, and the machine's level wanders."""
    level, trials = 0.0, []
    for trial in plan.trials:
        level += rng.normal(0.0, drift)
        side = trial.point % 2
        rate = 1000.0 * (factor if side else 1.0) * math.exp(level + rng.normal(0.0, noise))
        tails = tuple(quantile_of(8000.0 / rate * each, p=p) for p, each in ((0.5, 1.0), (0.99, 2.0)))
        found = trial_of(rate, findings=(why,) if trial.block in spoiled else (),
                         verdict=Verdict.INVALID if trial.block in spoiled else Verdict.VALID)  # fmt: skip
        latency = Latency(count=2000, mean_ms=8.0, max_ms=20.0, quantiles=tails)
        counts = Counts(scheduled=2000, sent=2000, ok=2000 - failed[side], error=failed[side])
        trials.append(msgspec.structs.replace(found, trial=trial.number, response=latency, counts=counts))
    return trials


def found_of(blocks=12, *, seed=1, users=(8,), **more):
    plan = plan_of(blocks, users)
    return plan, compare_variants(plan, measured(plan, np.random.default_rng(seed), **more))


def text_of(plan, found):
    return " ".join(comparison_sentences(plan, found)).replace("\u202f", " ")


def test_a_variant_that_is_slower_is_worse():
    plan, found = found_of(factor=0.8)
    assert found.change is Change.REGRESSION
    throughput = found.levels[0].figures[0]
    assert throughput.ratio.low < 0.8 < throughput.ratio.high
    assert text_of(plan, found).startswith("B is worse than A: throughput 0.")
    assert "These 12 pairs of trials find a change of" in text_of(plan, found)


def test_the_same_is_not_worse_and_it_is_said_by_how_much_at_most():
    plan, found = found_of(40, noise=0.02, drift=0.01)
    assert found.change in (Change.EQUIVALENT, Change.NOT_WORSE)
    assert "B is not worse than A by more than 5 % in any figure: throughput " in text_of(plan, found)


def test_a_faster_one_is_better():
    plan, found = found_of(factor=1.3)
    assert text_of(plan, found).startswith("B is better than A: throughput 1.")
    assert found.change in (Change.IMPROVED, Change.EQUIVALENT)  # failures are the same


def test_what_cannot_be_said_takes_so_much_longer():
    plan, found = found_of(4, noise=0.1, factor=0.97)
    assert found.change is Change.INCONCLUSIVE
    more = [figure.more_pairs for figure in found.levels[0].figures if figure.more_pairs]
    assert found.more_seconds == max(more) * block_seconds(plan)
    assert " cannot be said yet; about " in text_of(plan, found)


def test_failures_count_as_shares():
    plan, found = found_of(8, failed=(0, 60))
    (failed,) = (figure for figure in found.levels[0].figures if figure.name == "failed")
    assert (failed.change, failed.ratio.value) == (Change.REGRESSION, pytest.approx(0.03))
    assert "failures +3 (+3 to +3) percentage points" in text_of(plan, found)


def test_fewer_failures_are_better_and_go_down():
    plan, found = found_of(8, failed=(120, 0), noise=0.001, drift=0.0)
    better = "B is better than A: failures -6 (-6 to -6) percentage points. It is not worse"
    assert text_of(plan, found).startswith(better)


def failing(plan, trials, points):
    """The trials, of which those of these points fail all requests."""
    nothing = {
        "throughput_rps": Interval(0.0),
        "response": NOTHING,
        "counts": Counts(scheduled=200, sent=200, error=200),
    }
    return [
        msgspec.structs.replace(each, **nothing) if trial.point in points else each
        for trial, each in zip(plan.trials, trials, strict=True)
    ]


def test_a_variant_that_fails_every_request_is_worse_and_the_sentence_says_so():
    plan = plan_of(8)
    trials = failing(plan, measured(plan, np.random.default_rng(1)), (1,))
    found = compare_variants(plan, trials)
    assert found.change is Change.REGRESSION
    assert text_of(plan, found) == "B is worse than A: failures +100 (+100 to +100) percentage points."


def test_where_both_fail_every_request_nothing_can_be_said():
    plan = plan_of(8)
    found = compare_variants(plan, failing(plan, measured(plan, np.random.default_rng(1)), (0, 1)))
    assert found.change is Change.INCONCLUSIVE
    assert text_of(plan, found).endswith("cannot be said: no two trials of one block had good responses.")


def test_wrong_responses_of_the_second_variant_alone_make_it_worse():
    plan = plan_of(12)
    wrong = msgspec.structs.replace(invalid(), kind="wrong_answers", title="Responses were wrong")

    def wrong_at(points):
        trials = measured(plan, np.random.default_rng(1), noise=0.001, drift=0.0)
        return compare_variants(plan, [
            msgspec.structs.replace(each, verdict=Verdict.INVALID, findings=(wrong,)) if trial.point in points else each
            for trial, each in zip(plan.trials, trials, strict=True)
        ])  # fmt: skip

    assert wrong_at((1,)).change is Change.REGRESSION
    assert text_of(plan, wrong_at((1,))).startswith("B is worse than A: responses were wrong. ")
    assert wrong_at((0, 1)).change is not Change.REGRESSION


def test_a_load_at_which_nothing_is_known_leaves_the_answer_open():
    plan = plan_of(12, users=(8, 32))
    trials = measured(plan, np.random.default_rng(1), noise=0.001, drift=0.0)
    assert compare_variants(plan, trials).change is not Change.INCONCLUSIVE
    found = compare_variants(plan, failing(plan, trials, (2, 3)))
    assert found.change is Change.INCONCLUSIVE
    assert "by more than 5 % cannot be said yet: nothing is known at 32 users." in text_of(plan, found)


def test_pairs_that_noise_spoiled_are_left_out_as_long_as_enough_others_are_left():
    plan, found = found_of(10, spoiled=(0, 1))
    assert found.levels[0].spoiled == (SpoiledPairs(pairs=2, cause=DISTURBANCES, count=False),)
    assert found.levels[0].figures[0].pairs == 8
    assert "Disturbances on the machine spoiled 2 pairs of trials; they are left out." in text_of(plan, found)
    plan, found = found_of(10, spoiled=range(7))
    assert found.levels[0].spoiled == (SpoiledPairs(pairs=7, cause=DISTURBANCES, count=True),)
    assert found.levels[0].figures[0].pairs == 10
    assert "they count all the same" in text_of(plan, found)


def test_pairs_that_something_else_spoiled_are_not_called_noisy():
    plan = plan_of(10)
    trials = measured(plan, np.random.default_rng(1), spoiled=(0, 1), why=invalid())
    text = text_of(plan, compare_variants(plan, trials))
    assert "2 pairs of trials cannot be trusted (the load generator was busy); they are left out." in text
    assert "oise" not in text
    found = compare_variants(plan, measured(plan, np.random.default_rng(1), spoiled=range(7), why=invalid()))
    assert found.levels[0].figures[0].pairs == 3


def test_two_fast_variants_that_a_busy_generator_hides_are_not_called_alike():
    plan = plan_of(10)
    found = compare_variants(plan, measured(plan, np.random.default_rng(1), spoiled=range(10), why=invalid()))
    assert (found.change, found.levels[0].figures) == (Change.INCONCLUSIVE, ())
    assert text_of(plan, found) == (
        "Whether B is worse than A cannot be said: too few pairs of trials can be trusted. "
        "10 pairs of trials cannot be trusted (the load generator was busy); they are left out."
    )


def test_of_few_clean_pairs_the_disturbed_ones_count_and_those_of_a_busy_generator_do_not():
    plan = plan_of(10)
    disturbed = measured(plan, np.random.default_rng(1), spoiled=range(5))
    busy = measured(plan, np.random.default_rng(1), spoiled=range(5, 8), why=invalid())
    both = zip(plan.trials, disturbed, busy, strict=True)
    trials = [two if trial.block >= 5 else one for trial, one, two in both]
    found = compare_variants(plan, trials)
    assert found.levels[0].figures[0].pairs == 7
    assert set(found.levels[0].spoiled) == {
        SpoiledPairs(pairs=5, cause=DISTURBANCES, count=True),
        SpoiledPairs(pairs=3, cause="the load generator was busy", count=False),
    }


def test_a_ratio_whose_interval_says_nothing_has_none():
    plan, found = found_of(2, noise=3.0)
    assert any(each.ratio.vague for each in found.levels[0].figures)
    assert "(not known how exactly)" in text_of(plan, found)


def test_nothing_measured_says_nothing():
    plan = plan_of(2)
    found = compare_variants(plan, [])
    assert found.change is Change.INCONCLUSIVE
    assert "cannot be said: no two trials of one block were measured" in text_of(plan, found)


def test_the_power_is_stated_before():
    plan = plan_of(0)
    blocks, finds = supposed_power(plan)
    assert blocks == int(120.0 / block_seconds(plan))
    assert 0.04 < finds < 0.08
    said = power_sentence(plan).replace("\u202f", " ")
    assert said.startswith(f"{blocks} blocks fit into the budget; where trials differ")
    # More blocks than fit are needed where those that fit find only more than the margin of 5 %.
    assert (supposed_blocks(plan) > blocks) == (finds > 0.05)


def test_the_scatter_alone_says_how_many_pairs_it_takes():
    plan = plan_of(8)
    needed = [pairs_needed(plan, measured(plan, np.random.default_rng(2), factor=each)) for each in (1.0, 0.7)]
    assert needed[0] == needed[1]
    wider = pairs_needed(plan, measured(plan, np.random.default_rng(2), noise=0.1))
    assert wider > 3 * needed[0]


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.03, 0.1])
def test_false_alarms_and_power(noise):
    plan = plan_of(12, users=(8, 32))
    same = [compare_variants(plan, measured(plan, np.random.default_rng(seed), noise=noise)) for seed in range(300)]
    assert np.mean([each.change is Change.REGRESSION for each in same]) <= 0.05
    finds = np.median([each.finds for each in same])
    slower = [
        compare_variants(plan, measured(plan, np.random.default_rng(seed), noise=noise, factor=1 / (1 + 1.15 * finds)))
        for seed in range(300)
    ]
    assert np.mean([each.change is Change.REGRESSION for each in slower]) >= 0.88
