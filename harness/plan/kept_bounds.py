"""Bounds that a search keeps beside its latency limit: on accuracy, memory and processor cores."""

from __future__ import annotations

import re

import msgspec

from harness.errors import UserError

UNITS = {"accuracy": "", "memory_mb": " MB", "cores": " cores"}
_BOUND = re.compile(r"(\w+)\s*(<=?|>=?|≤|≥)\s*(\d+(?:\.\d+)?)\s*(%?)")


class KeptBound(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of a setting stays at or above `limit`, or at or below it.

    metric: `accuracy` (a share of 1), `memory_mb` or `cores` of the target, as means over the measured windows.
    """

    metric: str
    above: bool
    limit: float

    def __str__(self) -> str:
        return f"{self.metric} {'≥' if self.above else '≤'} {self.limit:g}"


def parse_keep(text: str) -> tuple[KeptBound, ...]:
    """`"accuracy>0.9,memory_mb<2000"` as bounds. Raises UserError where it does not parse."""
    return tuple(_parse(part.strip(), text) for part in text.split(","))


def _parse(part: str, text: str) -> KeptBound:
    match = _BOUND.fullmatch(part)
    if match is None or match[1] not in UNITS:
        raise UserError(
            f"--keep {text!r}: cannot read {part!r}; write for example 'accuracy>0.9' or 'accuracy>0.9,memory_mb<2000' "
            f"({', '.join(UNITS)}; a latency limit is given by --slo)"
        )
    metric, sign, number, percent = match.groups()
    if percent and metric != "accuracy":
        raise UserError(f"--keep {text!r}: {metric} takes no %")
    limit = float(number) / (100.0 if percent else 1.0)
    if metric == "accuracy" and limit > 1.0:
        raise UserError(f"--keep {text!r}: accuracy is a share of 1; write {limit / 100:g} or {limit:g}%")
    return KeptBound(metric=metric, above=sign in {">", ">=", "≥"}, limit=limit)
