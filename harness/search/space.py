"""The settings that a search chooses from: every possible combination of the values of some knobs."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import UserError
from harness.plan.knobs import Apply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from harness.plan.knobs import Knob, KnobSet, Setting, Value

    Codes = NDArray[np.int64]
    Floats = NDArray[np.float64]

MOST_SETTINGS = 100_000
POOL = 1500  # settings among which those that lie far apart are looked for


@dataclass(frozen=True, slots=True)
class Dimension:
    """One knob of a space: its values, the default among them, numbers in ascending order.

    live: whether a running target takes a new value. given: indices of the values that settings are made of.
    """

    name: str
    values: tuple[Value, ...]
    default: int
    given: tuple[int, ...]
    live: bool = False

    @property
    def places(self) -> Floats | None:
        """Where each value stands between 0 and 1, on a log scale; None where the values have no order.

        Zero stands half a step of the scale below the smallest value above it.
        """
        return log_places(self.values) if is_number(self.values) else None

    def distances(self) -> Floats:
        """How far the values are apart, (values, values): 0 to 1; 1 for any two values without order (Hamming)."""
        places = self.places
        if places is None:
            return 1.0 - np.eye(len(self.values))
        found: Floats = np.abs(places[:, np.newaxis] - places)
        return found


def is_number(values: Sequence[Value]) -> bool:
    """Whether all values are numbers of 0 or more, so that they have an order and a scale."""
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0 for value in values)


def log_places(values: Sequence[Value]) -> Floats:
    """Places of numbers of 0 or more between 0 and 1, by their logarithms."""
    numbers = np.array([float(value) for value in values])
    above = numbers[numbers > 0.0]
    smallest = float(above.min()) if above.size else 1.0
    logs = np.log(np.where(numbers > 0.0, numbers, smallest / 2.0))
    span = float(logs.max() - logs.min())
    return (logs - logs.min()) / span if span else np.zeros(len(numbers))


@dataclass(frozen=True, slots=True)
class Space:
    """The possible settings of some knobs. Number 0 is the default.

    codes: (settings, dimensions), the index of each setting's value. starts: (settings,), equal where a running target
    can go from one setting to the other without a restart. impossible: how many combinations conflicts leave out.
    """

    dimensions: tuple[Dimension, ...]
    codes: Codes
    starts: Codes
    impossible: int = 0

    def __len__(self) -> int:
        return len(self.codes)

    def setting(self, number: int) -> Setting:
        """The knobs of setting `number`."""
        pairs = zip(self.dimensions, self.codes[number], strict=True)
        return {dimension.name: dimension.values[code] for dimension, code in pairs}

    def number_of(self, setting: Mapping[str, Value]) -> int:
        """The number of a setting. Raises KeyError where it is not in the space."""
        code = [dimension.values.index(setting[dimension.name]) for dimension in self.dimensions]
        found = np.flatnonzero((self.codes == code).all(axis=1))
        if not found.size:
            raise KeyError(str(setting))
        return int(found[0])

    def changed(self, number: int) -> list[str]:
        """The knobs in which setting `number` differs from the default."""
        differ = self.codes[number] != self.codes[0]
        return [dimension.name for dimension, differs in zip(self.dimensions, differ, strict=True) if differs]

    def distance(self, numbers: Codes, other: int) -> Floats:
        """How far each of the settings `numbers` is from `other`: the sum over all knobs."""
        total = np.zeros(len(numbers))
        for index, dimension in enumerate(self.dimensions):
            code = self.codes[:, index]
            total += dimension.distances()[code[numbers], code[other]]
        return total

    def neighbours(self, number: int, most: int = 2) -> Codes:
        """The settings that differ from `number` in at most `most` knobs."""
        return np.flatnonzero((self.codes != self.codes[number]).sum(axis=1) <= most)


def make_space(knobs: KnobSet, values: Mapping[str, tuple[Value, ...]], fixed: Setting) -> Space:
    """The space of `values` by knob, with all other knobs at `fixed` or their own default.

    The default setting, number 0, is likewise made of `fixed` and the knobs' own defaults; where that is not possible,
    it is the first setting that is. A knob that has no effect in a setting (its `needs` are not met) stays at its
    default there, so that no two settings are the same. Raises UserError where nothing is left to choose, or too much.
    """
    combinations = math.prod(len(several) for several in values.values())
    if combinations > MOST_SETTINGS:
        raise UserError(
            f"{', '.join(values)}: {combinations} combinations are more than {MOST_SETTINGS}; give fewer values"
        )
    dimensions = tuple(_dimension(knobs[name], several, fixed) for name, several in values.items())
    default = tuple(dimension.default for dimension in dimensions)
    different = _different(knobs, dimensions, fixed)
    possible = [code for code in different if knobs.conflict_in({**fixed, **_setting(dimensions, code)}) is None]
    if conflict := knobs.conflict_in({**fixed, **_setting(dimensions, default)}):
        if not possible:
            raise UserError(conflict)
        return make_space(knobs, values, {**fixed, **_setting(dimensions, possible[0])})
    codes = np.array([default, *(code for code in possible if code != default)], dtype=np.int64)
    if len(codes) == 1:
        raise UserError(f"{', '.join(values)}: only one setting is possible here; there is nothing to tune")
    return Space(dimensions, codes, _starts(dimensions, codes), len(different) - len(possible))


def _dimension(knob: Knob, given: tuple[Value, ...], fixed: Setting) -> Dimension:
    default = fixed.get(knob.name, knob.default)
    values = tuple(dict.fromkeys((*given, default)))
    if is_number(values):
        values = tuple(sorted(values))
    indices = tuple(values.index(value) for value in dict.fromkeys(given))
    return Dimension(knob.name, values, values.index(default), indices, live=knob.apply is Apply.LIVE)


def _different(knobs: KnobSet, dimensions: Sequence[Dimension], fixed: Setting) -> list[tuple[int, ...]]:
    """Every combination that differs from the others in more than knobs without effect; those are at their default."""
    conditional = [index for index, dimension in enumerate(dimensions) if knobs[dimension.name].needs]
    found: dict[tuple[int, ...], None] = {}
    for combination in itertools.product(*(dimension.given for dimension in dimensions)):
        code = list(combination)
        if conditional:
            setting = {**fixed, **_setting(dimensions, code)}
        for index in conditional:
            if not knobs.has_effect(dimensions[index].name, setting):
                code[index] = dimensions[index].default
        found[tuple(code)] = None
    return list(found)


def _setting(dimensions: Sequence[Dimension], code: Sequence[int]) -> Setting:
    return {dimension.name: dimension.values[at] for dimension, at in zip(dimensions, code, strict=True)}


def _starts(dimensions: Sequence[Dimension], codes: Codes) -> Codes:
    restarting = [index for index, dimension in enumerate(dimensions) if not dimension.live]
    if not restarting:
        return np.zeros(len(codes), dtype=np.int64)
    _, numbers = np.unique(codes[:, restarting], axis=0, return_inverse=True)
    return np.asarray(numbers, dtype=np.int64).reshape(-1)


def far_apart(space: Space, wanted: int, seed: int, most_changes: int) -> list[int]:
    """Settings that have each value of each knob about equally often and lie far apart, those of one start together.

    They differ from the default in at most `most_changes` knobs.
    """
    changes = (space.codes != space.codes[0]).sum(axis=1)
    near = 1 + np.flatnonzero(changes[1:] <= most_changes)
    pool = np.random.default_rng(seed).permutation(near)[:POOL]
    used = [np.zeros(len(dimension.values)) for dimension in space.dimensions]
    nearest, chosen, number = np.full(len(pool), np.inf), [], 0
    for _ in range(min(wanted, len(pool))):
        for index, counts in enumerate(used):
            counts[space.codes[number, index]] += len(counts)
        nearest = np.minimum(nearest, space.distance(pool, number))
        often = np.sum([counts[space.codes[pool, index]] for index, counts in enumerate(used)], axis=0)
        number = int(pool[int(np.argmin(np.where(nearest > 0.0, often - nearest, np.inf)))])
        chosen.append(number)
    return sorted(chosen, key=lambda number: int(space.starts[number]))
