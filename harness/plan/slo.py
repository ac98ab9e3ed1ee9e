"""A service-level objective: bounds on latency percentiles and on the share of failures; and bounds beside it."""

from __future__ import annotations

import re

import msgspec

from harness.errors import UserError


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """`metric` stays below `limit`; latencies in milliseconds, `errors` a share of 1."""

    # "p50", "p90", "p95", "p99", "p99.9", "mean", "max" of the response time; the same after "ttft_", "itl_" or "tpot_"
    # of a stream's time to first token, inter-token latency or time per output token; "errors"
    metric: str
    limit: float

    def __str__(self) -> str:
        return (
            f"{self.metric} ≤ {100 * self.limit:g} %"
            if self.metric == "errors"
            else f"{self.metric} ≤ {self.limit:g} ms"
        )


class Slo(msgspec.Struct, frozen=True, kw_only=True):
    """All bounds must hold at once, of all requests together; or those of each request class, of its own requests."""

    bounds: tuple[Bound, ...]
    of_classes: dict[str, tuple[Bound, ...]] = {}  # in place of `bounds`, by name of the class

    def __str__(self) -> str:
        if self.of_classes:
            return " and ".join(f"{', '.join(map(str, own))} ({name})" for name, own in self.of_classes.items())
        return ", ".join(map(str, self.bounds))

    @property
    def of_all(self) -> tuple[Bound, ...]:
        """The bounds of all requests together; none where classes have their own."""
        return () if self.of_classes else self.bounds

    def of_class(self, name: str) -> Slo:
        """What the requests of one class must keep."""
        return Slo(bounds=self.of_classes.get(name, self.bounds))


STREAM_KINDS = ("ttft", "itl", "tpot")
_STATISTIC = r"p50|p90|p95|p99\.9|p99|mean|max"
_METRIC = rf"(?:(?:{'|'.join(STREAM_KINDS)})_)?(?:{_STATISTIC})|errors"
_BOUND = re.compile(rf"({_METRIC})\s*(?:<=?|≤)\s*(\d+(?:\.\d+)?)\s*(us|ms|s|%)?")
_TO_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def parse_slo(text: str) -> Slo:
    """`"p99<50ms,errors<1%"` as an Slo. Raises UserError where it does not parse."""
    return Slo(bounds=tuple(_parse_bound(part.strip(), text) for part in text.split(",")))


def _parse_bound(part: str, text: str) -> Bound:
    match = _BOUND.fullmatch(part)
    if match is None:
        raise UserError(
            f"--slo {text!r}: cannot read {part!r}; write for example 'p99<50ms' or "
            "'p99<50ms,errors<1%' (p50, p90, p95, p99, p99.9, mean, max in us, ms or s; errors in %; of streams "
            "'ttft_p99<500ms,itl_p99<50ms', and tpot)"
        )
    metric, number, unit = match.groups()
    if metric == "errors" and unit == "%":
        return Bound(metric=metric, limit=float(number) / 100)
    if metric != "errors" and unit in _TO_MS:
        if not float(number):
            raise UserError(f"--slo {text!r}: no response takes 0 {unit}; give more than zero")
        return Bound(metric=metric, limit=float(number) * _TO_MS[unit])
    raise UserError(f"--slo {text!r}: {metric} needs {'%' if metric == 'errors' else 'us, ms or s'} as its unit")


KEPT = ("accuracy", "memory_mb", "cores")
_KEPT_BOUND = re.compile(r"(\w+)\s*(<=?|>=?|≤|≥)\s*(\d+(?:\.\d+)?)\s*(%?)")


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
    return tuple(_parse_kept(part.strip(), text) for part in text.split(","))


def _parse_kept(part: str, text: str) -> KeptBound:
    match = _KEPT_BOUND.fullmatch(part)
    if match is None or match[1] not in KEPT:
        raise UserError(
            f"--keep {text!r}: cannot read {part!r}; write for example 'accuracy>0.9' or 'accuracy>0.9,memory_mb<2000' "
            f"({', '.join(KEPT)}; a latency limit is given by --slo)"
        )
    metric, sign, number, percent = match.groups()
    if percent and metric != "accuracy":
        raise UserError(f"--keep {text!r}: {metric} takes no %")
    limit = float(number) / (100.0 if percent else 1.0)
    if metric == "accuracy" and limit > 1.0:
        raise UserError(f"--keep {text!r}: accuracy is a share of 1; write {limit / 100:g} or {limit:g}%")
    return KeptBound(metric=metric, above=sign in {">", ">=", "≥"}, limit=limit)
