"""Which of the measured settings keep the limit, and which of them may be the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.search.beliefs import Beliefs
    from harness.search.space import Codes, Floats

LIKELY_KEPT = 0.5
DRAWS = 1000
FINALISTS = 4
FINALIST_CHANCE = 0.04


def kept_places(beliefs: Beliefs) -> tuple[Codes, Codes]:
    """The measured settings and levels that keep the limit, or may."""
    last = {(each.setting, each.level): each for each in beliefs.measured()}
    failed = beliefs.failed()
    pairs = sorted(pair for pair, each in last.items() if each.kept is not False and pair[0] not in failed)
    sure = [pair for pair in pairs if last[pair].kept]
    unsure = [pair for pair in pairs if not last[pair].kept]
    if unsure:
        numbers, levels = np.array(unsure).T
        kept = beliefs.guess(numbers, levels).kept
        sure += [pair for pair, chance in zip(unsure, kept, strict=True) if chance >= LIKELY_KEPT]
    found = np.array(sorted(sure), dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def default_at_best(beliefs: Beliefs) -> tuple[int, int] | None:
    """The default at the level where it does best, of those that keep the limit, or of all where none does."""
    seen = [each for each in beliefs.measured() if each.setting == 0]
    kept = [each for each in seen if each.kept is not False]
    best = max(kept or seen, key=lambda each: each.log_value or 0.0, default=None)
    return None if best is None else (0, best.level)


def finalists_of(beliefs: Beliefs, rng: np.random.Generator) -> list[tuple[int, int]]:
    """The settings and levels that get fresh trials.

    First the one that is the likeliest to be the best, then the one that measured the most, so that no figure of the
    search stays higher than the confirmed ones without having been tried again; then others that may be the best, and
    last the default at its best level.
    """
    numbers, levels = kept_places(beliefs)
    default = default_at_best(beliefs)
    if not len(numbers):
        return [] if default is None else [default]
    chance = _chances_of_best(beliefs, numbers, levels, rng)
    order = np.argsort(-chance, kind="stable")
    found: dict[int, tuple[int, int]] = {}
    for at in (order[0], _highest(beliefs, numbers, levels), *order[1:]):  # each setting once, at its first level
        if len(found) < 2 or chance[at] >= FINALIST_CHANCE:
            found.setdefault(int(numbers[at]), (int(numbers[at]), int(levels[at])))
    ahead = [pair for pair in found.values() if pair[0]][:FINALISTS]
    return ahead if default is None else [*ahead, default]


def _chances_of_best(beliefs: Beliefs, numbers: Codes, levels: Codes, rng: np.random.Generator) -> Floats:
    """How likely each of the settings and levels is the best of them that keeps the limit."""
    guess = beliefs.guess(numbers, levels)
    mean, covariance = beliefs.joint(numbers, levels)
    values, vectors = np.linalg.eigh(covariance)
    normal = rng.standard_normal((DRAWS, len(mean)))
    draws = mean + normal @ (vectors * np.sqrt(values.clip(min=0.0))).T
    draws[rng.random(draws.shape) > guess.kept] = -np.inf
    return np.bincount(draws.argmax(axis=1), minlength=len(mean)) / DRAWS


def _highest(beliefs: Beliefs, numbers: Codes, levels: Codes) -> int:
    """The place in `numbers` and `levels` of the one that measured the most."""
    most: dict[tuple[int, int], float] = {}
    for each in beliefs.measured():
        place = each.setting, each.level
        most[place] = max(most.get(place, -np.inf), each.log_value or 0.0)
    return int(np.argmax([most[place] for place in zip(numbers.tolist(), levels.tolist(), strict=True)]))
