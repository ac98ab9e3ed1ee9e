"""What `clean` removes, and that it asks first."""

import pytest
from click.testing import CliRunner

from harness.cli.upkeep.clean import command
from harness.record.run_dir import RunDir


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


def test_a_calibration_is_removed_whole(kept):
    for name in ("calibration.json", "queue/run.json", "queue/truth.csv"):
        (kept / "results/c" / name).parent.mkdir(parents=True, exist_ok=True)
        (kept / "results/c" / name).write_text("")
    clean(kept, "runs", "--yes")
    assert not (kept / "results/c").exists()


def test_a_link_is_removed_and_not_what_it_leads_to(kept):
    elsewhere = kept / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "run.json").write_text("")
    (kept / "results/another").symlink_to(elsewhere)
    (kept / "results/latest").symlink_to("a")
    clean(kept, "runs", "--yes")
    assert left(kept / "results") == ["notes/mine.txt"]
    assert not (kept / "results/latest").is_symlink()
    assert not (kept / "results/another").is_symlink()
    assert (elsewhere / "run.json").is_file()


def test_a_cache_on_another_disk_is_emptied_and_its_link_stays(kept):
    cache = kept / "cache/sweepspot/models"
    cache.rename(kept / "disk")
    cache.symlink_to(kept / "disk")
    (cache / "m.lock").write_text("")
    clean(kept, "models", "--yes")
    assert list(cache.iterdir()) == []
    assert cache.is_symlink()


def test_a_run_that_is_being_measured_stays(kept):
    run = RunDir(kept / "results/a")
    run.lock()
    assert "results/a: a run is writing here; it stays" in clean(kept, "runs", "--yes").output
    assert (kept / "results/a/run.json").is_file()
