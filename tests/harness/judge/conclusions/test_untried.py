"""The sentence on what lies beyond the recommended point and was not tried."""

import pytest

from harness.judge.conclusions.untried import untried_sentence
from harness.plan.arrivals import Closed, Poisson
from harness.plan.plan import Plan, Point, TuneSpace


def plan_of(*points, tune=None):
    """A plan of points, each a setting and its users."""
    return Plan(
        target="batched",
        scenario="scenarios/predict.py",
        tune=tune,
        points=tuple(
            Point(number=number, setting=setting, arrivals=Closed(users=users))
            for number, (setting, users) in enumerate(points)
        ),
    )


GRID = plan_of(*(({"batch_size": size}, users) for size in (8, 16, 32) for users in (1, 32)))


@pytest.mark.parametrize(
    ("best", "said"),
    [
        (0, "No lower batch_size than 8 was tried."),
        (1, "No lower batch_size than 8 and no more than 32 users were tried."),
        (2, ""),
        (3, "No more than 32 users were tried."),
        (4, "No higher batch_size than 32 was tried."),
        (5, "No higher batch_size than 32 and no more than 32 users were tried."),
        (None, ""),
    ],
)
def test_the_edges_of_a_grid(best, said):
    assert untried_sentence(GRID, best) == said


def test_what_is_no_range_has_no_edge():
    plan = plan_of(({"engine": "xla", "cache": True, "batch_size": 1}, 8), ({"engine": "jax", "cache": False}, 8))
    assert untried_sentence(plan, 0) == ""
    assert untried_sentence(plan_of(({"batch_size": 1}, 8), ({"batch_size": 4}, 8)), 0) == ""  # there is nothing below
    load = plan_of(({"prompt_tokens": 10}, 8), ({"prompt_tokens": 100}, 8))
    assert untried_sentence(load, 1) == ""  # a load is no choice


def test_a_search_has_the_edges_of_its_space():
    space = TuneSpace(values={"batch_size": (1, 64, 128)}, levels=(1, 256))
    plan = plan_of(({"batch_size": 1}, 1), ({"batch_size": 64}, 8), tune=space)
    assert untried_sentence(plan, 1) == ""


def test_the_highest_rate():
    rates = [
        Point(number=number, setting={}, arrivals=Poisson(rate_rps=rate)) for number, rate in enumerate((5.0, 50.0))
    ]
    plan = Plan(target="batched", scenario="scenarios/predict.py", points=tuple(rates))
    assert untried_sentence(plan, 1) == "No higher rate than 50 req/s was tried."
