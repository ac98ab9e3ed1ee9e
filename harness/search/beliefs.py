"""What the observations so far say of every setting at every load level: the figure, the limit, whether it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.search.feasibility import Feasibility
from harness.search.space import log_places
from harness.search.surrogate import Surrogate, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.search.observation import Observation
    from harness.search.space import Codes, Floats, Space

BOLD_TAIL = 0.7  # log of percentile / limit that is taken where it is only known that the limit was kept or missed,
VAGUE = 0.5  # and its deviation
TAIL_ERROR = 0.1  # deviation of a measured percentile's log
LEARN_EACH = 24  # up to so many observations hyperparameters are learnt each time, then after a tenth more
LEARN_AFTER = 1.1


@dataclass(frozen=True, slots=True)
class Guess:
    """What is believed of some settings, each at one load level: arrays of one length.

    mean, deviation: of the log of the objective. kept: the probability that the limit is kept. starts: the probability
    that the setting can be served.
    """

    mean: Floats
    deviation: Floats
    kept: Floats
    starts: Floats


class Beliefs:
    """The models behind a search. `levels`: users of a closed loop, or rates; `closed` says which of the two.

    In a closed loop the mean response time is users / throughput (Little's law), so it is the ratio of the percentile
    to that mean which is modelled: it varies far less than the percentile does.
    """

    def __init__(self, space: Space, levels: Sequence[float], *, closed: bool, limited: bool) -> None:
        self._space = space
        self._log_levels = np.log(np.asarray(levels, dtype=np.float64))
        places = log_places(levels)
        self._tables = [*(dimension.distances() for dimension in space.dimensions), np.abs(places[:, None] - places)]
        self._closed = closed
        self._limited = limited
        self._feasibility = Feasibility(space)
        self._observations: list[Observation] = []
        self._learnt = 0  # from how many observations hyperparameters were learnt last
        self._theta: dict[str, Floats] = {}
        self._fitted: tuple[int, Surrogate, Surrogate | None] | None = None

    def add(self, observation: Observation) -> None:
        """Take what came of a trial."""
        self._observations.append(observation)

    @property
    def observations(self) -> Sequence[Observation]:
        """All of them, in their order."""
        return self._observations

    def measured(self) -> list[Observation]:
        """Those that have a value."""
        return [each for each in self._observations if each.log_value is not None]

    def failed(self) -> set[int]:
        """The settings that cannot be served."""
        return {each.setting for each in self._observations if each.failure is not None}

    def starts(self, numbers: Codes) -> Floats:
        """The probability that each setting can be served."""
        failed = self.failed()
        served = {each.setting for each in self.measured()} - failed
        return self._feasibility.chance(served, failed, numbers)

    def guess(self, numbers: Codes, levels: Codes) -> Guess:
        """What is believed of settings `numbers` at `levels`, of the same length. At least one trial has a value."""
        value, tail = self._models()
        codes = self._codes(numbers, levels)
        mean, deviation = value.predict(codes)
        unique, back = np.unique(numbers, return_inverse=True)
        kept = np.ones(len(numbers))
        if tail is not None:
            kept = self._kept(tail.predict(codes), mean, deviation, levels)
        return Guess(mean, deviation, kept, self.starts(unique)[back.reshape(-1)])

    def joint(self, numbers: Codes, levels: Codes) -> tuple[Floats, Floats]:
        """Mean and covariance of the log of the objective."""
        return self._models()[0].joint(self._codes(numbers, levels))

    @property
    def noise(self) -> float:
        """Deviation of the log of the objective from trial to trial."""
        return self._models()[0].noise

    def _kept(self, tail: tuple[Floats, Floats], mean: Floats, deviation: Floats, levels: Codes) -> Floats:
        from scipy.special import ndtr

        centre, spread = tail
        if self._closed:
            centre = centre + self._log_levels[levels] - mean
            spread = np.hypot(spread, deviation)
        found: Floats = ndtr(-centre / spread)
        return found

    def _codes(self, numbers: Codes, levels: Codes) -> Codes:
        return np.column_stack([self._space.codes[numbers], levels])

    def _models(self) -> tuple[Surrogate, Surrogate | None]:
        count = len(self._observations)
        if self._fitted is None or self._fitted[0] != count:
            seen = self.measured()
            learn = len(seen) <= LEARN_EACH or len(seen) >= LEARN_AFTER * self._learnt
            self._learnt = len(seen) if learn else self._learnt
            value = self._fit("value", seen, self._values(seen), learn=learn)
            limited = [each for each in seen if self._tail(each) is not None]
            tail = self._fit("tail", limited, self._tails(limited), learn=learn) if limited else None
            self._fitted = count, value, tail
        return self._fitted[1:]

    def _fit(self, name: str, seen: list[Observation], found: tuple[Floats, Floats], *, learn: bool) -> Surrogate:
        numbers, levels = (np.array([getattr(each, part) for each in seen]) for part in ("setting", "level"))
        model = fit(self._tables, self._codes(numbers, levels), *found, self._theta.get(name), learn=learn)
        self._theta[name] = model.theta
        return model

    @staticmethod
    def _values(seen: list[Observation]) -> tuple[Floats, Floats]:
        return np.array([each.log_value for each in seen]), np.array([each.standard_error**2 for each in seen])

    def _tails(self, seen: list[Observation]) -> tuple[Floats, Floats]:
        tails = np.array([self._tail(each) for each in seen])
        if self._closed:
            tails = tails - np.array([self._log_levels[each.level] - (each.log_value or 0.0) for each in seen])
        return tails, np.array([(VAGUE if each.log_tail is None else TAIL_ERROR) ** 2 for each in seen])

    def _tail(self, each: Observation) -> float | None:
        """The log of percentile / limit, as far as it is known."""
        if not self._limited or each.log_tail is not None:
            return each.log_tail if self._limited else None
        return None if each.kept is None else -BOLD_TAIL if each.kept else BOLD_TAIL
