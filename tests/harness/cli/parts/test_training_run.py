"""Which knobs ask for a training run."""

import json

import pytest
from click.testing import CliRunner

from harness.cli.main import cli
from harness.cli.parts.training_run import asks_for_training
from harness.errors import UserError


def test_knobs_of_training_and_of_serving_are_told_apart():
    assert asks_for_training(["learning_rate", "dropout=0.1"])
    assert not asks_for_training(["batch_size", "concurrency=1,2"])
    assert not asks_for_training([])
    with pytest.raises(UserError, match="first `sweep dropout`, then `sweep batch_size`"):
        asks_for_training(["batch_size", "dropout"])
    with pytest.raises(UserError, match="did you mean 'dropout'"):
        asks_for_training(["dropuot"])


def test_a_sweep_of_training_knobs_without_a_model_is_of_the_worked_example():
    done = CliRunner().invoke(cli, ["sweep", "learning_rate", "--dry-run", "--json"])
    assert json.loads(done.output)["plan"]["model"] == "digits-mlp"
