"""Servers of known misbehaviour: what is said of them, compared with their own log."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness.record.run_dir import RunDir

ROOT = Path(__file__).parents[2]
SERVER = ROOT / "tests/e2e/faults/known_server.py"
RECIPE = """
name = "known"
doc = "a server of known misbehaviour"
models = ["m"]
protocol = "json:/predict?send=x&take=y"
command = ["{{python}}", "{server}", "{{port}}", "{{kind}}", "{log}"]
[ready]
path = "/"
[knobs.kind]
doc = "What it does."
default = "steady"
"""
CLOSED = ("--concurrency", "8")
OPEN = ("--arrivals", "poisson", "--rate", "200")


@dataclass
class Told:
    """What a run said, and what the server wrote."""

    code: int
    result: dict
    window_ns: tuple[int, int]
    log: np.ndarray  # came, answered, connection, status

    @property
    def point(self):
        return self.result["points"][0]

    @property
    def findings(self):
        return {found["kind"]: found for found in self.point["findings"]}

    @property
    def sentence(self):
        """What a user reads first."""
        return self.result["answer"]["sentence"]

    @property
    def too_busy(self):
        """Whether others kept this machine so busy that the run is INVALID; its sentence then says nothing else."""
        return self.findings.get("harmed", {}).get("verdict") == "INVALID"

    def served(self):
        """The log's requests that came in the measured window."""
        came = self.log[:, 0]
        return self.log[(came >= self.window_ns[0]) & (came < self.window_ns[1])]

    def seconds_without_answer(self, longer_than_s=0.5):
        """By the log: how long in all nothing was answered in the window."""
        start, end = self.window_ns
        answered = np.sort(self.log[self.log[:, 1] > 0, 1])
        edges = np.concatenate(([start], answered[(answered > start) & (answered < end)], [end]))
        gaps_s = np.diff(edges) / 1e9
        return float(gaps_s[gaps_s > longer_than_s].sum())


def _told(done, out, log):
    folder = RunDir(out)
    plan = folder.read().plan
    data = folder.trial_data(plan, plan.trials[0])
    window_ns = data.reports[0].measure_start_ns, data.reports[0].measure_end_ns
    lines = np.loadtxt(log, dtype=np.int64, ndmin=2)
    return Told(done.returncode, json.loads(done.stdout)["result"], window_ns, lines)


def tolerance(told):
    """Of a share of the time: where others held target or load up, both logs are of a machine that stood still."""
    return 0.1 if "harmed" in told.findings else 0.06


@pytest.fixture
def run(tmp_path):
    def run(kind, *words, seconds=5.0, warmup=1.0):
        recipe = tmp_path / "known.toml"
        recipe.write_text(RECIPE.format(server=SERVER, log=tmp_path / "log"))
        bank = tmp_path / "bodies.jsonl"
        bank.write_text("".join(f'{{"x": [{n}]}}\n' for n in range(300)))
        argv = [sys.executable, "-m", "harness", "run", "--target", str(recipe), f"kind={kind}"]
        argv += [
            "--json",
            "--seconds",
            f"{seconds}s",
            "--warmup",
            f"{warmup}s",
            "--timeout",
            "3s",
            "--bank",
            str(bank),
            *words,
        ]
        out = tmp_path / "run"
        argv += ["--out", str(out)]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
        assert done.stdout, done.stderr
        return _told(done, out, tmp_path / "log")

    return run


@pytest.mark.parametrize("load", [CLOSED, OPEN], ids=["closed", "open"])
def test_a_hang_is_said_in_time(run, load):
    told = run("hang", *load)
    found = told.findings["unavailable"]
    available = 1 - told.seconds_without_answer() / told.point["seconds"]
    assert found["data"]["available"] == pytest.approx(available, abs=tolerance(told))
    assert told.point["meets_slo"] is False or told.point["verdict"] == "INVALID"
    assert told.code in (4, 7)
    assert "littles_law" not in told.findings  # the generator is not to blame
    assert "sustains" not in told.sentence


def test_a_freeze_is_said_in_time_and_breaks_the_limit(run):
    told = run("freeze", *CLOSED)
    found = told.findings["unavailable"]
    available = 1 - told.seconds_without_answer() / told.point["seconds"]
    assert found["data"]["available"] == pytest.approx(available, abs=tolerance(told))
    assert told.point["meets_slo"] is False
    assert "littles_law" not in told.findings
    assert told.code in (4, 7)
    assert told.too_busy or "available for" in told.sentence


def test_half_of_the_connections_hang(run):
    told = run("half-hang", *CLOSED)
    assert told.findings["unequal_users"]["data"]["starved"] == 4 or "errors" in told.findings
    assert "littles_law" not in told.findings


def test_bursts_of_refusals(run):
    told = run("refuse", *CLOSED)
    served = told.served()
    rejected = np.count_nonzero(served[:, 3] == 503) / len(served)
    assert told.point["counts"]["rejected"] / told.point["counts"]["sent"] == pytest.approx(rejected, abs=0.02)
    assert told.findings["unavailable"]["data"]["available"] == pytest.approx(0.8, abs=0.06)
    assert told.point["meets_slo"] is False
    assert told.too_busy or "rejected" in told.sentence
    assert told.code in (4, 7)


@pytest.mark.parametrize(("kind", "slow"), [("starved", 1), ("unequal", 4)])
def test_users_served_unequally(run, kind, slow):
    told = run(kind, *CLOSED, seconds=3.0)
    data = told.findings["unequal_users"]["data"]
    by_connection = [
        own[:, 1] - own[:, 0] for n in np.unique(told.served()[:, 2]) if len(own := told.log[told.log[:, 2] == n])
    ]
    medians_ms = sorted(np.median(own) / 1e6 for own in by_connection)
    assert max(data["slow"], data["starved"]) == slow
    assert sum(ms > 2 * medians_ms[0] for ms in medians_ms) == slow
    assert told.too_busy or "served much worse" in told.sentence


def test_a_leak_is_no_warming_up(run):
    told = run("leak", *CLOSED)
    found = told.findings["slowdown"]
    served = told.served()
    tenth = len(served) // 10
    first, last = (np.median(part[:, 1] - part[:, 0]) for part in (served[:tenth], served[-tenth:]))
    # Where others held the machine up, the factor is that of the stretches that are left.
    assert told.too_busy or found["data"]["factor"] == pytest.approx(last / first, rel=0.3)
    assert found["data"]["factor"] > 1.2
    assert "unsteady" not in told.findings
    assert told.too_busy or "slower" in told.sentence


def test_a_cache_is_seen(run):
    told = run("cache", *CLOSED, warmup=0.2)
    assert told.findings["cached"]["data"]["ratio"] > 4
    assert told.too_busy or "cache" in told.sentence


def test_a_steady_server_has_none_of_these(run):
    told = run("steady", *CLOSED, seconds=3.0)
    assert not {"unavailable", "unequal_users", "slowdown", "cached", "littles_law"} & set(told.findings)
