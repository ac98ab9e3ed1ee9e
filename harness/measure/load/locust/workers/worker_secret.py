"""The secret that a master and its workers share: each proves that it knows it, and all they exchange is encrypted.

Locust's own protocol has neither proof nor encryption. ZeroMQ's CURVE (RFC 26/CurveZMQ) has both: the key pairs of the
two sides are derived from the secret, and a handshake needs the other side's public key, which never travels. Who does
not know the secret can neither give orders to a worker nor hand rows to a master.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import secrets
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from harness.errors import ExitCode, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

PAIRING = "SWEEPSPOT_PAIRING"  # environment variable with the secret: a command line can be read by other users
SHORTEST = 16  # characters; a shorter secret can be guessed
MISSING = (
    f"a master and its workers share a secret: set the environment variable {PAIRING} to the same text of at least "
    f"{SHORTEST} characters for each (`python -m harness run --workers` prints one)"
)
Keys = tuple[bytes, bytes]


def new_secret() -> str:
    """A secret of 144 random bits, as text."""
    return secrets.token_urlsafe(18)


def checked_secret(text: str) -> str:
    """`text` without surrounding space. Raises UserError where it is too short to be a secret."""
    secret = text.strip()
    if len(secret) < SHORTEST:
        raise UserError(f"{PAIRING}: a pairing secret has at least {SHORTEST} characters")
    return secret


def key_pair(secret: str, side: str) -> Keys:
    """Public and secret key (Z85) of one side, `master` or `worker`.

    scrypt makes each guess at a secret that a person chose cost some 50 ms and 16 MiB.
    """
    import zmq
    from zmq.utils import z85

    key = z85.encode(hashlib.scrypt(secret.encode(), salt=f"sweepspot {side}".encode(), n=2**14, r=8, p=1, dklen=32))
    return zmq.curve_public(key), key


def forks_workers(argv: Sequence[str]) -> bool:
    """Whether Locust will fork its own workers, by this command line, the environment or a configuration file."""
    from locust.argument_parser import get_empty_argument_parser

    parser = get_empty_argument_parser(add_help=False)
    parser.add_argument("--processes", type=int, env_var="LOCUST_PROCESSES")
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):  # Locust itself says what is wrong
        return bool(parser.parse_known_args(argv)[0].processes)
    return False


def secure_sockets(argv: Sequence[str]) -> None:
    """Have every socket that Locust opens from now on take part in the pairing. Called before a runner exists.

    A process that forks its own workers (`--processes`) makes the secret itself, and they inherit it.
    """
    from locust.rpc import zmqrpc

    if forks_workers(argv) and not os.environ.get(PAIRING):
        os.environ[PAIRING] = new_secret()
    open_socket = zmqrpc.BaseSocket.__init__
    if getattr(open_socket, "is_paired", False):
        return

    def open_paired(self: Any, sock_type: int, ipv4_only: bool) -> None:
        open_socket(self, sock_type, ipv4_only)
        try:
            _pair(self.socket, checked_secret(os.environ[PAIRING]))
        except KeyError:
            _refuse(MISSING)
        except UserError as error:
            _refuse(str(error))

    open_paired.is_paired = True  # type: ignore[attr-defined]
    zmqrpc.BaseSocket.__init__ = open_paired


def _pair(socket: Any, secret: str) -> None:
    """Set the keys of a socket that is neither bound nor connected yet."""
    import zmq

    master_public, master_secret = key_pair(secret, "master")
    if socket.type == zmq.ROUTER:
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = master_public, master_secret
    else:
        socket.curve_serverkey = master_public
        socket.curve_publickey, socket.curve_secretkey = key_pair(secret, "worker")


def _refuse(reason: str) -> NoReturn:
    print(reason, file=sys.stderr)
    raise SystemExit(int(ExitCode.USAGE))
