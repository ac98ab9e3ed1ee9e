"""The steps of the example workflow, run as the runner would: a server that became 8 ms slower fails the gate."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github/workflows/gate.yml"
RUN = ("Start both", "Measure both in turn", "Gate", "Summary")


@pytest.mark.long
def test_the_workflow_finds_a_sleep_of_8_ms(tmp_path):
    workflow = yaml.safe_load(WORKFLOW.read_text())
    steps = {step.get("name"): step.get("run") for step in workflow["jobs"]["gate"]["steps"]}
    for name, delay_ms in (("base", 5), ("head", 13)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "delay").write_text(str(delay_ms))
    environment = {
        **os.environ,
        **workflow["env"],
        "SERVE": "python -m harness serve fixed --port $PORT delay_ms=$(cat delay)",
        "LOAD": "--concurrency 8 --seconds 0.5 --warmup 0.1s --check off",  # its responses are no predictions
        "BUDGET": "40s",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    codes, started = {}, []
    try:
        for name in RUN:
            step = subprocess.Popen(["bash", "-eo", "pipefail", "-c", steps[name]], cwd=tmp_path / "head",
                                    env=environment, start_new_session=True, stdout=subprocess.DEVNULL)  # fmt: skip
            started.append(step.pid)
            codes[name] = step.wait(110)
    finally:
        os.killpg(started[0], signal.SIGTERM)
    assert codes == {"Start both": 0, "Measure both in turn": 0, "Gate": 6, "Summary": 0}
    assert "worse than" in (tmp_path / "summary.md").read_text()
    assert (tmp_path / "head/results/ab/gate.html").stat().st_size > 2000
