"""A knob that asks for more workers than the target has cores."""

from msgspec.structs import replace

from harness.cli.parts.system_limits import too_few_cores
from harness.plan.arrivals import Closed
from harness.plan.plan import Plan, Point
from harness.system.cpu_cores import Isolation

PINNED = Isolation(target_cores=(0,), load_cores=(1,), isolated=True, text="")


def plan(target="batched", **setting):
    return Plan(target=target, scenario="s.py", points=(Point(number=0, setting=setting, arrivals=Closed(users=1)),))


def test_more_workers_than_cores_are_named_with_the_remedy():
    assert too_few_cores(plan(workers=2), PINNED) == (
        "workers=2: the target has 1 core, so more workers can hardly help; --no-isolate gives it all."
    )
    assert too_few_cores(plan(workers=2), replace(PINNED, target_cores=(0, 1))) == ""
    assert too_few_cores(plan(workers=2), replace(PINNED, isolated=False)) == ""
    assert too_few_cores(plan(batch_size=64, threads=1), PINNED) == ""


def test_threads_of_a_server_that_is_not_ours_may_wait_for_something_else():
    assert too_few_cores(plan("service.toml", threads=4), PINNED) == ""
    assert too_few_cores(plan("http://127.0.0.1:8000", threads=4), PINNED) == ""
