"""The envelope outlives the run that measured it."""

import pytest

from harness.errors import RunError
from harness.record.machine.envelope import Envelope, Lateness, envelope_path, keep, kept

ENVELOPE = Envelope(
    fingerprint="abc",
    measured_at="2026-01-01T00:00:00+00:00",
    greatest_rps=20_000.0,
    floor_ms=0.2,
    lateness=(Lateness(rate_rps=1000.0, p50_ms=0.02, p99_ms=0.3),),
)


def test_it_is_kept_by_fingerprint_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kept("abc") is None
    assert keep(ENVELOPE) == envelope_path("abc") == tmp_path / "sweepspot" / "envelopes" / "abc.json"
    assert kept("abc") == ENVELOPE
    assert kept("another machine") is None
    envelope_path("abc").write_text("not JSON")
    assert kept("abc") is None


def test_a_cache_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(RunError, match="XDG_CACHE_HOME"):
        keep(ENVELOPE)
