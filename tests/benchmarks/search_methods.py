"""Other ways to search a space than `tune`'s, on the same replays: each pays for every trial and every restart.

A method measures a setting at the loads of a ladder, from the load of its best setting so far, and names the best that
it measured.
"""

import itertools
import math
from dataclasses import dataclass, field

import numpy as np
from tune_replay import UNDECIDED

FIRST_USERS = 32
LEAST_GAIN = 0.03
LADDER = 5  # trials of one setting at most


@dataclass
class Prober:
    """Measures settings for a method, and keeps the path: (seconds, settings tried, best setting so far)."""

    replay: object  # `tune_spaces.Replay`
    budget_s: float
    level: int = -1
    known: dict[int, float] = field(default_factory=dict)
    path: list[tuple[float, int, int | None]] = field(default_factory=list)

    def __post_init__(self):
        self.level = min(range(len(self.levels)), key=lambda at: abs(math.log(self.levels[at] / FIRST_USERS)))

    @property
    def levels(self):
        return self.replay.served.levels

    @property
    def over(self):
        return self.replay.seconds >= self.budget_s or len(self.known) == len(self.replay.space)

    @property
    def best(self):
        good = {number: value for number, value in self.known.items() if value > -np.inf}
        return max(good, key=good.get, default=None)

    def value(self, number):
        """The log of the greatest rate that kept the limit; minus infinity where it fails or never does."""
        if number in self.known or self.over:
            return self.known.get(number, -np.inf)
        found: dict[int, float] = {}
        level, best = self.level, -np.inf
        for _ in range(LADDER):
            seen = None if level in found else self.replay.trial(number, level)
            if seen is None:
                break
            rate, tail = seen
            keeps = tail < UNDECIDED * self.replay.served.tail_noise
            found[level] = rate if keeps else -np.inf
            if not keeps:
                level -= 1 if best > -np.inf else 2
            elif rate > best + LEAST_GAIN:
                level += 1
            best = max(best, found[max(found, key=found.get)])
            if not 0 <= level < len(self.levels):
                break
        self.known[number] = best
        if self.best == number:
            self.level = max(found, key=found.get)
        self.path.append((self.replay.seconds, len(self.replay.tried), self.best))
        return best


def random_search(prober, rng):
    prober.value(0)
    for number in rng.permutation(len(prober.replay.space)):
        if prober.over:
            return
        prober.value(int(number))


def one_factor(prober, rng):
    """One factor at a time from the default, again and again; then from a random setting."""
    start = 0
    while not prober.over:
        climb(prober, start, lambda code: of_one_factor(prober.replay.space, code, rng), batch=True)
        start = int(rng.integers(len(prober.replay.space)))


def hill_climbing(prober, rng):
    """To a better neighbour (a number one step on, another category), as long as there is one; then from elsewhere."""
    start = 0
    while not prober.over:
        climb(prober, start, lambda code: [neighbours(prober.replay.space, code, rng)], batch=False)
        start = int(rng.integers(len(prober.replay.space)))


def climb(prober, start, groups, *, batch):
    """Go to the best of a group (`batch`), or to the first that is better, until no group has a better one."""
    current, value = start, prober.value(start)
    moved = True
    while moved and not prober.over:
        moved = False
        for group in groups(current):
            better = []
            for other in group:
                if prober.over:
                    return
                if prober.value(other) > value:
                    better.append(other)
                    if not batch:
                        break
            if better:
                current = max(better, key=prober.value)
                value, moved = prober.value(current), True


def of_one_factor(space, number, rng):
    """For each knob, in random order, the settings that differ in it alone (from the setting the climb is at then)."""
    for index in rng.permutation(len(space.dimensions)):
        differ = space.codes != space.codes[number]
        yield [int(other) for other in np.flatnonzero(differ[:, index] & (differ.sum(axis=1) == 1))]


def neighbours(space, number, rng):
    differ = space.codes != space.codes[number]
    found = []
    for other in np.flatnonzero(differ.sum(axis=1) == 1):
        index = int(np.flatnonzero(differ[other])[0])
        step = abs(int(space.codes[other, index] - space.codes[number, index]))
        if space.dimensions[index].places is None or step == 1:
            found.append(int(other))
    return [found[at] for at in rng.permutation(len(found))]


def optuna_tpe(prober, rng):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = prober.replay.space
    places = {tuple(code): number for number, code in enumerate(space.codes.tolist())}
    sampler = optuna.samplers.TPESampler(seed=int(rng.integers(2**31)), multivariate=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.enqueue_trial({each.name: text(each, each.default) for each in space.dimensions})
    for _ in itertools.repeat(None, 4 * len(space)):
        if prober.over:
            return
        trial = study.ask()
        code = tuple(suggest(trial, dimension) for dimension in space.dimensions)
        value = prober.value(places[code]) if code in places else -np.inf
        state = optuna.trial.TrialState.FAIL if value == -np.inf else None
        study.tell(trial, None if state else value, state=state)


def text(dimension, index):
    return index if dimension.places is not None else str(dimension.values[index])


def suggest(trial, dimension):
    if dimension.places is not None:
        return trial.suggest_int(dimension.name, 0, len(dimension.values) - 1)
    names = [str(value) for value in dimension.values]
    return names.index(trial.suggest_categorical(dimension.name, names))


METHODS = {
    "random": random_search,
    "one factor at a time": one_factor,
    "hill climbing": hill_climbing,
    "Optuna TPE": optuna_tpe,
}
