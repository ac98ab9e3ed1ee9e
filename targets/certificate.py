"""The certificate of a server: the user's, or a temporary one with a temporary authority."""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.system.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOOPBACK = ("127.0.0.1", "::1", "localhost")
HANDSHAKE_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files: the chain, its key, and the authority of a temporary certificate."""

    chain: Path
    key: Path
    authority: Path | None = None

    def context(self) -> ssl.SSLContext:
        """The TLS context of an HTTP/1.1 server. Raises UserError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self.chain, self.key)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError(f"--tls-cert {self.chain} --tls-key {self.key}: cannot be used ({reason})") from error
        return context


def given_certificate(chain: Path | None, key: Path | None) -> Certificate | None:
    """The user's certificate; None where none is given. Raises UserError for one file without the other."""
    if (chain is None) != (key is None):
        missing = "--tls-key" if key is None else "--tls-cert"
        raise UserError(f"{missing}: is missing; a server needs both the certificate and its key")
    return None if chain is None or key is None else Certificate(chain, key)


@contextlib.contextmanager
def made_certificate(host: str) -> Iterator[Certificate]:
    """Make a certificate for `host` and the loopback addresses in a temporary folder that only this user can read.

    The authority's key stays in memory, so no other certificate can be made with it.
    """
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert(*dict.fromkeys((*LOOPBACK, host)))
    with temporary_folder("tls") as folder:
        files = Certificate(*(folder / name for name in ("chain.pem", "key.pem", "authority.pem")))
        files.key.touch(0o600)
        issued.private_key_pem.write_to_path(files.key)
        authority.cert_pem.write_to_path(folder / "authority.pem")
        for blob in issued.cert_chain_pems:
            blob.write_to_path(files.chain, append=True)
        yield files
