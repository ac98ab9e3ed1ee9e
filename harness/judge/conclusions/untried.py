"""The edge of what was tried: where the recommended point has the highest value or load, nothing is known beyond it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import figure
from harness.judge.phrases import users_text
from harness.plan.knobs import format_value
from harness.plan.plan import OF_THE_HARNESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.plan.knobs import Value
    from harness.plan.plan import Plan, Point

LEAST = 1  # hardly any knob takes values below 0 or 1: that none was tried is no news


def untried_sentence(plan: Plan, best_point: int | None) -> str:
    """What lies beyond the recommended point and was not tried; empty where it is at no edge, or there is none."""
    if best_point is None or plan.capacity or plan.pairing:
        return ""
    best = plan.point(best_point)
    parts = [*_values_beyond(plan, best), *_load_beyond(plan, best)]
    several = len(parts) > 1 or bool(parts and parts[0].startswith("more"))
    return f"No {' and no '.join(parts)} {'were' if several else 'was'} tried." if parts else ""


def _values_beyond(plan: Plan, best: Point) -> Iterator[str]:
    for name, value in best.setting.items():
        tried = sorted(
            {each for each in _values_of(plan, name) if isinstance(each, (int, float)) and not isinstance(each, bool)}
        )
        if name in OF_THE_HARNESS or len(tried) < 2:
            continue
        if value == tried[-1]:
            yield f"higher {name} than {format_value(value)}"
        elif value == tried[0] and tried[0] > LEAST:
            yield f"lower {name} than {format_value(value)}"


def _values_of(plan: Plan, name: str) -> tuple[Value, ...]:
    searched = plan.tune.values.get(name, ()) if plan.tune else ()
    return (*searched, *(point.setting[name] for point in plan.points if name in point.setting))


def _load_beyond(plan: Plan, best: Point) -> Iterator[str]:
    levels = {*(plan.tune.levels if plan.tune else ()), *filter(None, map(_level, plan.points))}
    level = _level(best)
    if level is None or len(levels) == 1 or level < max(levels):
        return
    users = getattr(best.arrivals, "users", None)
    yield f"higher rate than {figure(level, 3)} req/s" if users is None else f"more than {users_text(users)}"


def _level(point: Point) -> float | None:
    """Users of a closed loop, or requests a second; None for arrivals with neither."""
    level: float | None = getattr(point.arrivals, "users", None) or getattr(point.arrivals, "rate_rps", None)
    return level
