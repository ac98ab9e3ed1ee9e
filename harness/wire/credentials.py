"""A client's credentials: the certificate authority that it trusts, and its bearer token.

The token is never on a command line, which every user of the machine could read. It comes from the environment
(`SWEEPSPOT_TOKEN`) or from a file, whose path is no secret (`SWEEPSPOT_TOKEN_FILE`). What the user types in a URL's
query or in a body is moved to the environment (`named_secrets.py`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.errors import UserError
from harness.system.named_secrets import PREFIX, held_secrets

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

TOKEN = "SWEEPSPOT_TOKEN"  # noqa: S105  (a name)
TOKEN_FILE = "SWEEPSPOT_TOKEN_FILE"  # noqa: S105  (a name)
TLS_CA = "SWEEPSPOT_TLS_CA"
HEADERS = "SWEEPSPOT_HEADERS"  # lines `Name: value`; the command line puts there what `--header` gives
TOKEN_TARGETS = "SWEEPSPOT_TOKEN_TARGETS"  # noqa: S105  (a name: URLs that the token of a worker may be sent to)
MAX_TOKEN_BYTES = 8192
SHORTEST_SECRET = 6  # characters; a shorter value may be part of any text
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, section 5.6.2
_HEADER_VALUE = re.compile(r"[ -~]+")
_FRAMING = ("content-length", "transfer-encoding", "connection")
_USER = re.compile(r"://[^/?#@\s'\"]*@")
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750, section 2.1


@dataclass(frozen=True, slots=True)
class Access:
    """The credentials for one server. No representation of it shows the token."""

    token: str = field(default="", repr=False)
    ca: Path | None = None  # trusted instead of the system's authorities
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # names and values that the user adds

    @classmethod
    def find(cls, ca: Path | None = None, token_file: Path | None = None) -> Access:
        """The credentials at the given paths, or else in the environment. Raises UserError."""
        environment = os.environ.get(TLS_CA)
        return cls(read_token(token_file), ca or (Path(environment) if environment else None), own_headers())

    @property
    def authorization(self) -> str:
        """The value of the header `Authorization`; empty without a token."""
        return f"Bearer {self.token}" if self.token else ""

    @property
    def header_line(self) -> str:
        """`Authorization` and the user's own headers but `Host`, as lines of HTTP/1.1."""
        given = [("Authorization", self.authorization)] if self.token else []
        given += [pair for pair in self.headers if pair[0].lower() != "host"]
        return "".join(f"{name}: {value}\r\n" for name, value in given)

    @property
    def host(self) -> str:
        """The user's own value of the header `Host`; empty where there is none."""
        return next((value for name, value in self.headers if name.lower() == "host"), "")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be in no row, log or report, even where a server repeats it: the token and all other secrets."""
        values = [value for name, value in self.headers if name.lower() != "host" and len(value) >= SHORTEST_SECRET]
        return tuple(each for each in (self.token, *values, *held_secrets()) if each)

    def tls_context(self, protocol: str) -> ssl.SSLContext:
        """A TLS context that verifies the server's certificate and name, and offers `protocol` (`http/1.1` or `h2`).

        Raises UserError where the certificate authority cannot be read.
        """
        import ssl

        try:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
        except OSError as error:
            reason = error.strerror or str(error)
            text = f"{self.ca}: cannot be read as certificates in PEM ({reason})"
            raise UserError(text, "certificate authority") from error
        context.set_alpn_protocols([protocol])
        return context


OPEN = Access()


def read_token(file: Path | None = None) -> str:
    """The bearer token: of `file`, else of `SWEEPSPOT_TOKEN_FILE`, else `SWEEPSPOT_TOKEN`; empty where there is none.

    Raises UserError, which never repeats the token.
    """
    named = file or (Path(os.environ[TOKEN_FILE]) if os.environ.get(TOKEN_FILE) else None)
    if named is None:
        token = os.environ.get(TOKEN, "")
        return _checked(token, TOKEN) if token else token
    try:
        with named.open(encoding="ascii") as content:
            text = content.read(MAX_TOKEN_BYTES + 2)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no ASCII text"
        raise UserError(f"{named}: cannot be read ({reason})", "token file") from error
    return _checked(text.strip(), str(named), "token file")


def own_headers() -> tuple[tuple[str, str], ...]:
    """The headers in `SWEEPSPOT_HEADERS`, a line `Name: value` each. Raises UserError."""
    lines = (line for line in os.environ.get(HEADERS, "").splitlines() if line.strip())
    return tuple(_checked_header(line, HEADERS) for line in lines)


def add_headers(texts: Iterable[str], flag: str, folder: Path = Path()) -> None:
    """Put headers into the environment, where this process and its children look for them; one that is there stays.

    Raises UserError.
    """
    there = own_headers()
    known = {name.lower() for name, _ in there}
    added = [parsed for text in texts if (parsed := parse_header(text, flag, folder))[0].lower() not in known]
    if added:
        os.environ[HEADERS] = "\n".join(f"{name}: {value}" for name, value in (*there, *added))


def parse_header(text: str, flag: str, folder: Path = Path()) -> tuple[str, str]:
    """`Name: value` as both; a value `@FILE` is that of the file, from `folder`, `$NAME` or `${NAME}` of the variable.

    Raises UserError.
    """
    name, _, value = (part.strip() for part in text.partition(":"))
    variable = value[1:].removeprefix("{").removesuffix("}")
    try:
        if value.startswith("@"):
            value = (folder / value[1:]).read_text(encoding="latin-1").strip()
        elif value.startswith("$"):
            value = os.environ[variable].strip()
    except OSError as error:
        raise UserError(f"{flag} {name}: {value[1:]} cannot be read ({error.strerror})") from error
    except KeyError as error:
        raise UserError(f"{flag} {name}: the environment has no variable {variable}") from error
    return _checked_header(f"{name}: {value}", flag)


def _checked_header(line: str, flag: str) -> tuple[str, str]:
    name, _, value = (part.strip() for part in line.partition(":"))
    if _HEADER_NAME.fullmatch(name) is None or _HEADER_VALUE.fullmatch(value) is None:
        raise UserError(f"{flag} {name}: write 'Name: value', 'Name: @FILE' or 'Name: $VARIABLE', in printable ASCII")
    if name.lower() in _FRAMING:
        raise UserError(f"{flag} {name}: it says where a message ends, and is not yours to set; leave it out")
    return name, value


def without_user(text: str) -> str:
    """The text, in which a URL shows neither user nor password."""
    return _USER.sub("://...@", text)


def token_targets() -> tuple[str, ...]:
    """The URLs to which a worker's token may be sent: what it was started with, and nothing that its master says."""
    return tuple(os.environ.get(TOKEN_TARGETS, "").split())


def require_token_host(url: str, allowed: Iterable[str]) -> None:
    """Raise UserError where a secret would go to `url`, whose scheme, host and port none of `allowed` has."""
    if (read_token() or own_headers() or PREFIX in url) and not is_of(url, allowed):
        raise UserError(f"{url}: this process was not started for that host, and sends its token to no other")


def access_to(url: str, targets: Iterable[str]) -> Access:
    """The credentials for `url`: neither token nor headers where none of `targets` has its scheme, host and port.

    Raises UserError.
    """
    found = Access.find()
    return found if is_of(url, targets) else Access(ca=found.ca)


def is_of(url: str, targets: Iterable[str]) -> bool:
    """Whether one of `targets` has the scheme, the host and the port of `url`."""
    return _origin(url) in {_origin(each) for each in targets}


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _checked(token: str, source: str, subject: str = "") -> str:
    if len(token) > MAX_TOKEN_BYTES or _TOKEN68.fullmatch(token) is None:
        text = f"{source}: holds no bearer token; one line of letters, digits and -._~+/= is expected"
        raise UserError(text, subject)
    return token
