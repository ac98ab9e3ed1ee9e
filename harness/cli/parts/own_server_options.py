"""What `sweep` and `run` may be told of a server that is not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable


class Shape(click.ParamType[tuple[int, ...]]):
    """Sizes of one item: whole numbers of one or more."""

    name = "n,n,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The sizes as they stand; a size may occur twice."""
        del param, ctx
        if isinstance(value, tuple):
            return value
        try:
            sizes = tuple(int(part) for part in value.split(","))
        except ValueError:
            sizes = ()
        if not sizes or min(sizes) < 1:
            raise UserError(f"--shape {value!r}: give the sizes of one item without its batch, for example 224,224,3")
        return sizes


FOREIGN_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--reference",
        default="",
        metavar="MODEL",
        help="Compare the answers of a server by URL with those of this model (see `harness prepare`).",
    ),
    click.option(
        "--bank",
        "payloads",
        default="",
        metavar="FILE",
        help="Your own payloads for a server that is not ours: .npz with `inputs` and perhaps `expected`, or .jsonl of "
        "whole request bodies.",
    ),
    click.option(
        "--shape",
        type=Shape(),
        default=(),
        metavar="N,N,...",
        help="The shape of one item, where a server leaves sizes open.",
    ),
    click.option(
        "--metrics", default="", metavar="URL", help="A server's Prometheus metrics, where they are not found."
    ),
)


def foreign_fields(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of a request that these options fill."""
    return {
        "reference": given["reference"],
        "payloads": given["payloads"],
        "item_shape": given["shape"],
        "metrics": given["metrics"],
    }
