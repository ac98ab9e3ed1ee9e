from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from harness.errors import UserError
from targets.models.cache import CacheEntry

if TYPE_CHECKING:
    from pathlib import Path

MAKE_ONCE = """
import sys
from pathlib import Path
from targets.models.cache import CacheEntry

def make(folder):
    with open(sys.argv[1], "a") as log:
        log.write("made\\n")
    (folder / "data").write_bytes(bytes(1_000_000))

print("go", flush=True)
sys.stdin.readline()
print(CacheEntry("thing-1", print).ensure(make))
"""


@pytest.fixture(autouse=True)
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


class Maker:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, folder: Path) -> None:
        self.times += 1
        (folder / "data").write_text("right")


def test_made_once_and_found_afterwards(cache_home: Path) -> None:
    make, said = Maker(), []
    path = CacheEntry("thing-1", said.append).ensure(make)
    assert CacheEntry("thing-1", said.append).ensure(make) == path == cache_home / "sweepspot/models/thing-1"
    assert (make.times, said) == (1, [])


@pytest.mark.parametrize("harm", ["changed", "removed", "no checksums"])
def test_a_corrupt_entry_is_said_in_one_line_and_made_again(harm: str) -> None:
    make, said = Maker(), []
    path = CacheEntry("thing-1", said.append).ensure(make)
    match harm:
        case "changed":
            (path / "data").write_text("wrong")
        case "removed":
            (path / "data").unlink()
        case _:
            (path / "SHA256SUMS").write_text("")
    CacheEntry("thing-1", said.append).ensure(make)
    assert (path / "data").read_text() == "right"
    assert (make.times, len(said)) == (2, 1)
    assert "corrupt" in said[0]


def test_a_maker_that_fails_leaves_nothing_behind(cache_home: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        CacheEntry("thing-1", print).ensure(fail)
    assert [path.name for path in (cache_home / "sweepspot/models").iterdir()] == [".thing-1.lock"]


def test_a_cache_that_cannot_be_written_is_the_users_error(cache_home: Path) -> None:
    (cache_home / "sweepspot").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="XDG_CACHE_HOME"):
        CacheEntry("thing-1", print).ensure(Maker())


@pytest.mark.process
def test_two_processes_at_once_make_it_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    argv = [sys.executable, "-c", MAKE_ONCE, str(log)]
    both = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.stdout
        assert process.stdout.readline() == "go\n"
    for process in both:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    paths = {process.communicate()[0] for process in both}
    assert len(paths) == 1
    assert log.read_text() == "made\n"
