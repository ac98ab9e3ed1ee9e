"""Who may ask: everyone, or those with the bearer token (RFC 6750)."""

from __future__ import annotations

import hmac

from targets.servers.http.routes import Action
from targets.servers.protocols.errors import ProtocolError

UNGUARDED = frozenset({Action.LIVE, Action.READY})  # whoever watches over a server need not be let in
REFUSAL = ProtocolError(401, "the bearer token is missing, wrong or expired", b"www-authenticate: Bearer\r\n")


class Guard:
    """Compares what a client shows with the token, in a time that says nothing about either."""

    def __init__(self, token: str = "") -> None:
        self._expected = f"Bearer {token}".encode() if token else b""

    def check(self, authorization: bytes, action: Action | None = None) -> None:
        """Raise ProtocolError 401 unless `authorization`, the header's value, is right."""
        if not self._expected or action in UNGUARDED:
            return
        if not hmac.compare_digest(authorization, self._expected):
            raise REFUSAL
