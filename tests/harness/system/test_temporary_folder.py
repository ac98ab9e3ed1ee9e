"""Temporary folders, whose owner may be killed."""

import fcntl
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.system.temporary_folder import OwnedFolder, remove_orphaned_folders, temporary_folder


def test_a_folder_is_private_and_removed_at_the_end(tmp_path):
    with temporary_folder("worker", str(tmp_path)) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("x")
        assert folder.name.startswith("sweepspot-worker-")
        assert folder.stat().st_mode & 0o77 == 0
        remove_orphaned_folders(tmp_path)
        assert (folder / "sub" / "file").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_can_be_removed_twice(tmp_path):
    folder = OwnedFolder("worker", str(tmp_path))
    folder.remove()
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_an_owner_whose_folder_was_taken_for_orphaned_makes_another(tmp_path, monkeypatch):
    lock, taken = fcntl.flock, []

    def flock(descriptor, how):
        if not taken:  # another process finds the lock free, and removes the folder
            taken.extend(tmp_path.iterdir())
            shutil.rmtree(taken[0])
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    folder = OwnedFolder("worker", str(tmp_path))
    assert folder.path not in taken
    assert folder.path.exists()
    folder.remove()


CHILD = """
import sys, time
from harness.system.temporary_folder import OwnedFolder
folder = OwnedFolder("worker", sys.argv[1])
(folder.path / "file").write_text("x")
print(folder.path, flush=True)
time.sleep(60)
"""


@pytest.mark.process
def test_the_folder_of_a_killed_process_is_removed_by_the_next_owner_and_no_other(tmp_path):
    with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        left = Path(child.stdout.readline().strip())
        of_users = [
            tmp_path / name for name in ("sweepspot-report", "sweepspot-worker-mine", "sweepspot-worker-12345678")
        ]
        for folder in of_users:
            folder.mkdir()
        (of_users[-1] / "file").write_text("a folder without an owner's lock")
        (tmp_path / "sweepspot-worker-abcdefgh").symlink_to("/")
        remove_orphaned_folders(tmp_path)
        assert left.exists()
        child.send_signal(signal.SIGKILL)
    assert left.exists()
    own = OwnedFolder("worker", str(tmp_path))
    assert not left.exists()
    assert all(folder.exists() for folder in of_users)
    assert (tmp_path / "sweepspot-worker-abcdefgh").is_symlink()
    assert own.path.exists()
