import getpass
import os
import platform
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from harness.record.machine.environment import Environment, capture, read_checkout
from harness.record.machine.host import FLAGS_OF_NOTE

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def here():
    return capture()


def change(environment, part, **fields):
    changed = msgspec.structs.replace(getattr(environment, part), **fields)
    return msgspec.structs.replace(environment, **{part: changed})


def test_it_tells_what_the_system_tells(here):
    assert here.cpu.usable_cores == len(os.sched_getaffinity(0))
    assert here.cpu.architecture == platform.machine()
    words = Path("/proc/cpuinfo").read_text().split()
    assert here.cpu.flags == tuple(flag for flag in FLAGS_OF_NOTE if flag in words)
    assert here.python == f"CPython {'.'.join(map(str, sys.version_info[:3]))}"
    sections = here.sections()
    assert sections["System"]["Kernel"] == f"Linux {os.uname().release}"
    assert sections["Software"]["psutil"].count(".") >= 1
    assert sections["Run"]["Fingerprint"] == here.fingerprint


def test_two_captures_on_one_machine_are_comparable(here):
    again = capture()
    assert again.fingerprint == here.fingerprint
    assert here.differences(again) == []


def test_it_survives_the_run_directory(here):
    read = msgspec.json.decode(msgspec.json.encode(here), type=Environment)
    assert read == here
    assert read.fingerprint == here.fingerprint


def test_neither_host_nor_user_nor_home_is_in_it(here, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_cuda_data_dir=/home/somebody/cuda")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    text = msgspec.json.encode(capture()).decode()
    assert "XLA_FLAGS" in text
    assert "somebody" not in text
    assert "hush-hush" not in text
    for name in (socket.gethostname(), getpass.getuser()):
        assert f'"{name}"' not in text


def test_thread_variables_are_in_the_fingerprint(here, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "17")
    other = capture()
    assert other.threads["OMP_NUM_THREADS"] == "17"
    assert other.fingerprint != here.fingerprint


@pytest.mark.parametrize(
    ("part", "fields", "difference"),
    [
        ("cpu", {"model": "Another"}, "CPU, Model: "),
        ("cpu", {"flags": ("avx",)}, "CPU, Flags: "),
        ("system", {"memory_bytes": 1 << 30}, "System, Memory: "),
        ("limits", {"cpu_quota": 0.5}, "Limits, Cpu quota: absent | 0.5"),
    ],
)
def test_what_makes_runs_incomparable_is_named(here, part, fields, difference):
    other = change(here, part, **fields)
    assert other.fingerprint != here.fingerprint
    (line,) = here.differences(other)
    assert line.startswith(difference)


def test_revision_and_load_do_not_keep_runs_apart(here):
    other = change(here, "checkout", revision="0" * 40, dirty=True)
    other = msgspec.structs.replace(other, load_average=(9.0, 9.0, 9.0))
    assert other.fingerprint == here.fingerprint
    assert other.sections()["Run"]["Revision"] == "0" * 40


def test_the_revision_of_a_checkout_and_whether_it_was_changed(tmp_path):
    if shutil.which("git") is None:
        pytest.fail("git is needed: install it, or measure without knowing the revision")

    def git(*words):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        return subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    assert read_checkout(tmp_path).revision is None
    git("init", "-q")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-q", "-m", "first", "--no-verify")
    git("tag", "v1.0-rc")  # a tag must not stand in for the revision
    revision = git("rev-parse", "HEAD")
    assert (read_checkout(tmp_path).revision, read_checkout(tmp_path).dirty) == (revision, False)
    (tmp_path / "file").write_text("2")
    assert (read_checkout(tmp_path).revision, read_checkout(tmp_path).dirty) == (revision, True)


def test_nothing_heavy_is_imported():
    code = (
        "import sys\nfrom harness.record.machine.environment import capture\ncapture()\n"
        "print({name.partition('.')[0] for name in sys.modules}"
        " & {'tensorflow', 'keras', 'numpy', 'pyarrow', 'scipy', 'locust', 'gevent'})"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "set()"
