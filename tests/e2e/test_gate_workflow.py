"""Every `run` line of the example workflow, as a runner does: a server that became 8 ms slower fails it."""

import os
import re
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github/workflows/gate.yml"
EXPRESSIONS = {"github.base_ref": "HEAD~1"}  # what the runner would put in place of ${{ ... }}


def git(folder, *words):
    identity = ("-c", "user.name=t", "-c", "user.email=t@localhost")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    """A fresh clone with two commits: the server of the first waits for 5 ms, that of the second for 13 ms."""
    folder = tmp_path / "head"
    subprocess.run(["git", "clone", "-q", "--shared", ROOT, folder], check=True)
    for delay_ms in (5, 13):
        (folder / "delay").write_text(str(delay_ms))
        git(folder, "add", "delay")
        git(folder, "commit", "-q", "-m", f"{delay_ms} ms")
    return folder


@pytest.fixture
def environment(tmp_path):
    """The runner's: a Python of its own, which finds the dependencies of this one, so that none are fetched."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "python"], check=True)
    (site,) = (tmp_path / "python").glob("lib/python*/site-packages")
    (site / "those_of_the_tests.pth").write_text(sysconfig.get_path("purelib"))
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        **yaml.safe_load(WORKFLOW.read_text())["env"],
        "SERVE": "python -m harness serve fixed --port $PORT delay_ms=$(cat delay)",
        "LOAD": "--concurrency 8 --seconds 0.5 --warmup 0.1s --check off",  # its responses are no predictions
        "BUDGET": "40s",
        "PATH": f"{tmp_path / 'python/bin'}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it the wrong way round: without isolation
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }


def filled_in(line):
    """The line with each expression in place of which a runner puts a text."""
    for name, text in EXPRESSIONS.items():
        line = re.sub(rf"\$\{{\{{[^}}]*{re.escape(name)}.*?\}}\}}", text, line)
    assert "${{" not in line, line
    return line


@pytest.mark.long
def test_the_workflow_finds_a_sleep_of_8_ms(checkout, environment, tmp_path):
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["gate"]["steps"]
    lines = [(step["name"], filled_in(step["run"])) for step in steps if "run" in step]
    codes, started = {}, []
    try:
        for name, line in lines:
            step = subprocess.Popen(["bash", "-eo", "pipefail", "-c", line], cwd=checkout, env=environment,
                                    start_new_session=True, stdout=subprocess.DEVNULL)  # fmt: skip
            started.append(step.pid)
            codes[name] = step.wait(110)
    finally:
        for group in started:
            try:
                os.killpg(group, signal.SIGTERM)
            except ProcessLookupError:
                continue
    assert codes.pop("Gate") == 6
    assert set(codes.values()) == {0}, codes
    assert "worse than" in (tmp_path / "summary.md").read_text()
    assert (checkout / "results/ab/gate.html").stat().st_size > 2000
    installed = subprocess.run(["sweepspot", "--version"], env=environment, capture_output=True, text=True, check=True)
    assert installed.stdout.strip()
