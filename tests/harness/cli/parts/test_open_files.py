"""Users that a load process could not connect are refused before the load."""

import resource

import pytest

from harness.cli.parts.system_limits import require_open_files
from harness.errors import UserError
from harness.plan.arrivals import Closed, Poisson
from harness.plan.plan import Plan, Point


def plan_of(arrivals, **more):
    return Plan(target="x", scenario="s.py", points=(Point(number=0, setting={}, arrivals=arrivals),), **more)


def test_too_many_users_name_the_limit():
    with pytest.raises(UserError, match=r"^--concurrency 100: .*140 open files.*ulimit -Hn.*64"):
        require_open_files(plan_of(Closed(users=100)), 64)


@pytest.mark.parametrize(
    ("plan", "most_files"),
    [
        (plan_of(Closed(users=100)), 140),
        (plan_of(Closed(users=100)), resource.RLIM_INFINITY),
        (plan_of(Closed(users=100), load_processes=5), 64),
        (plan_of(Closed(users=100), remote_workers=1), 64),
        (plan_of(Poisson(rate_rps=1e5)), 64),
    ],
)
def test_what_fits_is_not_refused(plan, most_files):
    require_open_files(plan, most_files)
