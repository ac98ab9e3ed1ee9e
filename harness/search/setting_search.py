"""The search for the best setting: which setting to try next, at which load, and why.

The default comes first, at rising loads until it gives no more or misses the limit. Then settings that lie far apart;
then, again and again, the trial with the greatest expected improvement per second, restarts of the target counted
(expected improvement: Mockus, 1978; Jones, Schonlau and Welch, 1998; with a constraint: Gardner and others, 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from harness.search.beliefs import Beliefs
from harness.search.default_load import first_level, next_level
from harness.search.space import far_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.search.beliefs import Guess
    from harness.search.observation import Observation
    from harness.search.space import Codes, Floats, Space

LEAST_SCREEN, MORE_THAN_DIMENSIONS = 6, 2
UNLIKELY = 0.4  # probability of being served below which a setting is not screened
WORTH = 0.005  # expected improvement of the log of the objective; below it, what is unlike all so far is tried
HOPE = 6  # the same, while no setting is known to keep the limit
WORTHY_SHARE = 0.3  # of the greatest expected improvement: what promises less is not tried for being cheap
CHANCE = 0.02  # of keeping the limit, while no setting is known to
PRUNE = 1
LOCAL_EACH, REGION, NEW = 3, 0, 0.5
PATIENCE_SHARE, MOST_PATIENCE = 0.01, 50
PATIENCE = 16  # trials in a row that promise less, after which the search ends
OPTIMISM = 2.5  # deviations
MOST_GUESSED = 1000  # settings whose figures are guessed each time
FRIENDS = 4  # leaders whose neighbours are always among them
LEVELS_AROUND = (-1, 0, 1, 2)  # load levels that are tried, from that of the leader
MOST_TRIES = 2  # of a setting at one level, where the limit stays undecided
DRAWS = 1000
FINALISTS = 4
FINALIST_CHANCE = 0.04
LIKELY_KEPT = 0.5


class Reason(StrEnum):
    """Why a trial is made."""

    DEFAULT = "the default"
    SCREEN = "unlike all so far"
    IMPROVE = "may be the best"
    POSSIBLE = "little is known of it"
    NEAR = "one knob from the best so far"
    LIMIT = "may keep the limit"
    CONFIRM = "fresh, to confirm"


@dataclass(frozen=True, slots=True)
class Choice:
    """The next trial: numbers of a setting and a load level, why, and the improvement that is expected (a share)."""

    setting: int
    level: int
    reason: Reason
    gain: float | None = None


@dataclass(frozen=True, slots=True)
class Costs:
    """What a trial takes, in seconds: where the target goes on running, and what a start of it adds."""

    trial_s: float
    restart_s: float


class SettingSearch:
    """One search. What it chooses follows from the observations: one that was stopped goes on after they are replayed.

    levels: users of a closed loop, or rates, in ascending order. limited: whether there is a latency limit. screen: at
    most how many settings that lie far apart are tried first.
    """

    def __init__(
        self, space: Space, levels: Sequence[float], *, closed: bool = True, limited: bool = True, seed: int = 0,
        screen: int | None = None,
    ) -> None:  # fmt: skip
        self.space = space
        self.levels = tuple(levels)
        self.beliefs = Beliefs(space, levels, closed=closed, limited=limited)
        self._closed = closed
        self._seed = seed
        least = max(LEAST_SCREEN, len(space.dimensions) + MORE_THAN_DIMENSIONS)
        self._screen = far_apart(space, least if screen is None else min(screen, least), seed)
        self._running: int | None = None  # the setting that the target has
        self._tired = 0
        self._best: tuple[int, int | None] | None = None

    def observe(self, observation: Observation) -> None:
        """Take what came of a trial."""
        self.beliefs.add(observation)
        self._running = None if observation.failure is not None else observation.setting

    def next(self, costs: Costs, left_s: float) -> Choice | None:
        """The next trial that can be made in the seconds left; None: the finalists' turn has come."""
        for choose in (self._default, self._screened, lambda: self._promising(costs, left_s)):
            choice = choose()
            if choice is not None and self._cost_s(choice.setting, costs) <= left_s:
                return choice
        return None

    def best(self) -> tuple[int, int] | None:
        """The setting and the level that are ahead, of those measured that keep the limit; None: none is known."""
        count = len(self.beliefs.observations)
        numbers, levels = self._kept()
        if not len(numbers):
            return None
        if self._best is None or self._best[0] != count:
            mean = self.beliefs.guess(numbers, levels).mean
            self._best = count, int(np.argmax(mean))
        at = self._best[1] or 0
        return int(numbers[at]), int(levels[at])

    def finalists(self) -> list[tuple[int, int]]:
        """The settings and levels that may be the best, the likeliest first, and last the default at its best level."""
        numbers, levels = self._kept()
        default = self._default_at_best()
        if not len(numbers):
            return [] if default is None else [default]
        guess = self.beliefs.guess(numbers, levels)
        mean, covariance = self.beliefs.joint(numbers, levels)
        values, vectors = np.linalg.eigh(covariance)
        rng = self._rng()
        normal = rng.standard_normal((DRAWS, len(mean)))
        draws = mean + normal @ (vectors * np.sqrt(values.clip(min=0.0))).T
        draws[rng.random(draws.shape) > guess.kept] = -np.inf
        chance = np.bincount(draws.argmax(axis=1), minlength=len(mean)) / DRAWS
        order = np.argsort(-chance, kind="stable")
        found: dict[int, tuple[int, int]] = {}
        for at in order:  # each setting once, at its likeliest level
            if len(found) < 2 or chance[at] >= FINALIST_CHANCE:
                found.setdefault(int(numbers[at]), (int(numbers[at]), int(levels[at])))
        ahead = [pair for pair in found.values() if pair[0]][:FINALISTS]
        return ahead if default is None else [*ahead, default]

    def _kept(self) -> tuple[Codes, Codes]:
        """The measured settings and levels that keep the limit, or may."""
        last = {(each.setting, each.level): each for each in self.beliefs.measured()}
        failed = self.beliefs.failed()
        pairs = sorted(pair for pair, each in last.items() if each.kept is not False and pair[0] not in failed)
        sure = [pair for pair in pairs if last[pair].kept]
        unsure = [pair for pair in pairs if not last[pair].kept]
        if unsure:
            numbers, levels = np.array(unsure).T
            kept = self.beliefs.guess(numbers, levels).kept
            sure += [pair for pair, chance in zip(unsure, kept, strict=True) if chance >= LIKELY_KEPT]
        found = np.array(sorted(sure), dtype=np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng((self._seed, len(self.beliefs.observations)))

    # The parts of a search, in their order

    def _default(self) -> Choice | None:
        """The default at the next load."""
        if 0 in self.beliefs.failed():
            return None
        tried = {each.level: each for each in self.beliefs.observations if each.setting == 0}
        level = next_level(tried, self.levels, closed=self._closed)
        return None if level is None else Choice(0, level, Reason.DEFAULT)

    def _default_at_best(self) -> tuple[int, int] | None:
        """The default at the level where it does best, of those that keep the limit, or of all where none does."""
        seen = [each for each in self.beliefs.measured() if each.setting == 0]
        kept = [each for each in seen if each.kept is not False]
        best = max(kept or seen, key=lambda each: each.log_value or 0.0, default=None)
        return None if best is None else (0, best.level)

    def _screened(self) -> Choice | None:
        """The next of some settings that lie far apart, at the load that suits the default or at the next higher."""
        default = self._default_at_best()
        level = first_level(self.levels, closed=self._closed) if default is None else default[1]
        tried = {each.setting for each in self.beliefs.observations}
        for place, number in enumerate(self._screen):
            if number not in tried and self.beliefs.starts(np.array([number]))[0] >= UNLIKELY:
                return Choice(number, min(level + place % 2, len(self.levels) - 1), Reason.SCREEN)
        return None

    def _promising(self, costs: Costs, left_s: float) -> Choice | None:
        """The trial with the greatest expected improvement per second; None: none is worth it."""
        if not self.beliefs.measured():
            return self._another_start()
        numbers, levels = self._candidates()
        seconds = costs.trial_s + costs.restart_s * self._restarts(numbers)
        fits = seconds <= left_s
        numbers, levels, seconds = numbers[fits], levels[fits], seconds[fits]
        if not len(numbers):
            return None
        best = self.best()
        if best is not None and self._turn() and (near := self._nearby(numbers, levels, best)) is not None:
            return near
        if best is not None and REGION:
            inside = self._changes(numbers, best[0]) <= REGION
            if inside.any() and not self._tired:
                numbers, levels, seconds = numbers[inside], levels[inside], seconds[inside]
        guess = self.beliefs.guess(numbers, levels)
        if best is None:
            gain, reason = guess.kept * guess.starts, Reason.LIMIT
        else:
            highest = float(self.beliefs.guess(*(np.array([part]) for part in best)).mean[0])
            more = _improvement(guess.mean - highest, guess.deviation)
            gain, reason = more * guess.kept * guess.starts, Reason.IMPROVE
        at = int(np.argmax(np.where(gain >= WORTHY_SHARE * gain.max(), gain / seconds, 0.0)))
        self._tired = self._tired + 1 if gain.max() < (WORTH if best is not None else CHANCE) else 0
        if self._tired >= (self._patience() if best is not None else HOPE) or gain[at] <= 0.0:
            return None
        if self._tired and best is not None:
            return self._nearby(numbers, levels, best) or self._possible(numbers, levels, guess, best[1])
        return Choice(int(numbers[at]), int(levels[at]), reason, float(gain[at]) if best is not None else None)

    def _turn(self) -> bool:
        return LOCAL_EACH > 0 and len(self.beliefs.observations) % LOCAL_EACH == 0

    def _patience(self) -> int:
        return int(np.clip(PATIENCE_SHARE * len(self.space), PATIENCE, MOST_PATIENCE))

    def _changes(self, numbers: Codes, other: int) -> Codes:
        return (self.space.codes[numbers] != self.space.codes[other]).sum(axis=1)

    def _nearby(self, numbers: Codes, levels: Codes, best: tuple[int, int]) -> Choice | None:
        """Of the settings that were not tried and differ from the leader in one knob, the one that may do the most."""
        tried = sorted({each.setting for each in self.beliefs.observations})
        near = (self._changes(numbers, best[0]) == 1) & ~np.isin(numbers, tried) & (levels == best[1])
        if not near.any():
            return None
        numbers = numbers[near]
        guess = self.beliefs.guess(numbers, levels[near])
        codes, known = self.space.codes, [each.setting for each in self.beliefs.measured()]
        new = np.array([
            any(code not in codes[known, index] for index, code in enumerate(codes[number])) for number in numbers
        ])
        most = guess.mean + OPTIMISM * guess.deviation + np.log(guess.starts.clip(min=1e-3)) + NEW * new
        at = int(np.argmax(most))
        return Choice(int(numbers[at]), best[1], Reason.NEAR)

    def _possible(self, numbers: Codes, levels: Codes, guess: Guess, level: int) -> Choice:
        """The setting that could do the most at `level`, for all that is known, of those that were not tried."""
        tried = sorted({each.setting for each in self.beliefs.observations})
        most = guess.mean + OPTIMISM * guess.deviation + np.log(guess.starts.clip(min=1e-3))
        at = int(np.argmax(np.where(np.isin(numbers, tried) | (levels != level), -np.inf, most)))
        return Choice(int(numbers[at]), int(levels[at]), Reason.POSSIBLE)

    def _another_start(self) -> Choice | None:
        """Where nothing could be served so far: the setting that is the likeliest to start."""
        numbers = self._some_settings()
        if not len(numbers):
            return None
        likeliest = int(numbers[int(np.argmax(self.beliefs.starts(numbers)))])
        return Choice(likeliest, first_level(self.levels, closed=self._closed), Reason.SCREEN)

    def _candidates(self) -> tuple[Codes, Codes]:
        """Settings and levels that were not tried yet, or whose limit is undecided."""
        chosen, best = self._some_settings(), self.best()
        around = [best[1] + step for step in LEVELS_AROUND] if best else range(len(self.levels))
        tried = np.array([level for level in around if 0 <= level < len(self.levels)])
        numbers, levels = np.repeat(chosen, len(tried)), np.tile(tried, len(chosen))
        tries = np.zeros((len(self.space), len(self.levels)))
        for each in self.beliefs.observations:
            decided = each.kept is not None or each.failure is not None
            tries[each.setting, each.level] += MOST_TRIES if decided else 1
            if PRUNE and each.kept is True:
                tries[each.setting, : each.level] = MOST_TRIES
            if PRUNE and each.kept is False:
                tries[each.setting, each.level :] = MOST_TRIES
        new = tries[numbers, levels] < MOST_TRIES
        return numbers[new], levels[new]

    def _some_settings(self) -> Codes:
        """All settings that did not fail; of very many a random part, the leaders and their neighbours."""
        failed = self.beliefs.failed()
        numbers = np.arange(len(self.space))
        if len(numbers) > MOST_GUESSED:
            some = self._rng().permutation(len(numbers))[: MOST_GUESSED // 2]
            kept = [each for each in self.beliefs.measured() if each.kept is not False]
            ranked = sorted(kept, key=lambda each: each.log_value or 0.0, reverse=True)
            leaders = list(dict.fromkeys(each.setting for each in ranked))[:FRIENDS]
            near = [self.space.neighbours(leader)[: MOST_GUESSED // 2 // FRIENDS * 2] for leader in leaders]
            numbers = np.unique(np.concatenate([some, *near]))
        return numbers[~np.isin(numbers, sorted(failed))]

    def _restarts(self, numbers: Codes) -> Floats:
        """1.0 where a setting needs a start of the target, else 0.0."""
        if self._running is None:
            return np.ones(len(numbers))
        found: Floats = (self.space.starts[numbers] != self.space.starts[self._running]).astype(np.float64)
        return found

    def _cost_s(self, setting: int, costs: Costs) -> float:
        return costs.trial_s + costs.restart_s * float(self._restarts(np.array([setting]))[0])


def _improvement(ahead: Floats, deviation: Floats) -> Floats:
    """The expected part of a normal variable above zero."""
    from scipy.special import ndtr

    z = ahead / deviation
    density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    found: Floats = ahead * ndtr(z) + deviation * density
    return found
