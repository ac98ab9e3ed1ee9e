"""What is decided at the end of a budgeted sweep."""

import math

import numpy as np
import pytest

from harness.judge.decision.chances import Chances, Limit, chances
from harness.judge.decision.decision import Candidate, Stand, Status, decide, published_figure
from harness.judge.stats.speeds.level_draws import level_draws
from harness.judge.stats.speeds.point_speeds import Look, PointSpeeds, estimate

KEPT, MISSED, NOT_YET = Limit.KEPT, Limit.MISSED, Limit.NOT_YET


def stand_of(rates, *, limits=None, harmed=(), unseen=(), blocks=6, fresh=(), settings=None):
    """Points of `rates` req/s, seen in every block without noise; `fresh` are confirmed in the last three."""
    count = len(rates)
    looks = [
        Look(point, block, math.log(rate))
        for block in range(blocks)
        for point, rate in enumerate(rates)
        if point not in unseen
    ]
    limits = limits or [KEPT] * count
    levels = estimate(looks, count)
    return Stand(
        candidates=tuple(Candidate(setting) for setting in (settings or range(count))),
        known=(levels, chances(level_draws(looks, count, seed=1), limits, np.zeros(count, bool), seed=1)),
        looks=tuple(looks),
        fresh=tuple(look for look in looks if look.point in fresh and look.block >= blocks - 3),
        limits=tuple(limits),
        failed=frozenset(),
        harmed=tuple(harmed),
        spent_s=100.0,
        trial_s=5.0,
    )


def test_the_best_is_named_with_its_figure():
    said = decide(stand_of([100.0, 300.0, 200.0], fresh=(1, 2)))
    assert (said.status, said.best) == (Status.NAMED, 1)
    assert said.figure.value == pytest.approx(300.0)
    assert said.figure.low < 300.0 < said.figure.high
    assert said.certainty > 0.95
    assert said.more_s is None
    assert said.open_points == ()
    assert said.smaller is None  # 100 and 200 are not tied with 300


def test_the_smallest_tied_setting_is_offered_with_its_cost():
    said = decide(stand_of([100.0, 299.0, 298.0, 300.0], fresh=(3, 1)))
    assert (said.best, said.smaller.point) == (3, 1)
    assert said.smaller.cost == pytest.approx(1 / 300, abs=0.01)
    assert said.smaller.low < said.smaller.cost < said.smaller.high


def test_a_smaller_load_of_the_same_setting_is_no_alternative():
    said = decide(stand_of([299.0, 300.0], settings=[0, 0], fresh=(0, 1)))
    assert said.smaller is None


def test_without_fresh_trials_nothing_is_said_yet():
    said = decide(stand_of([100.0, 300.0]))
    assert (said.status, said.best, said.figure) == (Status.NOT_YET, 1, None)
    assert said.more_s >= 6 * 5.0  # at least the confirming trials of the two best


def test_a_point_without_a_usable_trial_may_be_better_and_nobody_knows_by_how_much():
    said = decide(stand_of([100.0, 300.0, 200.0], unseen=(2,), harmed=(2, 2), fresh=(0, 1)))
    (point,) = said.open_points
    assert (point.point, point.harmed, point.up_to) == (2, 2, None)
    assert said.best == 1
    assert said.certainty < 0.95


def test_an_undecided_limit_leaves_a_better_point_open():
    said = decide(stand_of([100.0, 300.0], limits=[KEPT, NOT_YET], fresh=(0, 1)))
    (point,) = said.open_points
    assert (said.best, point.point, point.limit) == (0, 1, NOT_YET)
    assert point.up_to == pytest.approx(2.0, abs=0.4)  # 300 is 200 % more than 100
    assert 0.4 < said.near < 0.6  # it keeps the limit or it does not


def test_a_much_slower_point_with_an_undecided_limit_is_not_worth_a_word():
    said = decide(stand_of([100.0, 300.0], limits=[NOT_YET, KEPT], fresh=(1,)))
    assert said.open_points == ()
    assert said.certainty > 0.95


def test_none_keeps_the_limit():
    assert decide(stand_of([100.0, 300.0], limits=[MISSED, MISSED])).status is Status.NONE_KEEPS


def test_none_is_known_to_keep_the_limit():
    said = decide(stand_of([100.0, 300.0], limits=[MISSED, NOT_YET]))
    assert (said.status, said.best) == (Status.NOT_YET, None)
    assert said.more_s > 0


def test_the_published_interval_by_hand():
    # Four trials with run noise 0.06 and drift 0.08, many degrees of freedom: 0.1 / 2 = 0.05, times 1.96.
    levels = PointSpeeds(np.zeros(1), np.eye(1), df=1e9, noise=0.06, drift=0.08, drift_df=1e9)
    found = published_figure([Look(0, block, math.log(50.0)) for block in range(4)], levels)
    assert found.value == pytest.approx(50.0)
    assert found.high == pytest.approx(50.0 * math.exp(1.959964 * 0.05))
    assert found.half_width == pytest.approx(math.exp(1.959964 * 0.05) - 1)


def test_a_trial_that_says_little_weighs_little_in_the_published_figure():
    # Variances 0.01 and 1: weights 100 and 1, of their sum 101 the standard error is 1 / sqrt(101).
    levels = PointSpeeds(np.zeros(1), np.eye(1), df=1e9, noise=0.0, drift=0.0, drift_df=1e9)
    found = published_figure([Look(0, 0, math.log(50.0), 0.1), Look(0, 1, math.log(20.0), 1.0)], levels)
    assert found.value == pytest.approx(50.0 ** (100 / 101) * 20.0 ** (1 / 101))
    assert found.half_width == pytest.approx(math.exp(1.959964 / math.sqrt(101)) - 1)


def test_chances_count_draws():
    found = Chances(np.log([[100.0, 99.0], [100.0, 103.0], [100.0, 101.0], [100.0, 90.0]]))
    assert found.of_being_best().tolist() == [0.5, 0.5]
    assert found.certainty(0, 0.02) == 0.75  # 100 is 2.9 % below 103, and 1 % below 101
    assert found.certainty(1, 0.02) == 0.75
