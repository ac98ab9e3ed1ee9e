import msgspec
import pytest
from example_runs import plan_of, point_of

from harness.errors import UserError
from harness.judge.metrics import Accuracy
from harness.plan.arrivals import Closed
from harness.plan.plan import TuneSpace
from harness.plan.slo import parse_keep
from harness.run.tune_run import require_labels

POINT = point_of(0, {}, Closed(users=1))
RIGHT = Accuracy(value=0.95, low=0.94, high=0.96, payloads=100, answers=200)


def plan(keep):
    return plan_of([POINT], tune=TuneSpace(values={}, levels=(1.0,), keep=parse_keep(keep)))


def test_an_accuracy_that_no_response_can_show_ends_the_search_at_the_first_one():
    with pytest.raises(UserError, match=r"^--keep accuracy . 0.9: .* labels"):
        require_labels(plan("cores<4,accuracy>0.9"), POINT)


@pytest.mark.parametrize(("keep", "point"), [
    ("cores<4", POINT),
    ("accuracy>0.9", msgspec.structs.replace(POINT, accuracy=RIGHT)),
    ("accuracy>0.9", msgspec.structs.replace(POINT, counts=type(POINT.counts)())),  # it failed: others may not
])  # fmt: skip
def test_a_search_goes_on_where_accuracy_is_known_or_not_asked_or_nothing_came(keep, point):
    require_labels(plan(keep), point)
