"""Locust's web page takes orders from its own page only, and only those that a page may give.

A form on any other web site can be sent to 127.0.0.1 by the visitor's browser, and a name that its owner points at
127.0.0.1 makes that site look like the page itself. Requests that change something are therefore refused where the
browser says that they come from elsewhere (`Sec-Fetch-Site`, or else `Origin` and `Referer`), and all requests where
the `Host` is not a name of this page. Options that name files, commands or where a token goes cannot be set at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from locust.env import Environment

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OWN_PAGE = ("same-origin", "none")  # none: typed into the address bar, or a program that is no browser
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
ANY_ADDRESS = ("", "*", "0.0.0.0", "[::]", "::")  # noqa: S104  (compared with, not bound to)
USER_FIELDS = frozenset(("user_class_name", "tasks", "weight", "fixed_count"))  # of a user class, sent as JSON
LOCUST_FIELDS = frozenset(("user_count", "spawn_rate", "host", "run_time", "user_classes", "shape_class", "profile"))


def guard_page(environment: Environment) -> None:
    """Refuse what does not come from the page, or asks for more than a page may. Does nothing without a web page."""
    page = environment.web_ui
    if page is None:
        return
    from flask import request
    from locust.argument_parser import ui_extra_args_dict

    names = host_names(page.host)
    fields = LOCUST_FIELDS.union(ui_extra_args_dict())

    def refuse() -> Any:
        reason = foreign_request(request.method, dict(request.headers), names) or private_field(request.form, fields)
        if not reason and request.path.endswith("/user"):  # Locust sets whatever attribute it is sent
            reason = private_field(request.get_json(force=True, silent=True) or (), USER_FIELDS)
        return ({"success": False, "message": reason}, 403) if reason else None

    page.app.before_request(refuse)


def host_names(bound_to: str) -> frozenset[str]:
    """The names by which a page bound to that address is reached; empty where it listens at every address."""
    if bound_to in ANY_ADDRESS:
        return frozenset()
    return frozenset((bound_to, *LOOPBACK)) if bound_to in ("localhost", "127.0.0.1", "::1") else frozenset((bound_to,))


def foreign_request(method: str, headers: Mapping[str, str], names: Iterable[str]) -> str:
    """Why a request is not one of the page's own; empty where it is.

    names: by which the page is reached, as of `host_names`; empty: any.
    """
    host = headers.get("Host", "")
    if names and _name(f"//{host}") not in names:
        return f"this page is not called {host}"
    if method in SAFE_METHODS:
        return ""
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return "" if site in OWN_PAGE else "only this page itself may start or change a test"
    source = headers.get("Origin") or headers.get("Referer")
    if source is None or urlsplit(source).netloc == host:
        return ""
    return "only this page itself may start or change a test"


def private_field(form: Iterable[str], fields: Iterable[str]) -> str:
    """Why a form may not be taken: its first field that no page offers; empty where there is none."""
    hidden = next((name for name in form if name not in fields), None)
    return f"{hidden}: cannot be set from the page; give it on the command line" if hidden else ""


def _name(url: str) -> str:
    """The host of `url` without its port, an IPv6 address in brackets."""
    host = urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host
