"""The wheel, used outside the checkout by a machine without TensorFlow and scikit-learn."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("harness", "targets", "scenarios", "reports")
HIDDEN = "import sys\nfor name in ('tensorflow', 'keras', 'sklearn', 'tf2onnx'): sys.modules[name] = None\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what the wheel installs; a stand-in for an environment without the extras."""
    folder = tmp_path_factory.mktemp("wheel")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / "source" / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / "source")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, "."],
        cwd=folder / "source", check=True, timeout=60,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    zipfile.ZipFile(wheel).extractall(site)
    (site / "sitecustomize.py").write_text(HIDDEN)
    return site


def sweepspot(site, where, *words):
    environment = {**os.environ, "PYTHONPATH": str(site), "XDG_CACHE_HOME": str(where / "cache"), "HOME": str(where)}
    start = "import sys; from harness.cli.main import main; sys.argv[0] = 'sweepspot'; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-P", "-c", start, *map(str, words)],
        cwd=where, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_every_file_of_the_packages_is_in_the_wheel(installed):
    tracked = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    expected = {name for name in tracked if not name.endswith((".proto", ".png"))}
    assert expected <= {path.relative_to(installed).as_posix() for path in installed.rglob("*")}
    assert "sweepspot = harness.cli.main:main" in next(installed.glob("*.dist-info/entry_points.txt")).read_text()


def test_a_first_run_in_any_folder_takes_the_model_that_the_wheel_brings(installed, tmp_path):
    ran = sweepspot(
        installed, tmp_path, "run", "--seconds", "0.5", "--warmup", "0.1s", "--concurrency", "2", "--out", "mine"
    )
    assert ran.returncode in (0, 4, 5, 7), ran.stderr  # a busy machine may spoil the measurement, not the run
    record = json.loads((tmp_path / "mine/run.json").read_text())
    assert (record["model"]["engine"], record["plan"]["scenario"]) == ("onnxruntime", "predict")
    assert record["command_line"].startswith("sweepspot run ")
    assert str(tmp_path) not in (tmp_path / "mine/run.json").read_text()
    assert (tmp_path / "mine/report.html").stat().st_size > 10_000

    refused = sweepspot(installed, tmp_path, "train")
    assert refused.returncode == 2
    assert "needs TensorFlow, which is not installed: pip install 'sweepspot[tensorflow]'" in refused.stderr
