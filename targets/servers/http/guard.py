"""Checks the bearer token (RFC 6750) of requests, where the server has one."""

from __future__ import annotations

import hmac

from targets.servers.http.routes import Action
from targets.servers.protocols.errors import ProtocolError

UNGUARDED = frozenset({Action.LIVE, Action.READY})  # health checks need no token
REFUSAL = ProtocolError(401, "the bearer token is missing, wrong or expired", b"www-authenticate: Bearer\r\n")


class Guard:
    """Compares tokens in constant time."""

    def __init__(self, token: str = "") -> None:
        self._expected = f"Bearer {token}".encode() if token else b""

    def check(self, authorization: bytes, action: Action | None = None) -> None:
        """Raise ProtocolError 401 unless `authorization`, the value of the header, has the token."""
        if not self._expected or action in UNGUARDED:
            return
        if not hmac.compare_digest(authorization, self._expected):
            raise REFUSAL
