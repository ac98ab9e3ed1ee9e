"""Open-loop processes: requests are due by a schedule, whether or not earlier ones have a response.

A schedule is pure: ascending offsets in nanoseconds from the start, in blocks (n,) int64, so that its memory does not
grow with its length. It is never re-anchored and skips nothing; lateness is the sender's to measure.

A new process is a subclass of `OpenProcess` with a tag, in this file, and an entry in both unions `Arrivals` in
`__init__.py`; `--arrivals TAG` then exists. A field `rate_rps` is filled by `--rate`; fields of a new name have their
flags in `options`; a field without a default is required. A process whose rate varies sets `steady = False` and gives
`expected_by`. One whose gaps are not exponential gives `gap_cv`, their standard deviation by their mean: a check holds
the requests that were sent to it.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec

from harness.clock import NS_PER_S
from harness.errors import UserError
from harness.plan.option_text import LoadOption, number, parse_path
from harness.trace_file import replayed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    Offsets = NDArray[np.int64]

BLOCK = 4096


class OpenProcess(msgspec.Struct, frozen=True, kw_only=True):
    """An open-loop process: requests are due by a schedule, whether or not earlier ones have a response."""

    steady: ClassVar[bool] = True  # the rate is the same all the time; otherwise nothing is left out as warm-up
    options: ClassVar[tuple[LoadOption, ...]] = ()  # of the fields that no other process has

    @property
    def length_s(self) -> float | None:
        """How long the schedule is; None where it does not end. May raise UserError."""
        return None

    @property
    def max_rate_rps(self) -> float:
        """The highest rate of the schedule; 0 where it is not known beforehand."""
        return 0.0

    @property
    def gap_cv(self) -> float:
        """The coefficient of variation of the gaps between arrivals, where `expected_by` is known."""
        return 1.0

    def schedule(self, seed: int) -> Iterator[Offsets]:
        """The due times. May raise UserError."""
        raise NotImplementedError

    def expected_by(self, offsets_s: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """The mean number of requests that are due by each offset (n,); None where it is not known beforehand."""
        del offsets_s
        return None


class _AtRate(OpenProcess, frozen=True, kw_only=True):
    """A process with one rate."""

    rate_rps: float

    @property
    def max_rate_rps(self) -> float:
        """The rate."""
        return self.rate_rps

    def expected_by(self, offsets_s: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Proportional to time."""
        return self.rate_rps * offsets_s


class Constant(_AtRate, frozen=True, kw_only=True, tag="constant"):
    """One request every 1 / `rate_rps` seconds."""

    @property
    def gap_cv(self) -> float:
        """0: all gaps are equal."""
        return 0.0

    def schedule(self, seed: int) -> Iterator[Offsets]:
        """The due times, which do not depend on the seed."""
        del seed
        return _constant(self.rate_rps)


class Poisson(_AtRate, frozen=True, kw_only=True, tag="poisson"):
    """Independent exponential gaps with mean 1 / `rate_rps`."""

    def schedule(self, seed: int) -> Iterator[Offsets]:
        """The due times."""
        return _renewal(self.rate_rps, 1.0, seed)


class Gamma(_AtRate, frozen=True, kw_only=True, tag="gamma"):
    """Independent gamma gaps with mean 1 / `rate_rps` and coefficient of variation `cv`; cv > 1 is bursty."""

    options = (
        LoadOption(
            "--cv", "cv", number(0, 100, above=True), "--arrivals gamma: coefficient of variation of the gaps", "NUMBER"
        ),
    )
    cv: float = 2.0

    @property
    def gap_cv(self) -> float:
        """`cv`."""
        return self.cv

    def schedule(self, seed: int) -> Iterator[Offsets]:
        """The due times."""
        return _renewal(self.rate_rps, self.cv, seed)


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time over which the rate changes linearly."""

    seconds: float
    start_rps: float
    end_rps: float


class Stages(OpenProcess, frozen=True, kw_only=True, tag="stages"):
    """Steps, ramps and spikes: a Poisson process whose rate is piecewise linear."""

    steady: ClassVar[bool] = False
    stages: tuple[Stage, ...]

    @property
    def length_s(self) -> float | None:
        """The length of all stages."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def max_rate_rps(self) -> float:
        """The highest rate of a stage."""
        return max((max(stage.start_rps, stage.end_rps) for stage in self.stages), default=0.0)

    def schedule(self, seed: int) -> Iterator[Offsets]:
        """The due times, which end with the stages."""
        return _staged(self.stages, seed)

    def expected_by(self, offsets_s: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """The integral of the rate."""
        import numpy as np

        begins, integral, starts, slopes = _integrated(self.stages)
        stage = np.clip(np.searchsorted(begins, offsets_s, side="right") - 1, 0, starts.size - 1)
        into = np.clip(offsets_s, 0.0, begins[-1]) - begins[stage]
        by_then: NDArray[np.float64] = integral[stage] + starts[stage] * into + slopes[stage] * into**2 / 2
        return by_then


class Replay(OpenProcess, frozen=True, kw_only=True, tag="replay"):
    """The instants in a CSV file's first column, counted from the first of them and divided by `speed`."""

    steady: ClassVar[bool] = False
    options = (
        LoadOption(
            "--trace",
            "path",
            parse_path,
            "--arrivals replay: CSV file whose first column is seconds, the milliseconds of an epoch, or dates with "
            "times; or .jsonl with `timestamp` in milliseconds",
            "FILE",
        ),
        LoadOption(
            "--speed", "speed", number(0, 1e6, above=True), "--arrivals replay: divides the trace's times", "NUMBER"
        ),
    )
    path: str
    speed: float = 1.0

    @property
    def length_s(self) -> float | None:
        """The time to the last instant. Raises UserError where the file cannot be read, or has no two instants."""
        last_ns = 0
        for offsets in self.schedule(0):
            last_ns = int(offsets[-1])
        if not last_ns:
            raise UserError(f"--trace {self.path}: it holds no two different instants; write one on each line")
        return (last_ns + 1) / NS_PER_S

    def schedule(self, seed: int) -> Iterator[Offsets]:
        """The due times, which end with the file. Raises UserError where it cannot be read."""
        del seed
        return replayed(Path(self.path), self.speed)


def stripe(blocks: Iterator[Offsets], worker: int, workers: int) -> Iterator[Offsets]:
    """Every `workers`-th arrival from number `worker` on; all stripes together are exactly the schedule."""
    first = worker
    for block in blocks:
        yield block[first::workers]
        first = (first - len(block)) % workers


def _constant(rate_rps: float) -> Iterator[Offsets]:
    import numpy as np

    period_ns = NS_PER_S / Fraction(rate_rps)
    steps_ns = np.rint(np.arange(BLOCK) * float(period_ns)).astype(np.int64)
    number = 0
    while True:
        yield round(number * period_ns) + steps_ns
        number += BLOCK


def _renewal(rate_rps: float, cv: float, seed: int) -> Iterator[Offsets]:
    """Independent gaps, gamma distributed with shape 1 / cv^2; cv = 1 is the exponential distribution."""
    import numpy as np

    rng = np.random.default_rng(seed)
    scale_ns = NS_PER_S / rate_rps
    start_ns = 0
    while True:
        gaps = rng.standard_exponential(BLOCK) if cv == 1.0 else rng.standard_gamma(cv**-2, BLOCK) * cv**2
        offsets = start_ns + np.rint(np.cumsum(gaps * scale_ns)).astype(np.int64)
        yield offsets
        start_ns = int(offsets[-1])


def _staged(stages: tuple[Stage, ...], seed: int) -> Iterator[Offsets]:
    """A Poisson process by inversion: unit-rate arrivals put through the inverse of the integrated rate."""
    import numpy as np

    rng = np.random.default_rng(seed)
    begins, integral, starts, slopes = _integrated(stages)
    passed = 0.0
    while passed < integral[-1]:
        mass = passed + np.cumsum(rng.standard_exponential(BLOCK))
        passed = float(mass[-1])
        mass = mass[mass < integral[-1]]
        stage = np.searchsorted(integral, mass, side="right") - 1
        into, rate, slope = mass - integral[stage], starts[stage], slopes[stage]
        # rate s + slope s^2 / 2 = into, solved in the form that stays exact for slope = 0.
        root = np.sqrt(np.maximum(rate**2 + 2 * slope * into, 0.0))
        offsets_s = begins[stage] + np.divide(2 * into, rate + root, out=np.zeros_like(into), where=rate + root > 0)
        yield np.rint(offsets_s * NS_PER_S).astype(np.int64)


def _integrated(stages: tuple[Stage, ...]) -> tuple[NDArray[np.float64], ...]:
    """Begins (n + 1,) in seconds, requests expected by then (n + 1,), rates (n,) at the begins, slopes (n,)."""
    import numpy as np

    seconds = np.array([stage.seconds for stage in stages])
    starts = np.array([stage.start_rps for stage in stages])
    slopes = (np.array([stage.end_rps for stage in stages]) - starts) / seconds
    begins = np.concatenate([[0.0], np.cumsum(seconds)])
    integral = np.concatenate([[0.0], np.cumsum(starts * seconds + slopes * seconds**2 / 2)])
    return begins, integral, starts, slopes
