"""Where a server is."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from harness.errors import UserError


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """Host, port and the path that comes before the protocol's own paths (empty, or `/prefix`)."""

    host: str
    port: int
    prefix: str = ""

    @property
    def authority(self) -> str:
        """What the Host header says."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"http://{self.authority}{self.prefix}"


def parse_url(text: str) -> ServerUrl:
    """`http://host:port/prefix`. Raises UserError where it is no such URL."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UserError(f"--host {text}: {error}; write for example http://127.0.0.1:8000") from error
    if parts.scheme != "http" or not parts.hostname:
        raise UserError(f"--host {text}: only http is spoken; write for example http://127.0.0.1:8000")
    if parts.query or parts.fragment or parts.username:
        raise UserError(f"--host {text}: give only host, port and path, for example http://127.0.0.1:8000")
    return ServerUrl(parts.hostname, port or 80, parts.path.rstrip("/"))
