"""What `clean` removes, and that it asks first."""

import pytest
from click.testing import CliRunner

from harness.cli.upkeep.clean import command


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("cache/sweepspot/models/m/model.onnx", "cache/sweepspot/servers/mosec/bin", "results/a/run.json",
                 "results/notes/mine.txt"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(bytes(2_000_000))
    return tmp_path


def clean(kept, *words, answer=""):
    return CliRunner().invoke(
        command, ["--results", str(kept / "results"), *words], input=answer, standalone_mode=False
    )


def left(kept):
    return sorted(path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file())


def test_it_lists_sizes_and_asks_first(kept):
    before = left(kept)
    done = clean(kept, answer="n\n")
    assert "2.0 MB" in done.output
    assert "remove these 6.0 MB?" in done.output
    assert left(kept) == before


def test_it_removes_caches_and_runs_and_leaves_other_folders(kept):
    clean(kept, answer="y\n")
    assert left(kept) == ["results/notes/mine.txt"]


def test_it_removes_only_what_is_named(kept):
    clean(kept, "environments", "--yes")
    assert left(kept) == ["cache/sweepspot/models/m/model.onnx", "results/a/run.json", "results/notes/mine.txt"]
