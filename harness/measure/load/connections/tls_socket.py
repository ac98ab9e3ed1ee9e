"""TLS over a non-blocking socket, with the interface of a socket: `recv` and `send`.

OpenSSL works on memory here and never sees the descriptor, because in the load process gevent has replaced the sockets
that `ssl` would wrap. `recv` returns all bytes that are available, so that polling the descriptor is enough.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _socket import socket as RawSocket  # noqa: N812

RECORD_BYTES = 16_384
READ_BYTES = 1 << 16


class TlsSocket:
    """The client's end of a TLS connection. Every method may raise OSError, of which `ssl.SSLError` is one."""

    def __init__(self, raw: RawSocket, context: ssl.SSLContext, host: str) -> None:
        self.fileno = raw.fileno
        self.getsockopt = raw.getsockopt
        self.close = raw.close
        self._raw = raw
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._unsent: memoryview | bytes = b""  # records that the kernel has not taken yet
        self._ended = False  # the server has announced that it sends no more
        self._unreported = 0  # bytes that are in such a record and not yet reported as sent

    @property
    def wants_to_send(self) -> bool:
        """Whether records wait for room in the kernel."""
        return bool(self._unsent)

    def handshake(self) -> bool:
        """Continue it. Returns True once it is done. Raises `ssl.SSLCertVerificationError` where trust fails."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            if not self._take(READ_BYTES):
                return False
            return self.handshake()
        except ssl.SSLError:
            self._flush()  # the alert that tells the server why
            raise
        self._flush()
        return True

    def recv(self, size: int) -> bytes:
        """Some plain bytes; empty once the server has closed. Raises BlockingIOError while there are none."""
        data = self._raw.recv(size)
        if data:
            self._incoming.write(data)
        elif self._ended:
            return data
        else:
            self._incoming.write_eof()
        parts = self._read_all()
        self._flush()
        if parts is None:
            raise BlockingIOError
        return parts

    def send(self, data: bytes | memoryview) -> int:
        """Send bytes. Returns how many were sent; the last one counts once the kernel has all of its record."""
        self._flush()
        if self._unsent:
            raise BlockingIOError
        sent, self._unreported = self._unreported, 0
        while sent < len(data) and not self._unsent:
            sent += self._object.write(data[sent : sent + RECORD_BYTES])
            self._flush()
        if self._unsent:
            self._unreported = 1
            return sent - 1
        return sent

    def _read_all(self) -> bytes | None:
        """All plain bytes; None where a record is incomplete."""
        parts = []
        try:
            while part := self._object.read(READ_BYTES):
                parts.append(part)
                if not (self._incoming.pending or self._object.pending()):
                    return b"".join(parts)
            self._ended = True
            self._object.unwrap()  # the server has closed in order, and may wait for our close
        except ssl.SSLWantReadError:
            return b"".join(parts) or None
        except ssl.SSLError:
            if not parts:
                raise
        return b"".join(parts)

    def _take(self, size: int) -> bool:
        try:
            data = self._raw.recv(size)
        except BlockingIOError:
            return False
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return True

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._unsent = bytes(self._unsent) + self._outgoing.read()
        if self._unsent:
            try:
                sent = self._raw.send(self._unsent)
            except BlockingIOError:
                return
            self._unsent = memoryview(self._unsent)[sent:] if sent < len(self._unsent) else b""
