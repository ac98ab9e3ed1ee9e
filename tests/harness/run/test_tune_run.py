import msgspec
import pytest
from example_runs import plan_of, point_of

from harness.errors import UserError
from harness.judge.metrics import Accuracy, Usage
from harness.plan.arrivals import Closed
from harness.plan.plan import Point, Trial, TuneSpace
from harness.plan.slo import parse_keep
from harness.run.tune_run import _Search, require_figures

POINT = point_of(0, {}, Closed(users=1))
UNSAMPLED = msgspec.structs.replace(POINT, usage=Usage())
FAILED = msgspec.structs.replace(UNSAMPLED, counts=type(POINT.counts)())
RIGHT = Accuracy(value=0.95, low=0.94, high=0.96, payloads=100, answers=200)


def plan(keep, objective="goodput"):
    return plan_of([POINT], tune=TuneSpace(values={}, levels=(1.0,), keep=parse_keep(keep), objective=objective))


@pytest.mark.parametrize(("keep", "objective", "point", "says"), [
    ("cores<4,accuracy>0.9", "goodput", POINT, r"^--keep accuracy . 0.9: .* labels"),
    ("memory_mb<2000", "goodput", UNSAMPLED, r"^--keep memory_mb . 2000: nothing says how much memory .*no sample"),
    ("cores<4", "goodput", UNSAMPLED, r"^--keep cores . 4: nothing says how many cores .*no sample"),
    ("accuracy>0", "cost", msgspec.structs.replace(UNSAMPLED, accuracy=RIGHT), r"^--objective cost: nothing says how"),
])  # fmt: skip
def test_a_figure_that_no_response_can_show_ends_the_search_at_the_first_one(keep, objective, point, says):
    with pytest.raises(UserError, match=says):
        require_figures(plan(keep, objective), [FAILED, point])


@pytest.mark.parametrize(("keep", "objective", "points"), [
    ("cores<4,memory_mb<2000", "cost", [POINT]),
    ("accuracy>0.9", "goodput", [msgspec.structs.replace(POINT, accuracy=RIGHT)]),
    ("accuracy>0.9,cores<4", "cost", [FAILED]),  # others may not fail
    ("cores<4", "cost", [POINT, UNSAMPLED]),  # the samplers of one trial failed
])  # fmt: skip
def test_a_search_goes_on_where_the_figure_is_known_or_not_asked_or_nothing_came(keep, objective, points):
    require_figures(plan(keep, objective), points)


@pytest.mark.parametrize("place", ["offline", "graph"])
def test_a_setting_on_disk_that_is_none_any_more_ends_a_run_that_goes_on(place):
    """Offline excludes two views (tta), and graph is no value of this search: the knobs were others when it began."""
    tune = TuneSpace(values={"preprocess": ("offline", "client", "batch")}, levels=(1.0,))
    points = tuple(Point(number=number, setting={"preprocess": name}, arrivals=Closed(users=1))
                   for number, name in enumerate(("client", place)))  # fmt: skip
    known = msgspec.structs.replace(plan_of([POINT], tune=tune, fixed={"tta": 2}, budget_seconds=60.0), points=points)
    search = _Search(known, 0.0)
    assert search.name(known, Trial(number=0, point=0, repeat=0, seed=0, why="fresh")) == "default, 1 user (fresh)"
    with pytest.raises(UserError, match=rf"^--resume: preprocess={place} was measured and is no possible setting any "):
        search.name(known, Trial(number=1, point=1, repeat=0, seed=0))
