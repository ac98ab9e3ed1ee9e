"""Options of `sweep`, `run` and `capacity` for an external server: its payloads, and what its metadata leave open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable


class ItemShape(click.ParamType[tuple[int, ...]]):
    """The shape of one item: sizes of 1 or more, separated by commas."""

    name = "n,n,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The sizes. Raises UserError."""
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


EXTERNAL_SERVER_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--reference",
        default="",
        metavar="MODEL|FILE",
        help="Compare the predictions of an external server with those of this model (see `harness prepare`), or of "
        "this .keras or .onnx file.",
    ),
    click.option(
        "--bank",
        "payloads",
        default="",
        metavar="FILE",
        help="Your own payloads for an external server: .npz with `inputs` and perhaps `expected`, or .jsonl of whole "
        "request bodies.",
    ),
    click.option(
        "--shape",
        type=ItemShape(),
        default=(),
        metavar="N,N,...",
        help="The shape of one item, where an external server leaves sizes open.",
    ),
    click.option(
        "--metrics",
        default="",
        metavar="URL",
        help="Where an external server has its Prometheus metrics. Without it a service of your own is asked for "
        "/metrics.",
    ),
)


def external_server_fields(given: dict[str, Any]) -> dict[str, Any]:
    """The plan's fields that these options give."""
    return {
        "reference": given["reference"],
        "payloads": given["payloads"],
        "item_shape": given["shape"],
        "metrics": given["metrics"],
    }
