"""Every row of the README's table *What you can tune* is run, in small."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.parts.training_run import asks_for_training

ROOT = Path(__file__).parents[2]
HEADING = "What you can tune"
BIN = Path(sys.executable).parent
MEASURING = {"sweep": "--seconds 0.3 --warmup 0.1s --repeats 1", "run": "--seconds 0.3 --warmup 0.1s"}
# 4: too short or too busy for a valid measurement; 5: the limit is missed. Both are answers.
ANSWERS = (0, 4, 5)


def rows():
    """(what, command) for each command of the table."""
    section = re.search(rf"^#+ {HEADING}\n(.*?)(?=^#|\Z)", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    found = re.findall(r"^\| (.+?) \| (.*`.+`.*) \|$", section[1] if section else "", re.MULTILINE)
    return [(what, command) for what, cell in found for command in re.findall(r"`([^`]+)`", cell) if " " in command]


def small(command):
    """The same command, quick: one repeat of 0.3 s at a concurrency of 2, one epoch of training."""
    words = shlex.split(command)
    verb = words[3] if words[:3] == ["python", "-m", "harness"] else ""
    knobs = [word.partition("=")[0] for word in words[4:] if not word.startswith("-")]
    if verb == "train" or (verb == "sweep" and asks_for_training(tuple(words[4:]))):
        repeats = () if verb == "train" else ("--repeats", "1")
        return [*words, *(() if "epochs" in knobs else ("epochs=1",)), *repeats]
    if verb in MEASURING:
        open_loop = any(word.startswith(("rate", "--rate", "--arrivals", "concurrency")) for word in words)
        quick = MEASURING[verb].split()
        return [*words, *quick, *(() if open_loop else ("--concurrency", "2"))]
    if words[0] == "locust":
        return [*words, *["--headless", "-u", "2", "-r", "2", "--measure", "0.5s"]]
    return words


def test_the_commands_of_the_table_are_found_and_made_small():
    assert small("python -m harness sweep batch_size --slo 'p99<20ms'") == [
        *["python", "-m", "harness", "sweep", "batch_size", "--slo", "p99<20ms", "--seconds", "0.3"],
        *["--warmup", "0.1s", "--repeats", "1", "--concurrency", "2"],
    ]
    assert "--concurrency" not in small("python -m harness run --arrivals poisson --rate 50")
    assert small("python -m harness train") == [*["python", "-m", "harness", "train", "epochs=1"]]
    assert small("locust -f scenarios/predict.py")[-7:] == ["--headless", "-u", "2", "-r", "2", "--measure", "0.5s"]


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("what", "command"), rows(), ids=[command for _, command in rows()])
def test_what_can_be_tuned_can_be_tuned(what, command, tmp_path):
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    for folder in ("scenarios", "targets"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    done = subprocess.run(
        small(command), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode in ANSWERS, f"{what}: {command}\n{done.stdout}\n{done.stderr}"
