"""Layouts: what each strategy makes of the cores, and who gets which of them."""

import pytest

from harness.errors import UserError
from harness.plan.process_layout import Layout, layout_of
from targets import cores as target_cores
from targets.cores import share_of, take_cores
from targets.knobs import BATCHED


@pytest.mark.parametrize(
    ("strategy", "cores", "replicas", "stages"),
    [
        ("single", 8, 1, 1),
        ("data", 8, 8, 1),
        ("model", 8, 1, 8),
        ("hybrid", 8, 4, 2),
        ("data", 2, 2, 1),
        ("model", 2, 1, 2),
        ("hybrid", 2, 2, 2),  # two of either are the least that is both
        ("model", 1, 1, 2),
    ],
)
def test_what_a_strategy_makes_of_the_cores(strategy, cores, replicas, stages):
    setting = BATCHED.complete({"strategy": strategy, "dispatch": "queue"})
    assert layout_of(setting, cores) == Layout(replicas, stages, "queue")


def test_who_listens_and_who_computes():
    assert (Layout().fronts, Layout().computes_apart) == (1, False)
    assert (Layout(4, 1, "port").fronts, Layout(4, 1, "port").computes_apart) == (4, False)
    assert (Layout(4, 1, "queue").fronts, Layout(4, 1, "queue").computes_apart) == (1, True)
    assert (Layout(4, 2, "port").fronts, Layout(4, 2, "port").computes_apart) == (4, True)


@pytest.mark.parametrize(
    ("cores", "count", "shares"),
    [
        ((0, 1, 2, 3), 2, [(0, 1), (2, 3)]),
        ((0, 1, 2, 3, 4), 2, [(0, 1), (2, 3, 4)]),
        ((4, 6), 2, [(4,), (6,)]),
        ((4, 6), 3, [(4,), (6,), (4,)]),
        ((), 2, [(), ()]),
    ],
)
def test_cores_are_shared_equally(monkeypatch, cores, count, shares):
    monkeypatch.setattr(target_cores, "usable_cores", lambda: cores)
    assert [share_of(index, count) for index in range(count)] == shares


def test_more_cores_than_there_are_is_one_clear_line(monkeypatch):
    monkeypatch.setattr(target_cores, "usable_cores", lambda: (3,))
    with pytest.raises(UserError, match=r"cores=2: the target may use 1"):
        take_cores(2)
    assert take_cores(0) == 1


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"strategy": "data", "replicas": 2}, "sets replicas and stages itself"),
        ({"stages": 2, "precision": "int8"}, "supports only float32"),
        ({"strategy": "hybrid", "precision": "float16"}, "supports only float32"),
    ],
)
def test_what_cannot_be_together_says_so(setting, words):
    with pytest.raises(UserError, match=words):
        BATCHED.complete(setting)
