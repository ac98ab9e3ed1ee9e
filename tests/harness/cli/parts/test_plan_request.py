"""What the options of a command become in its plan."""

import json

import pytest
from click.testing import CliRunner

from harness.cli.main import cli

pytestmark = pytest.mark.process  # a scenario is described by a process of its own


@pytest.mark.parametrize(
    ("more", "seconds", "warmup_s"),
    [([], 600.0, 0.0), (["--seconds", "7s"], 7.0, 0.0), (["--warmup", "9s"], 591.0, 9.0)],
)
def test_a_trace_is_measured_as_long_as_it_lasts_whatever_a_scenario_does_by_default(tmp_path, more, seconds, warmup_s):
    path = tmp_path / "trace.csv"
    path.write_text("0.0\n600.0\n")
    words = [
        "sweep",
        "max_sequences=4",
        "--scenario",
        "agent",
        "--target",
        "agent",
        "--arrivals",
        "replay",
        "--trace",
        str(path),
    ]
    done = CliRunner().invoke(cli, [*words, *more, "--dry-run", "--json"], catch_exceptions=False)
    load = json.loads(done.stdout)["plan"]["load"]
    assert (load["measure_s"], load["warmup_s"]) == (pytest.approx(seconds), warmup_s)


def test_users_can_leave_streams_only():
    words = ["run", "--scenario", "agent", "--target", "agent", "--hang-up", "0.1", "--stream", "off"]
    done = CliRunner().invoke(cli, words)
    assert (type(done.exception).__name__, str(done.exception)) == (
        "UserError",
        "--hang-up: users leave in the middle of a stream; leave --stream off out",
    )


@pytest.mark.parametrize(("verb", "budget_s"), [("sweep", 180), ("tune", 900)])
def test_a_start_that_may_take_longer_than_the_budget_is_announced(tmp_path, verb, budget_s):
    recipe = tmp_path / "slow.toml"
    recipe.write_text("""
name = "slow"
doc = "a server that loads a large model"
command = ["slow", "{port}", "{batch}"]
url = "http://127.0.0.1:{port}/predict"
ready.timeout_s = 1200
knobs.batch = {doc = "Requests at once.", default = 1, values = [1, 2]}
""")
    done = CliRunner().invoke(cli, [verb, "batch", "--target", str(recipe), "--concurrency", "1", "--dry-run"])
    assert f"timeout_s in {recipe} lets one start take 1200s, longer than the budget of {budget_s}s" in done.stderr


def test_a_budget_that_grows_by_itself_is_announced_in_a_dry_run_too():
    words = ["sweep", "batch_size", "--concurrency", "1,2,4,8,16,32,64,128", "--dry-run", "--json"]
    done = CliRunner().invoke(cli, words)
    seconds = json.loads(done.stdout)["plan"]["budget_seconds"]
    assert seconds > 180
    assert f"the budget is {seconds:g}s; --budget gives another" in done.stderr
