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
