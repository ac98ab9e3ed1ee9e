import pytest
from four_knobs import LEVELS, SPACE, capacity, run

from harness.search.optuna_search import OptunaSearch

pytest.importorskip("optuna")


@pytest.mark.slow
def test_optuna_chooses_behind_the_same_interface():
    search = OptunaSearch(SPACE, LEVELS, seed=2)
    choices = run(search, 400.0)
    tried = [choice.setting for choice in choices]
    assert choices[0].setting == 0
    assert any(choice.reason == "chosen by Optuna" for choice in choices)
    assert search.finalists()[-1][0] == 0
    known = [capacity(SPACE.setting(number)) for number in set(tried)]
    named = search.best()
    assert capacity(SPACE.setting(named[0])) >= 0.9 * max(known)


@pytest.mark.slow
def test_a_setting_that_failed_is_not_chosen_again():
    search = OptunaSearch(SPACE, LEVELS, seed=4)
    choices = run(search, 600.0, lambda setting, users: None if setting["engine"] == "c" else (100.0 * users, 10.0))
    failed = [choice.setting for choice in choices if SPACE.setting(choice.setting)["engine"] == "c"]
    assert len(failed) == len(set(failed))
