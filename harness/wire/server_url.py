"""The URL of a server, and free ports for one that is yet to be started."""

from __future__ import annotations

import contextlib
import re
import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from harness.errors import UserError
from harness.system.named_secrets import with_named_secrets
from harness.wire.credentials import OPEN, Access, without_user

_SECURE = {"http": False, "https": True, "grpc": False, "grpcs": True}
_PORTS = {False: 80, True: 443}
_PATH = re.compile(r"[!-~]*")  # printable ASCII
_EXAMPLE = "write for example http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """Host, port and the path that comes before the protocol's own paths (empty, or `/prefix`).

    `path` is path and query as they were given, for a service that speaks no known protocol.
    """

    host: str
    port: int
    prefix: str = ""
    scheme: str = "http"  # or https, grpc, grpcs
    access: Access = field(default=OPEN, compare=False, repr=False)
    path: str = field(default="/", compare=False, repr=False)

    @property
    def secure(self) -> bool:
        """Whether the connection uses TLS."""
        return _SECURE[self.scheme]

    @property
    def is_grpc(self) -> bool:
        """Whether the scheme is that of gRPC."""
        return self.scheme.startswith("grpc")

    @property
    def query(self) -> str:
        """What stands behind `?` in its path."""
        return self.path.partition("?")[2]

    @property
    def authority(self) -> str:
        """Host and port: the value of the header `Host`, unless the user gives another."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def head_lines(self) -> str:
        """`Host`, credentials and the user's own headers, as lines of HTTP/1.1."""
        return f"Host: {self.access.host or self.authority}\r\n{self.access.header_line}"

    def connect(self, timeout_s: float, protocol: str = "http/1.1") -> socket.socket:
        """A blocking connection to the first of its addresses that accepts one, with TLS where it is secure.

        `protocol` is what is offered there (`http/1.1` or `h2`). Raises OSError; UserError for a certificate authority
        that cannot be read.
        """
        context = self.access.tls_context(protocol) if self.secure else None
        with contextlib.ExitStack() as failing:
            sock = failing.enter_context(socket.create_connection((self.host, self.port), timeout=timeout_s))
            if context is not None:
                sock = context.wrap_socket(sock, server_hostname=self.host)
            failing.pop_all()
        return sock

    def address(self, timeout_s: float) -> tuple[int, Any]:
        """The family and the address that `connect` takes; of several of which none accepts, the first.

        Raises OSError where its name has none.
        """
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        for family, kind, _, _, where in found if len(found) > 1 else ():
            with contextlib.suppress(OSError), socket.socket(family, kind) as tried:
                tried.settimeout(timeout_s)
                tried.connect(where)
                return int(family), where
        return int(found[0][0]), found[0][4]

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"


def parse_url(text: str, access: Access | None = None) -> ServerUrl:
    """`http://host:port/prefix`, also https, grpc and grpcs (gRPC over TLS). Raises UserError for anything else.

    Without `access` the credentials come from the environment, as do secrets in the query (`named_secrets.py`).
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UserError(f"{text}: {error}; {_EXAMPLE}", "server") from error
    if parts.scheme not in _SECURE or not parts.hostname:
        raise UserError(f"{text}: only http, https, grpc and grpcs are spoken; {_EXAMPLE}", "server")
    query = f"?{parts.query}" if parts.query else ""
    if "@" in parts.netloc:
        text = f"{without_user(text)}: give no user or password in a URL, but --header 'Authorization: $VARIABLE'"
        raise UserError(text, "server")
    if parts.fragment or not _PATH.fullmatch(f"{parts.path}{query}"):
        raise UserError(f"{text}: give only host, port and path, for example http://127.0.0.1:8000", "server")
    port = port or _PORTS[_SECURE[parts.scheme]]
    path = with_named_secrets(f"{parts.path or '/'}{query}")
    return ServerUrl(parts.hostname, port, parts.path.rstrip("/"), parts.scheme, access or Access.find(), path)


def free_ports(count: int) -> list[int]:
    """Different TCP ports of 127.0.0.1 that no process listens on at present."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [sock.getsockname()[1] for sock in sockets]
