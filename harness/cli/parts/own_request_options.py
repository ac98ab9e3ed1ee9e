"""Options of `sweep`, `run` and `capacity` for requests of the user's own to a service of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import msgspec

from harness.errors import UserError
from harness.plan.target_spec import RecipeTarget, UrlTarget
from harness.wire.http.raw_bodies import HTTP
from harness.wire.own.own_request import METHODS, OwnRequest
from harness.wire.protocol import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.plan.plan import Plan
    from harness.plan.target_spec import TargetSpec

OWN_REQUEST_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--method",
        type=click.Choice(METHODS, case_sensitive=False),
        default=None,
        help="The method of requests to a service of your own.  [default: POST with a body, else GET]",
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
OF_OWN_REQUESTS = ("method", "body", "form", "data")


def own_request(given: dict[str, Any]) -> OwnRequest:
    """The requests that these options describe. Raises UserError."""
    if given["body"] and given["form"]:
        raise UserError("--body: --form makes the body; leave one of the two out")
    return OwnRequest(method=given["method"] or "", body=given["body"], form=tuple(given["form"]), data=given["data"])


def with_own_requests(plan: Plan, request: OwnRequest, spec: TargetSpec) -> Plan:
    """`plan` with `request`, or with that of a recipe where `request` is none. Raises UserError."""
    load, model = plan.load, plan.model
    if isinstance(spec, RecipeTarget):
        recipe = spec.recipe
        request = request if request.given else recipe.request.within(recipe.folder)
        load = msgspec.structs.replace(load, expect=load.expect or recipe.expect)
    if request.given and load.protocol not in (AUTO, HTTP.name) and not plan.payloads:
        raise UserError(
            f"--protocol {load.protocol}: --method, --body, --form and --data are for a service without one; leave "
            "one of the two out"
        )
    if request.given and load.protocol == AUTO:
        load = msgspec.structs.replace(load, protocol=HTTP.name)
    if load.protocol == HTTP.name and isinstance(spec, UrlTarget):
        path = urlsplit(spec.url).path.strip("/")
        model = model or path.rpartition("/")[2] or urlsplit(spec.url).netloc
    return msgspec.structs.replace(plan, request=request, load=load, model=model)
