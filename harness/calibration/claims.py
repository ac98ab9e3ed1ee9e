"""Compares reported figures with the true ones, each within a tolerance."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure's unit for people and its tolerance: |said - true| <= share * true + absolute."""

    title: str
    unit: str
    share: float = 0.0
    absolute: float = 0.0

    def allows(self, true: float, said: float) -> bool:
        """Whether `said` is near enough."""
        return abs(said - true) <= self.share * abs(true) + self.absolute


FIGURES = {
    "rows": Figure("requests", ""),
    "throughput_rps": Figure("throughput", "/s", share=0.02),
    # From the server's last instant to the client's first an answer takes its way: 1 ms is left for that.
    "p50_ms": Figure("p50", "ms", share=0.05, absolute=1.0),
    "p99_ms": Figure("p99", "ms", share=0.05, absolute=1.0),
    "max_ms": Figure("max", "ms", share=0.05, absolute=5.0),
    "failed_share": Figure("failed", "%", absolute=0.02),
    "wrong_share": Figure("wrong", "%", absolute=0.02),
}

Values = dict[str, float | None]  # by name of the figure; None or absent: not reported


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A true figure and what one generator reports. `said` None: it does not report the figure."""

    exercise: str
    generator: str
    figure: str
    true: float
    said: float | None
    right: bool | None  # None where nothing was reported
    published: bool = True  # False: our report withholds it, since the sample cannot carry it

    @property
    def error(self) -> float | None:
        """Said / true - 1; the plain difference for shares and where the truth is 0."""
        if self.said is None:
            return None
        plain = self.figure.endswith("_share") or self.true == 0
        return self.said - self.true if plain else self.said / self.true - 1


def compare(exercise: str, generator: str, names: tuple[str, ...], true: Values, said: Values) -> list[Claim]:
    """One claim for each of `names` that is known to be true."""
    claims = []
    for name in names:
        truth, word = true.get(name), said.get(name)
        if truth is not None:
            right = None if word is None else FIGURES[name].allows(truth, word)
            claims.append(
                Claim(exercise=exercise, generator=generator, figure=name, true=truth, said=word, right=right)
            )
    return claims
