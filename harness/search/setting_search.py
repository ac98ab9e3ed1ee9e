"""The search for the best setting: which setting to try next, at which load, and why.

The default comes first, at rising loads until it gives no more or misses the limit. Then settings that lie far apart;
then, again and again, the trial with the greatest expected improvement per second, restarts of the target counted, of
settings that differ from the best so far in few knobs; where that promises little, settings that differ from it in one
knob, and others of which little is known (expected improvement: Mockus, 1978; Jones, Schonlau and Welch, 1998; with a
constraint: Gardner and others, 2014).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.search.beliefs import Beliefs
from harness.search.choice import Choice, Reason
from harness.search.default_load import STRIDE, first_level, more_is_worth, next_level
from harness.search.finalists import default_at_best, finalists_of, kept_places
from harness.search.space import far_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.search.choice import Costs
    from harness.search.observation import Observation
    from harness.search.space import Codes, Floats, Space

SCREEN = 5  # settings that lie far apart
UNLIKELY = 0.4  # probability of being served below which a setting is not screened
WORTH = 0.005  # expected improvement of the log of the objective; below it, what is unlike all so far is tried
HOPE = 6  # the same, while no setting is known to keep the limit
WORTHY_SHARE = 0.3  # of the greatest expected improvement: what promises less is not tried for being cheap
CHANCE = 0.02  # of keeping the limit, while no setting is known to
RIVAL = 0.1  # how far the log of a figure may be below the highest one, so that the setting gets more load at once
REGION = 4  # knobs in which a setting differs from the best so far at most, while that promises enough
AROUND, MOST_FAILURES = 2, 4  # knobs from the best, and failures, within which a value gets a chance to be measured
# Trials in a row that promise less, after which the search ends: a share of the settings, within these bounds.
PATIENCE_SHARE, PATIENCE, MOST_PATIENCE = 0.01, 16, 50
OPTIMISM = 2.5  # deviations
MOST_GUESSED = 1000  # settings whose figures are guessed each time
FRIENDS = 4  # leaders whose neighbours are always among them
LEVELS_AROUND = (-1, 0, 1, 2)  # load levels that are tried, from that of the leader
MOST_TRIES = 2  # of a setting at one level, where the limit stays undecided


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
        self._screen = _screen_of(space, SCREEN if screen is None else screen, seed)
        self._running: int | None = None  # the setting that the target has
        self._tired = 0
        self._best: tuple[int, int | None] | None = None

    def observe(self, observation: Observation) -> None:
        """Take what came of a trial."""
        self.beliefs.add(observation)
        self._running = None if observation.failure is not None else observation.setting

    def next(self, costs: Costs, left_s: float) -> Choice | None:
        """The next trial that can be made in the seconds left; None: the finalists' turn has come."""
        for choose in (self._default, self._climbing, self._screened, lambda: self._promising(costs, left_s)):
            choice = choose()
            if choice is not None and self._cost_s(choice.setting, costs) <= left_s:
                return choice
        return None

    def best(self) -> tuple[int, int] | None:
        """The setting and the level that are ahead, of those measured that keep the limit; None: none is known."""
        count = len(self.beliefs.observations)
        numbers, levels = kept_places(self.beliefs)
        if not len(numbers):
            return None
        if self._best is None or self._best[0] != count:
            mean = self.beliefs.guess(numbers, levels).mean
            self._best = count, int(np.argmax(mean))
        at = self._best[1] or 0
        return int(numbers[at]), int(levels[at])

    def finalists(self) -> list[tuple[int, int]]:
        """The settings and levels that get fresh trials, the likeliest to be the best first, and last the default."""
        return finalists_of(self.beliefs, self._rng())

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

    def _climbing(self) -> Choice | None:
        """More load for the setting that runs, where it may be the best and may give more.

        Under a load that each of them can carry, settings do not differ.
        """
        measured = self.beliefs.measured()
        tried = {each.level: each for each in measured if each.setting == self._running}
        if not tried or not more_is_worth(tried):
            return None
        level, highest = max(tried), max(each.log_value or 0.0 for each in measured)
        if level + STRIDE >= len(self.levels) or (tried[level].log_value or 0.0) < highest - RIVAL:
            return None
        return Choice(tried[level].setting, level + STRIDE, Reason.IMPROVE)

    def _screened(self) -> Choice | None:
        """The next of some settings that lie far apart, at the load that suits the default or at the next higher."""
        default = default_at_best(self.beliefs)
        level = first_level(self.levels, closed=self._closed) if default is None else default[1]
        tried = {each.setting for each in self.beliefs.observations}
        for place, number in enumerate(self._screen):
            if number not in tried and self.beliefs.starts(np.array([number]))[0] >= UNLIKELY:
                return Choice(number, min(level + place % 2, len(self.levels) - 1), Reason.SCREEN)
        return None

    def _promising(self, costs: Costs, left_s: float) -> Choice | None:
        """The next trial by what is believed of all settings; None: none is worth it."""
        if not self.beliefs.measured():
            return self._another_start()
        numbers, levels = self._candidates()
        seconds = costs.trial_s + costs.restart_s * self._restarts(numbers)
        fits = seconds <= left_s
        numbers, levels, seconds = numbers[fits], levels[fits], seconds[fits]
        if not len(numbers):
            return None
        best = self.best()
        if best is None:
            return self._keeping(numbers, levels, seconds)
        choice = self._improving(numbers, levels, seconds, best)
        self._tired = 0 if choice is not None else self._tired + 1
        if choice is not None or self._tired >= np.clip(PATIENCE_SHARE * len(self.space), PATIENCE, MOST_PATIENCE):
            return choice
        for choose in (self._unmeasured, self._nearby, self._possible):
            if (choice := choose(numbers, levels, best)) is not None:
                return choice
        return None

    def _keeping(self, numbers: Codes, levels: Codes, seconds: Floats) -> Choice | None:
        """While no setting is known to keep the limit: the likeliest to, per second; None: hardly any will."""
        guess = self.beliefs.guess(numbers, levels)
        chance = guess.kept * guess.starts
        self._tired = self._tired + 1 if chance.max() < CHANCE else 0
        at = int(np.argmax(chance / seconds))
        if self._tired >= HOPE or chance[at] <= 0.0:
            return None
        return Choice(int(numbers[at]), int(levels[at]), Reason.LIMIT)

    def _improving(self, numbers: Codes, levels: Codes, seconds: Floats, best: tuple[int, int]) -> Choice | None:
        """The trial with the greatest expected improvement per second; None where none is worth it."""
        inside = self._changes(numbers, best[0]) <= REGION
        if inside.any() and not self._tired:
            numbers, levels, seconds = numbers[inside], levels[inside], seconds[inside]
        guess = self.beliefs.guess(numbers, levels)
        highest = float(self.beliefs.guess(*(np.array([part]) for part in best)).mean[0])
        gain = _improvement(guess.mean - highest, guess.deviation) * guess.kept * guess.starts
        at = int(np.argmax(np.where(gain >= WORTHY_SHARE * gain.max(), gain / seconds, 0.0)))
        if gain.max() < WORTH:
            return None
        return Choice(int(numbers[at]), int(levels[at]), Reason.IMPROVE, float(gain[at]))

    def _changes(self, numbers: Codes, other: int) -> Codes:
        """In how many knobs settings differ from another one."""
        return np.asarray((self.space.codes[numbers] != self.space.codes[other]).sum(axis=1), dtype=np.int64)

    def _nearby(self, numbers: Codes, levels: Codes, best: tuple[int, int]) -> Choice | None:
        """Of the settings that were not tried and differ from the best in one knob, the one that could do the most."""
        near = (self._changes(numbers, best[0]) == 1) & (levels == best[1]) & self._untried(numbers)
        return self._could_do_most(numbers[near], best[1], Reason.NEAR)

    def _unmeasured(self, numbers: Codes, levels: Codes, best: tuple[int, int]) -> Choice | None:
        """A setting not far from the best with a value that no measured setting has: a trial is to tell."""
        codes = self.space.codes
        near = (self._changes(numbers, best[0]) <= AROUND) & (levels == best[1]) & self._untried(numbers)
        measured = codes[sorted({each.setting for each in self.beliefs.measured()})]
        failed = codes[sorted(self.beliefs.failed())].reshape(-1, codes.shape[1])
        for index, dimension in enumerate(self.space.dimensions):
            for value in dimension.given:
                having = near & (codes[numbers, index] == value)
                if (
                    having.any()
                    and value not in measured[:, index]
                    and (failed[:, index] == value).sum() < MOST_FAILURES
                ):
                    return self._could_do_most(numbers[having], best[1], Reason.NEAR)
        return None

    def _possible(self, numbers: Codes, levels: Codes, best: tuple[int, int]) -> Choice | None:
        """The setting that could do the most at the level of the best, of those that were not tried."""
        new = (levels == best[1]) & self._untried(numbers)
        return self._could_do_most(numbers[new], best[1], Reason.POSSIBLE)

    def _could_do_most(self, numbers: Codes, level: int, reason: Reason) -> Choice | None:
        """The setting that could do the most at a level, for all that is known; None: there is none."""
        if not len(numbers):
            return None
        guess = self.beliefs.guess(numbers, np.full(len(numbers), level))
        most = guess.mean + OPTIMISM * guess.deviation + np.log(guess.starts.clip(min=1e-3))
        return Choice(int(numbers[int(np.argmax(most))]), level, reason)

    def _untried(self, numbers: Codes) -> NDArray[np.bool_]:
        return ~np.isin(numbers, sorted({each.setting for each in self.beliefs.observations}))

    def _another_start(self) -> Choice | None:
        """Where no response was good so far: of the settings that were not tried, the one that likeliest starts."""
        numbers = self._some_settings()
        numbers = numbers[self._untried(numbers)]
        if not len(numbers):
            return None
        likeliest = int(numbers[int(np.argmax(self.beliefs.starts(numbers)))])
        return Choice(likeliest, first_level(self.levels, closed=self._closed), Reason.SCREEN)

    def _candidates(self) -> tuple[Codes, Codes]:
        """Settings and levels that were not tried yet, or whose limit is undecided.

        Where a load kept the limit, less load is not tried, and where it missed the limit, more is not.
        """
        chosen, best = self._some_settings(), self.best()
        around = [best[1] + step for step in LEVELS_AROUND] if best else range(len(self.levels))
        tried = np.array([level for level in around if 0 <= level < len(self.levels)])
        numbers, levels = np.repeat(chosen, len(tried)), np.tile(tried, len(chosen))
        tries = np.zeros((len(self.space), len(self.levels)))
        for each in self.beliefs.observations:
            decided = each.kept is not None or each.failure is not None
            tries[each.setting, each.level] += MOST_TRIES if decided else 1
            if each.kept is not None:
                tries[each.setting, slice(each.level) if each.kept else slice(each.level, None)] = MOST_TRIES
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


def _screen_of(space: Space, most: int, seed: int) -> list[int]:
    """The settings that are tried after the default, at most `most`; few ones keep half of the default's values.

    A setting that is unlike the default in all knobs teaches more, but is less likely to be served, or to be good.
    """
    knobs = len(space.dimensions)
    return far_apart(space, min(most, SCREEN), seed, knobs if most >= SCREEN else knobs // 2 + 1)


def _improvement(ahead: Floats, deviation: Floats) -> Floats:
    """The expected part of a normal variable above zero."""
    from scipy.special import ndtr

    z = ahead / deviation
    density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    found: Floats = ahead * ndtr(z) + deviation * density
    return found
