"""Reads the header `Retry-After` (RFC 9110, section 10.2.3)."""

from __future__ import annotations

from harness.clock import NS_PER_S

MOST_S = 86_400.0


def retry_after_ns(value: bytes) -> int | None:
    """How long the server asks its client to wait, a day at most; None where it gives no number of seconds."""
    try:
        seconds = float(value)
    except ValueError:
        return None
    return round(min(seconds, MOST_S) * NS_PER_S) if seconds >= 0 else None
