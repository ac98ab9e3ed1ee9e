"""The exit codes of `plan`."""

from harness.cli.runs.plan import _told
from harness.errors import ExitCode
from harness.judge.replicas.no_replica_plan import NoReplicaPlan


def test_a_limit_that_none_keeps_is_missed_and_one_that_some_may_keep_is_open():
    assert _told(NoReplicaPlan(reason="None does.", never=True), 1) == (["None does."], ExitCode.SLO_MISSED)
    assert _told(NoReplicaPlan(reason="Too noisy."), 1) == (["Cannot be said. Too noisy."], ExitCode.CANNOT_BE_SAID)
