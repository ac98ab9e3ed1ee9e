"""How a target batched, by what the user said, what the target has, and what was seen."""

import msgspec
import pytest
from batches_of import plan_of, trial_of

from harness.errors import UserError
from harness.judge.simulation.batching import batching_of, known_batching
from harness.judge.simulation.fit import batch_trials

URL = "http://127.0.0.1:8000"


def trials_of(plan, *sizes):
    return batch_trials(plan, [trial_of(plan, number, size, busy=True) for number, size in enumerate(sizes)])


def test_what_the_user_did_not_set_is_the_targets_default():
    assert known_batching("batched", {}) == {"batch_size": 32, "batch_wait_ms": 0.0}
    assert known_batching("batched", {"batch_size": 8, "engine": "keras"}) == {"batch_size": 8, "batch_wait_ms": 0.0}
    assert known_batching(URL, {}) == {}
    with pytest.raises(UserError, match="gone"):
        known_batching("gone", {})


def test_a_server_by_url_batches_as_much_as_was_seen_of_it():
    plan = msgspec.structs.replace(plan_of(({}, 2), ({}, 32)), target=URL)
    trials = trials_of(plan, 1, 16)
    assert [trial.batching for trial in trials] == [{"batch_size": 16, "batch_wait_ms": 0.0}] * 2
    assert batching_of(URL, {"batch_size": 64}, 16)["batch_size"] == 64


def test_each_trial_has_the_batching_of_its_point():
    plan = msgspec.structs.replace(plan_of(({}, 1), ({"batch_size": 4}, 8)), fixed={"batch_wait_ms": 2.0})
    assert [trial.batching for trial in trials_of(plan, 1, 4)] == [
        {"batch_size": 32, "batch_wait_ms": 2.0},
        {"batch_size": 4, "batch_wait_ms": 2.0},
    ]
