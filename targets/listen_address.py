"""The address of a server, and its sockets."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from targets.certificate import Certificate


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """The host and port to listen on (0: a free port), and the user's certificate if there is one."""

    host: str
    port: int
    certificate: Certificate | None = None

    def bind(self) -> socket.socket:
        """Bind a socket that does not listen yet: clients are refused until the model is ready. Raises UserError."""
        return self._bind(socket.SO_REUSEADDR)

    def reserve(self) -> socket.socket:
        """Bind a port on which further sockets of this user will listen (SO_REUSEPORT). Raises UserError."""
        self.bind().close()  # fails where another server uses the port
        return self.join()

    def join(self) -> socket.socket:
        """Bind a port that the parent has reserved. Raises UserError."""
        return self._bind(socket.SO_REUSEADDR, socket.SO_REUSEPORT)

    def _bind(self, *options: int) -> socket.socket:
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
            sock = socket.socket(family, kind, protocol)
            for option in options:
                sock.setsockopt(socket.SOL_SOCKET, option, 1)
            sock.bind(where)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UserError(
                f"--host {self.host} --port {self.port}: {reason}; choose another port, or 0 for a free one"
            ) from error
        return sock


def authority_of(sock: socket.socket) -> str:
    """The address of a bound socket as `host:port`."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def port_of(sock: socket.socket) -> int:
    """The port of a bound socket."""
    return int(sock.getsockname()[1])
