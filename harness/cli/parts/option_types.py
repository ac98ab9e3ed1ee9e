"""What the values of options may look like, and what becomes of them."""

from __future__ import annotations

import math
from typing import Any

import click

from harness.errors import UserError
from harness.plan.arrivals import parse_seconds
from harness.plan.slo import Slo, parse_slo

MAX_PORT = 65_536
WEEK_S = 7 * 86_400.0
MOST_RPS = 1e7
SEED = click.IntRange(0, 2**31)


class Duration(click.ParamType[float]):
    """Seconds, from `500ms`, `2s`, `1m` or a bare number of seconds; a week at most."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds as a float."""
        del ctx
        if isinstance(value, (int, float)):
            return float(value)
        flag = param.opts[0] if param else "duration"
        seconds = parse_seconds(value, flag)
        if seconds > WEEK_S:
            raise UserError(f"{flag} {value}: give a week at most")
        return seconds


class Number(click.FloatRange):
    """A number in a range with both ends; NaN, which click lets through, is in none."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As a float."""
        try:
            number: float = super().convert(value, param, ctx)
        except click.BadParameter:
            number = math.nan
        if math.isnan(number):
            flag = param.opts[0] if param else "number"
            low = f"above {self.min:g}" if self.min_open else f"of {self.min:g} or more"
            high = f"below {self.max:g}" if self.max_open else f"{self.max:g} at most"
            raise UserError(f"{flag} {value}: give a number {low}, {high}")
        return number


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
        """An Slo; None for `none`."""
        del param, ctx
        if isinstance(value, Slo) or value is None or value == "none":
            return None if value == "none" else value
        return parse_slo(value)


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
