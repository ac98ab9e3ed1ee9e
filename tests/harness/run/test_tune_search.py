import dataclasses
import math

import four_knobs
import pytest
from tune_replay import true_log_rate, tune
from tune_spaces import CpuServer, Replay, true_capacities

from harness.judge.decision.chances import Limit
from harness.judge.decision.decision import Status
from harness.judge.decision.trial_history import TrialOutcome
from harness.plan.plan import TrialKind
from harness.run.tune_search import TuneRules, TuneSearch
from harness.search.observation import Observation
from harness.search.space import make_space

SERVED = CpuServer()
SPACE = SERVED.space()
CAPACITY = true_capacities(SERVED, SPACE)
# Of 340 s a final of three settings and three rounds takes 9 x (2 x 1 + 9) = 99 s, within its share of 30 %.
RULES = TuneRules(340.0, 1.0, 9.0)


@pytest.fixture(scope="module")
def tuned():
    return tune(Replay(SERVED, SPACE, seed=1), 600.0)


@pytest.mark.slow
def test_what_is_named_is_far_better_than_the_default_and_keeps_the_limit(tuned):
    assert tuned.decision.status is Status.NAMED
    setting, level = tuned.best
    assert CAPACITY[setting] > 2.0 * CAPACITY[0]
    assert CAPACITY[setting] > 0.8 * CAPACITY.max()
    assert len(tuned.replay.tried) < 0.02 * len(SPACE)
    true = pytest.approx(tuned.figure.value, rel=0.1)
    assert math.exp(true_log_rate(SERVED, SPACE, (setting, level))) == true


@pytest.mark.slow
def test_the_budget_is_kept(tuned):
    assert tuned.replay.seconds <= 600.0


@pytest.mark.slow
def test_the_final_holds_the_default_and_its_trials_are_fresh(tuned):
    assert tuned.decision.baseline == 0
    assert tuned.decision.speedup.low > 1.5


def failing(rules, trials):
    search = TuneSearch(SPACE, (8.0, 32.0), rules)
    seen = []
    for _ in range(trials):
        trial = search.next()
        if trial is None:
            break
        seen.append(trial)
        search.observe(trial, Observation(trial.setting, trial.level, failure="no"), 3.0)
    return search, seen


def test_a_setting_that_does_not_start_is_not_tried_again():
    _, seen = failing(TuneRules(1000.0, 2.0, 2.0, 10.0), 6)
    assert len({trial.setting for trial in seen}) == 6


def test_a_budget_for_one_trial_gets_one():
    search = TuneSearch(SPACE, (8.0, 32.0), TuneRules(20.0, 2.0, 2.0, 10.0))
    trial = search.next()
    assert (trial.setting, trial.kind) == (0, TrialKind.EXPLORE)
    search.observe(trial, Observation(0, trial.level, 4.0, 0.01, -1.0, True), 19.0)
    assert search.next() is None


def test_no_time_is_kept_for_a_final_of_the_default_alone():
    search = TuneSearch(SPACE, (8.0, 32.0), TuneRules(30.0, 2.0, 2.0, 10.0))
    trial = search.next()
    search.observe(trial, Observation(0, trial.level, 4.0, 0.01, -1.0, True), 14.0)
    trial = search.next()  # 14 of the 16 s that are left; a final would keep 9 s
    assert trial.setting != 0
    assert trial.kind is TrialKind.EXPLORE


@pytest.mark.parametrize(("budget_s", "seconds"), [(100.0, 4.0), (600.0, 8.0)])
def test_a_short_budget_goes_to_the_search_and_a_long_one_to_longer_fresh_trials(budget_s, seconds):
    found = tune(Replay(SERVED, SPACE, seed=3), budget_s).record
    assert {trial.seconds for trial, _ in found.trials} == {seconds}


def small_search(rules=RULES, space=four_knobs.SPACE, *, stands=True, named=True):
    return TuneSearch(space, four_knobs.LEVELS, rules, lambda: stands, lambda: named)


def take(search, trial):
    """Give a search what came of a trial, which took 9 s beside those that it measured."""
    setting = {**four_knobs.SPACE.setting(0), **search.space.setting(trial.setting)}
    seen, spent_s = four_knobs.figures(setting, four_knobs.LEVELS[trial.level]), 9.0
    spent_s += trial.seconds
    if trial.kind is TrialKind.EXPLORE:
        search.observe(trial, four_knobs.observed(trial, seen), spent_s)
        return
    rate, p99_ms = seen
    limit = Limit.KEPT if p99_ms <= four_knobs.LIMIT_MS else Limit.MISSED
    search.observe_final(trial, TrialOutcome(math.log(rate), limit, spent_s))


def to_its_end(search):
    trials = []
    while (trial := search.next()) is not None:
        take(search, trial)
        trials.append(trial)
    return trials


def resumed(trials, rules=RULES):
    search = small_search(rules)
    for trial in trials:
        take(search, trial)
    return search


@pytest.fixture(scope="module")
def whole():
    return to_its_end(small_search())


def fresh_of(trials):
    return [trial for trial in trials if trial.kind is TrialKind.CONFIRM]


@pytest.mark.parametrize("fresh", [0, 1, 2, 4, 9])
def test_a_search_that_was_stopped_in_its_final_goes_on_with_all_finalists(whole, fresh):
    final = fresh_of(whole)
    assert len({trial.setting for trial in final}) == 3
    begun = whole[: len(whole) - len(final) + fresh]
    left = to_its_end(resumed(begun))
    places = [(trial.setting, trial.level, trial.block, trial.seconds) for trial in left]
    assert places == [(trial.setting, trial.level, trial.block, trial.seconds) for trial in final[fresh:]]


def test_with_a_longer_budget_the_search_goes_on_after_its_final_and_ends_with_another(whole):
    more = to_its_end(resumed(whole, dataclasses.replace(RULES, budget_s=680.0)))
    assert more[0].kind is TrialKind.EXPLORE
    again = fresh_of(more)
    assert more[-len(again) :] == again
    assert again[0].block == whole[-1].block + 1


@pytest.mark.parametrize(("stands", "named", "rounds"), [(True, True, 3), (False, True, 8), (False, False, 30)])
def test_a_final_that_names_nothing_goes_on_while_there_is_time_and_nothing_else_to_try(stands, named, rounds):
    two = make_space(four_knobs.KNOBS, {"engine": ("a", "b")}, {})
    rules = dataclasses.replace(RULES, budget_s=1000.0)
    search = small_search(rules, two, stands=stands, named=named)
    final = fresh_of(to_its_end(search))
    assert len({trial.setting for trial in final}) == 2
    assert min(max(trial.block for trial in final), 30) == rounds
    assert (search.left_s < 11.0) is (rounds == 30)
