"""The envelope: what this generator can do on this machine, measured against a server that does nothing.

Kept in the user's cache folder under the machine's fingerprint, and copied into each later run, so that points beyond
it are marked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.errors import RunError
from harness.files import cache_folder, read_if_whole, write_whole

if TYPE_CHECKING:
    from pathlib import Path


class Lateness(msgspec.Struct, frozen=True, kw_only=True):
    """How late requests left at one rate, in milliseconds after they were due."""

    rate_rps: float
    p50_ms: float
    p99_ms: float


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One load process against `null`."""

    fingerprint: str  # of the machine and its software
    measured_at: str  # ISO 8601, UTC
    greatest_rps: float  # closed loop, 64 users
    floor_ms: float  # median response time of one user
    lateness: tuple[Lateness, ...]  # ascending by rate


def envelope_path(fingerprint: str) -> Path:
    """`envelopes/<fingerprint>.json` in the user's cache folder."""
    return cache_folder("envelopes") / f"{fingerprint}.json"


def keep(envelope: Envelope) -> Path:
    """Write it for later runs. Raises RunError where the cache folder cannot be written."""
    path = envelope_path(envelope.fingerprint)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make {path.parent}: {error.strerror}; set XDG_CACHE_HOME to another folder") from error
    write_whole(path, msgspec.json.encode(envelope))
    return path


def kept(fingerprint: str) -> Envelope | None:
    """The envelope of this machine; None where it was never calibrated, or the file cannot be read."""
    return read_envelope(envelope_path(fingerprint))


def read_envelope(path: Path) -> Envelope | None:
    """The envelope in the file; None where there is none, or it cannot be read."""
    return read_if_whole(path, Envelope)
