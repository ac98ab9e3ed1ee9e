"""The address of a server, found before the load, and the sockets that connect to it."""

from __future__ import annotations

import errno
import os
import socket
from _socket import socket as RawSocket  # noqa: N812  (the C class: gevent replaces `socket.socket`)
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.measure.load.connections.tls_socket import TlsSocket

if TYPE_CHECKING:
    import ssl

    from harness.wire.server_url import ServerUrl

ADDRESS_LIMIT_S = 2.0  # for each address of a name that has several


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A resolved server address."""

    family: int
    where: Any  # as `socket.connect` takes it
    host: str = ""  # the name that a certificate must have
    tls: ssl.SSLContext | None = None

    def socket(self) -> RawSocket | TlsSocket:
        """A non-blocking socket that has begun to connect. Raises OSError."""
        raw = RawSocket(self.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = raw.connect_ex(self.where)
        if code not in (0, errno.EINPROGRESS):
            raw.close()
            raise OSError(code, os.strerror(code))
        return raw if self.tls is None else TlsSocket(raw, self.tls, self.host)


def resolve(url: ServerUrl) -> ServerAddress:
    """The address of a server at which it was found before the load. Raises UserError where its name has none."""
    try:
        family, where = url.address(ADDRESS_LIMIT_S)
    except OSError as error:
        raise UserError(f"{url}: {error.strerror or error}; is the name right?", "server") from error
    tls = url.access.tls_context("h2" if url.is_grpc else "http/1.1") if url.secure else None
    return ServerAddress(family, where, url.host, tls)
