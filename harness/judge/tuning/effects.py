"""What each knob does around the best setting, by the surrogate of the search, with intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from harness.judge.interval import Interval
from harness.judge.tuning.tuning_result import KnobEffect, ValueEffect
from harness.search.beliefs import Beliefs
from harness.search.space import Dimension, Space, is_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from harness.plan.knobs import Setting, Value
    from harness.plan.plan import TuneSpace
    from harness.search.observation import Observation
    from harness.search.space import Codes, Floats

Z_95 = 1.96
FEWEST = 5  # measured trials, below which nothing is said of any knob
NEGLIGIBLE = 0.03  # an effect surely smaller than this does not matter


def knob_effects(
    space: TuneSpace,
    settings: Sequence[Setting],
    seen: Sequence[Observation],
    best: tuple[int, int],
    *,
    closed: bool,
) -> tuple[KnobEffect, ...]:
    """The effect of every knob around `best`, a place in `settings` and a level; `settings[0]` is the default.

    `seen` are observations whose settings are places in `settings`.
    """
    measured = [each for each in seen if each.log_value is not None]
    if len(measured) < FEWEST:
        return ()
    dimensions = tuple(_dimension(name, values, settings[0][name]) for name, values in space.values.items())
    codes = np.array([_code(dimensions, setting) for setting in settings])
    varied = [_varied(codes[base], index, dimension) for index, dimension in enumerate(dimensions)
              for base in (best[0], 0)]  # fmt: skip
    everything = np.vstack([codes, *varied])
    starts = np.zeros(len(everything), dtype=np.int64)
    beliefs = Beliefs(Space(dimensions, everything, starts), space.levels, closed=closed, limited=False)
    for each in measured:
        beliefs.add(each)
    apart = _told_apart(codes[sorted({each.setting for each in measured})] != codes[best[0]])
    found, first = [], len(codes)
    for index, dimension in enumerate(dimensions):
        numbers = first + np.arange(2 * len(dimension.values))
        first += len(numbers)
        tried = [len({each.setting for each in measured if codes[each.setting, index] == value})
                 for value in range(len(dimension.values))]  # fmt: skip
        joint = beliefs.joint(numbers, np.full(len(numbers), best[1]))
        effect = _effect(dimension, int(codes[best[0], index]), joint, tried)
        found.append(effect if apart[index] else msgspec.structs.replace(effect, matters=None, interacts=False))
    return tuple(found)


def _told_apart(changed: NDArray[np.bool_]) -> list[bool]:
    """For each knob whether its effect can be told from the others': not where it was only changed along with them.

    changed: (settings, knobs). A knob that explains nothing which the other knobs do not explain adds no rank.
    """
    design = np.column_stack([np.ones(len(changed)), changed])
    rank = np.linalg.matrix_rank(design)
    return [bool(np.linalg.matrix_rank(np.delete(design, 1 + knob, axis=1)) < rank) for knob in range(changed.shape[1])]


def _varied(code: Codes, index: int, dimension: Dimension) -> Codes:
    """A setting with each of the values of one knob."""
    found = np.repeat(code[np.newaxis], len(dimension.values), axis=0)
    found[:, index] = np.arange(len(dimension.values))
    return found


def _effect(dimension: Dimension, own: int, joint: tuple[Floats, Floats], tried: Sequence[int]) -> KnobEffect:
    """`joint`: mean and covariance with each value around the best setting, then around the default."""
    values = len(dimension.values)
    mean, covariance = joint
    found = tuple(
        ValueEffect(value=value, ratio=_ratio(mean, covariance, at, own), settings=tried[at], best=at == own)
        for at, value in enumerate(dimension.values)
    )
    other = int(np.argmax(np.abs(mean[:values] - mean[own])))
    return KnobEffect(
        name=dimension.name,
        values=found,
        matters=_matters([each.ratio for each in found if not each.best]),
        interacts=other != own and _differs(mean, covariance, (other, own, values + other, values + own)),
    )


def _ratio(mean: Floats, covariance: Floats, value: int, own: int) -> Interval:
    """The figure with `value` over that with the best setting's own value."""
    centre = float(mean[value] - mean[own])
    variance = float(covariance[value, value] + covariance[own, own] - 2.0 * covariance[value, own])
    reach = Z_95 * math.sqrt(max(variance, 0.0))
    return Interval(math.exp(centre), math.exp(centre - reach), math.exp(centre + reach))


def _matters(ratios: Sequence[Interval]) -> bool | None:
    """True where some value surely makes a difference, False where none can, None where that is not known."""
    if any((each.high or 1.0) < 1.0 - NEGLIGIBLE or (each.low or 1.0) > 1.0 + NEGLIGIBLE for each in ratios):
        return True
    small = all(
        (each.low or 0.0) > 1.0 - 2 * NEGLIGIBLE and (each.high or 2.0) < 1.0 + 2 * NEGLIGIBLE for each in ratios
    )
    return False if small else None


def _differs(mean: Floats, covariance: Floats, at: tuple[int, int, int, int]) -> bool:
    """Whether the difference of the first two surely is another than that of the last two."""
    signs = np.zeros(len(mean))
    signs[list(at)] += (1.0, -1.0, -1.0, 1.0)
    centre, variance = float(signs @ mean), float(signs @ covariance @ signs)
    return abs(centre) > Z_95 * math.sqrt(max(variance, 0.0)) + NEGLIGIBLE


def _dimension(name: str, values: tuple[Value, ...], default: Value) -> Dimension:
    every = tuple(dict.fromkeys((*values, default)))
    ordered = tuple(sorted(every)) if is_number(every) else every
    return Dimension(name, ordered, ordered.index(default), tuple(range(len(ordered))))


def _code(dimensions: Sequence[Dimension], setting: Mapping[str, Value]) -> list[int]:
    return [dimension.values.index(setting[dimension.name]) for dimension in dimensions]
