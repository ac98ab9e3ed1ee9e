"""Types of command-line options: each parses a text or raises a UserError that names the flag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from harness.errors import UserError
from harness.plan.option_text import parse_positive_seconds
from harness.plan.slo import Slo, parse_slo

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PORT = 65_536
SEED = click.IntRange(0, 2**31)


class Parsed(click.ParamType[Any]):
    """A value parsed from a text and its flag by a function such as those of `harness.plan.option_text`."""

    def __init__(self, parse: Callable[[str, str], Any], name: str) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The parsed value; one that is no text stays as it is."""
        del ctx
        return self._parse(value, param.opts[0] if param else self.name) if isinstance(value, str) else value


DURATION = Parsed(parse_positive_seconds, "duration")


class Share(click.ParamType[float]):
    """A share of 1, from `5%` or `0.05`."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Between 0 and 1, both excluded."""
        del ctx
        if isinstance(value, float):
            return value
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = 0.0
        if not 0 < share < 1:
            flag = param.opts[0] if param else "share"
            raise UserError(f"{flag} {value}: give a share above 0 % and below 100 %, for example 5%")
        return share


class IntList(click.ParamType[tuple[int, ...]]):
    """Whole numbers of one or more, separated by commas."""

    name = "n,n,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """A tuple without repetitions, in the given order."""
        del ctx
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(dict.fromkeys(int(part) for part in value.split(",")))
        except ValueError:
            numbers = ()
        if not numbers or min(numbers) < 1:
            flag = param.opts[0] if param else "list"
            raise UserError(f"{flag} {value!r}: give whole numbers of 1 or more, for example 1,8,32")
        return numbers


class SloType(click.ParamType[Slo | None]):
    """Bounds such as `p99<50ms,errors<1%`, or `none`."""

    name = "bounds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Slo | None:
        """An Slo; one without bounds for `none`."""
        del param, ctx
        if isinstance(value, Slo) or value is None:
            return value
        return Slo(bounds=()) if value == "none" else parse_slo(value)


class Address(click.ParamType[str]):
    """An address and a port, `HOST:PORT`."""

    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it was given."""
        del ctx
        host, _, port = str(value).rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < MAX_PORT:
            flag = param.opts[0] if isinstance(param, click.Option) else "HOST:PORT"
            raise UserError(f"{flag} {value}: give an address and a port, for example 10.0.0.1:5557")
        return str(value)
