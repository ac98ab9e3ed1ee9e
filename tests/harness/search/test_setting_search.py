import math

import pytest
from four_knobs import COSTS, KNOBS, LEVELS, LIMIT_MS, SPACE, capacity, figures, observed, run

from harness.search.choice import Reason
from harness.search.observation import Observation
from harness.search.setting_search import SettingSearch
from harness.search.space import make_space


@pytest.mark.slow
def test_the_best_of_288_settings_is_among_the_finalists_after_a_few():
    search = SettingSearch(SPACE, LEVELS)
    choices = run(search, 400.0)
    best = max(capacity(SPACE.setting(number)) for number in range(len(SPACE)))
    finalists = search.finalists()
    assert max(capacity(SPACE.setting(number)) for number, _ in finalists) >= 0.95 * best
    assert finalists[-1][0] == 0  # the default is compared in every case
    assert len({choice.setting for choice in choices}) < 0.2 * len(SPACE)
    assert choices[0].setting == 0
    assert choices[0].reason is Reason.DEFAULT
    assert LEVELS[choices[0].level] == 32


@pytest.mark.slow
def test_the_same_observations_give_the_same_choices_without_asking_for_those_before():
    first, again = SettingSearch(SPACE, LEVELS, seed=3), SettingSearch(SPACE, LEVELS, seed=3)
    for choice in run(first, 150.0):
        again.observe(observed(choice, figures(SPACE.setting(choice.setting), LEVELS[choice.level])))
    one, other = first.next(COSTS, 100.0), again.next(COSTS, 100.0)
    assert (one.setting, one.level, one.reason) == (other.setting, other.level, other.reason)
    assert first.finalists() == again.finalists()


@pytest.mark.slow
def test_a_setting_that_cannot_be_served_is_started_once():
    choices = run(SettingSearch(SPACE, LEVELS), 600.0)
    failed = [choice.setting for choice in choices if figures(SPACE.setting(choice.setting), 8) is None]
    assert len(failed) == len(set(failed))


@pytest.mark.slow
def test_a_space_in_which_nothing_starts_comes_to_an_end():
    search = SettingSearch(SPACE, LEVELS)
    choices = run(search, 1e6, lambda *_: None)
    assert len(choices) == len({choice.setting for choice in choices})
    assert search.best() is None
    assert search.finalists() == []


def test_where_every_request_fails_each_setting_is_tried_once_and_the_search_ends():
    space = make_space(KNOBS, {"engine": ("a", "b", "c", "d")}, {})
    search, tried = SettingSearch(space, LEVELS), []
    while (choice := search.next(COSTS, 1e6)) is not None:
        tried.append((choice.setting, LEVELS[choice.level]))
        assert len(tried) < 10
        search.observe(Observation(choice.setting, choice.level, kept=False))
    assert tried[:2] == [(0, 32), (0, 8)]  # the default, under less load too
    assert sorted(number for number, _ in tried[2:]) == [1, 2, 3]
    assert search.finalists() == []


def test_a_limit_that_nobody_keeps_leaves_the_default_to_be_confirmed():
    search = SettingSearch(SPACE, LEVELS)
    run(search, 300.0, lambda setting, users: (100.0 * users, 1e4))
    assert search.best() is None
    assert [number for number, _ in search.finalists()] == [0]


def test_the_setting_that_measured_the_most_gets_a_fresh_trial():
    """A trial of a setting alone was lucky: its neighbours in every knob say that it cannot be so good."""
    search = SettingSearch(SPACE, LEVELS)
    run(search, 200.0)
    likeliest = search.finalists()[0][0]
    tried = {each.setting for each in search.beliefs.observations}
    lucky = max(set(range(len(SPACE))) - tried, key=lambda number: -capacity(SPACE.setting(number)))
    search.observe(Observation(lucky, 0, 20.0, 3.0, -3.0, True))  # a vague figure, above all the others
    found = [number for number, _ in search.finalists()]
    assert found[0] == likeliest
    assert found[1] == lucky


def test_nothing_is_chosen_that_does_not_fit_the_time():
    search = SettingSearch(SPACE, LEVELS)
    assert search.next(COSTS, 11.0) is None  # a trial and a start take 12 s
    assert search.next(COSTS, 12.0) is not None


@pytest.mark.parametrize("levels", [(100.0, 200.0, 400.0), (1.0,)])
def test_levels_may_be_rates(levels):
    search = SettingSearch(SPACE, levels, closed=False, limited=False)
    choice = search.next(COSTS, 100.0)
    assert levels[choice.level] == levels[len(levels) // 2]
    search.observe(Observation(choice.setting, choice.level, 4.0, 0.01, None, True))
    assert search.best() == (0, choice.level)


def test_where_a_load_kept_the_limit_less_is_not_tried_and_where_it_missed_more_is_not():
    tried = {}
    for choice in run(SettingSearch(SPACE, LEVELS), 600.0):
        if choice.setting:  # the default begins in the middle
            _, p99_ms = figures(SPACE.setting(choice.setting), LEVELS[choice.level]) or (0.0, math.inf)
            for level, kept in tried.get(choice.setting, ()):
                assert choice.level > level if kept else choice.level < level
            tried.setdefault(choice.setting, []).append((choice.level, p99_ms < LIMIT_MS))


@pytest.mark.parametrize(
    ("rate", "kept", "climbs"),
    [(200.0, True, True), (95.0, True, True), (80.0, True, False), (200.0, False, False)],
)
def test_a_setting_that_may_be_the_best_gets_more_load_at_once(rate, kept, climbs):
    """The default does 100/s at any load; a setting within 10 % of that, or above, may do more."""
    search = SettingSearch(SPACE, LEVELS)
    while (choice := search.next(COSTS, 1000.0)).setting == 0:
        search.observe(Observation(0, choice.level, math.log(100.0), 0.01, -1.0, True))
    search.observe(Observation(choice.setting, choice.level, math.log(rate), 0.01, -1.0 if kept else 1.0, kept))
    more = search.next(COSTS, 1000.0)
    assert ((more.setting, more.level) == (choice.setting, choice.level + 2)) is climbs
    if climbs:  # more load gives nothing: that is enough of it
        search.observe(Observation(more.setting, more.level, math.log(1.02 * rate), 0.01, -1.0, True))
        assert search.next(COSTS, 1000.0).setting != choice.setting


@pytest.mark.slow
def test_every_value_of_every_knob_is_tried_before_a_search_ends():
    """Engine d is the best, and fails with all but one replica, whereas the others do best with 2."""
    look = {"d": 2.5}

    def figures_of(setting, users):
        if setting["engine"] == "d" and setting["replicas"] > 1:
            return None
        rate, p99_ms = figures({**setting, "engine": "a"}, users)
        better = look.get(setting["engine"], 1.0)
        return better * rate, p99_ms / better

    search = SettingSearch(SPACE, LEVELS, seed=1)
    choices = run(search, 1500.0, figures_of)
    settings = [SPACE.setting(choice.setting) for choice in choices]
    assert any(setting["engine"] == "d" and setting["replicas"] == 1 for setting in settings)
    assert SPACE.setting(search.best()[0])["engine"] == "d"
