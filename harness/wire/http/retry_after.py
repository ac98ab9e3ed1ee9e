"""Brings the header `Retry-After` (RFC 9110, section 10.2.3) into seconds."""

from __future__ import annotations


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
