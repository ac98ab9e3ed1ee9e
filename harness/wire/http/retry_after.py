"""Reads the header `Retry-After` (RFC 9110, section 10.2.3)."""

from __future__ import annotations

from harness.clock import NS_PER_S

MOST_S = 86_400.0


def in_seconds(retry_after: bytes, date: bytes) -> bytes:
    """The value of Retry-After in seconds; as it is where it is no date, or the response has no `Date`.

    A date is compared with the response's own, which is of the server's clock too.
    """
    if not (retry_after and date) or retry_after.isdigit():
        return retry_after
    from email.utils import parsedate_to_datetime

    try:
        until, now = (parsedate_to_datetime(value.decode("latin-1")) for value in (retry_after, date))
        return b"%d" % max(0, round((until - now).total_seconds()))
    except (ValueError, TypeError):
        return retry_after


def retry_after_ns(value: bytes) -> int | None:
    """How long the server asks its client to wait, a day at most; None where it gives no number of seconds."""
    try:
        seconds = float(value)
    except ValueError:
        return None
    return round(min(seconds, MOST_S) * NS_PER_S) if seconds >= 0 else None
