"""Two servers, measured in turn by one command."""

import json
import subprocess
import sys

import pytest
from served_target import Served


@pytest.fixture
def servers():
    pair = [Served("fixed", delay_ms=2), Served("fixed", delay_ms=12)]
    yield pair
    for each in pair:
        each.stop()


def test_two_servers_are_measured_in_turn_and_the_slower_one_is_found_out(servers, tmp_path):
    urls = [f"http://127.0.0.1:{each.port}" for each in servers]
    options = ["--budget", "19s", "--seconds", "0.5s", "--warmup", "0.1s", "--concurrency", "4", "--check", "off"]
    done = subprocess.run(
        [sys.executable, "-m", "harness", "compare", "--target-a", urls[0], "--target-b", urls[1], *options,
         "--json", "--out", str(tmp_path / "run")],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode in (6, 8), done.stderr  # 8: too noisy a machine to say so
    assert "blocks fit into the budget" in done.stderr
    result = json.loads(done.stdout)["result"]
    (level,) = result["comparison"]["levels"]
    figures = {each["name"]: each for each in level["figures"]}
    assert figures["throughput"]["pairs"] >= 3
    assert figures["throughput"]["ratio"]["value"] < 0.6  # 2 / 12, where nothing holds the machine up
    assert figures["p50"]["ratio"]["value"] > 1.6
    assert (result["comparison"]["change"] == "REGRESSION") == (done.returncode == 6)
    plan = json.loads((tmp_path / "run" / "run.json").read_text())["plan"]
    sides = [trial["point"] for trial in plan["trials"]]
    assert sides[:2] == sides[2:4][::-1]
    records = [json.loads(path.read_text()) for path in sorted((tmp_path / "run").glob("trials/*/trial.json"))]
    assert [record["target_url"] for record in records] == [urls[side] for side in sides[: len(records)]]
