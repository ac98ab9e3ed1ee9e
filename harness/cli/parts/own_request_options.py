"""Options of `sweep`, `run` and `capacity` for requests of the user's own to a service of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import msgspec

from harness.cli.parts.option_types import Parsed
from harness.errors import UserError
from harness.plan.target_spec import RecipeTarget, UrlTarget
from harness.wire.grpc.own_service import OWN_SERVICE
from harness.wire.http.raw_bodies import HTTP
from harness.wire.own.own_request import METHODS, OwnRequest
from harness.wire.protocol import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.plan.plan import Plan
    from harness.plan.target_spec import TargetSpec


def _parse_method(text: str, flag: str) -> str:
    """A method of HTTP in capital letters, or one of a gRPC service as it is. Raises UserError."""
    if "/" in text or text.upper() in METHODS:
        return text if "/" in text else text.upper()
    raise UserError(f"{flag} {text}: give one of {', '.join(METHODS)}, or package.Service/Method of a gRPC service")


OWN_REQUEST_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--method",
        type=Parsed(_parse_method, "method"),
        default=None,
        metavar="NAME",
        help="The method of requests to a service of your own; of a gRPC service package.Service/Method.  [default: "
        "POST with a body, else GET]",
    ),
    click.option(
        "--proto",
        default="",
        metavar="FILE",
        help="The .proto file of a gRPC service of your own; without it the server is asked (reflection).",
    ),
    click.option(
        "--body",
        default="",
        metavar="TEXT|@FILE",
        help="The body of requests to a service of your own: JSON or another text, or @FILE (@photos/*.jpg: one "
        "request for each). {field} stands for a field of --data, {field:base64} for the content of the file it names.",
    ),
    click.option(
        "--form",
        multiple=True,
        metavar="NAME=TEXT|@FILE",
        help="A field of a form in place of --body; may be repeated. A file makes it multipart, as browsers upload it.",
    ),
    click.option(
        "--data",
        default="",
        metavar="FILE",
        help="Rows for {field} in --body, --form and --expect, one request each: a .csv with names in its first line, "
        "a .jsonl of objects, or a pattern of files, such as 'photos/*.jpg', with the field {file}.",
    ),
)
OF_OWN_REQUESTS = ("method", "proto", "body", "form", "data")


def own_request(given: dict[str, Any]) -> OwnRequest:
    """The requests that these options describe. Raises UserError."""
    if given["body"] and given["form"]:
        raise UserError("--body: --form makes the body; leave one of the two out")
    texts: dict[str, Any] = {name: given[name] or "" for name in OF_OWN_REQUESTS}
    return OwnRequest(**{**texts, "form": tuple(given["form"])})


def with_own_requests(plan: Plan, request: OwnRequest, spec: TargetSpec) -> Plan:
    """`plan` with `request`, or with that of a recipe where `request` is none. Raises UserError."""
    load, model = plan.load, plan.model
    if isinstance(spec, RecipeTarget):
        recipe = spec.recipe
        request = request if request.given else recipe.request.without_headers.within(recipe.folder)
        load = msgspec.structs.replace(load, expect=load.expect or recipe.expect)
    if request.given and load.protocol not in (AUTO, HTTP.name, OWN_SERVICE.name) and not plan.payloads:
        raise UserError(
            f"--protocol {load.protocol}: --method, --body, --form and --data are for a service without one; leave "
            "one of the two out"
        )
    if request.given and load.protocol == AUTO:
        called = request.is_grpc or (isinstance(spec, UrlTarget) and spec.url.startswith("grpc"))
        load = msgspec.structs.replace(load, protocol=OWN_SERVICE.name if called else HTTP.name)
    if load.protocol == OWN_SERVICE.name and isinstance(spec, UrlTarget):
        model = model or request.method.rpartition("/")[2]
    elif load.protocol == HTTP.name and isinstance(spec, UrlTarget):
        path = urlsplit(spec.url).path.strip("/")
        model = model or path.rpartition("/")[2] or urlsplit(spec.url).netloc
    return msgspec.structs.replace(plan, request=request, load=load, model=model)
