"""The URL of a server, and free ports for one that is yet to be started."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from harness.errors import UserError
from harness.wire.credentials import OPEN, Access

_SECURE = {"http": False, "https": True, "grpc": False, "grpcs": True}
_PORTS = {False: 80, True: 443}
_PATH = re.compile(r"[!-~]*")  # printable ASCII
_EXAMPLE = "write for example http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """Host, port and the path that comes before the protocol's own paths (empty, or `/prefix`)."""

    host: str
    port: int
    prefix: str = ""
    scheme: str = "http"  # or https, grpc, grpcs
    access: Access = field(default=OPEN, compare=False, repr=False)

    @property
    def secure(self) -> bool:
        """Whether the connection uses TLS."""
        return _SECURE[self.scheme]

    @property
    def is_grpc(self) -> bool:
        """Whether the scheme is that of gRPC."""
        return self.scheme.startswith("grpc")

    @property
    def authority(self) -> str:
        """Host and port: the value of the header `Host`, unless the user gives another."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def head_lines(self) -> str:
        """`Host`, credentials and the user's own headers, as lines of HTTP/1.1."""
        return f"Host: {self.access.host or self.authority}\r\n{self.access.header_line}"

    def http_connection(self, timeout_s: float) -> http.client.HTTPConnection:
        """A blocking connection, for questions before a load. Raises UserError."""
        if not self.secure:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        context = self.access.tls_context("http/1.1")
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout_s, context=context)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"


def parse_url(text: str, access: Access | None = None) -> ServerUrl:
    """`http://host:port/prefix`, also https, grpc and grpcs (gRPC over TLS). Raises UserError for anything else.

    Without `access` the credentials come from the environment.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UserError(f"{text}: {error}; {_EXAMPLE}", "server") from error
    if parts.scheme not in _SECURE or not parts.hostname:
        raise UserError(f"{text}: only http, https, grpc and grpcs are spoken; {_EXAMPLE}", "server")
    if parts.query or parts.fragment or parts.username or not _PATH.fullmatch(parts.path):
        raise UserError(f"{text}: give only host, port and path, for example http://127.0.0.1:8000", "server")
    port = port or _PORTS[_SECURE[parts.scheme]]
    return ServerUrl(parts.hostname, port, parts.path.rstrip("/"), parts.scheme, access or Access.find())


def free_ports(count: int) -> list[int]:
    """Different TCP ports of 127.0.0.1 that no process listens on at present."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [sock.getsockname()[1] for sock in sockets]
