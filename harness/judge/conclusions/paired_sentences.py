"""Words the result of a comparison of two variants."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from harness.judge.conclusions.grid_recommendation import DISTURBED
from harness.judge.conclusions.paired_comparison import SUPPOSED_NOISE, supposed_blocks, supposed_power
from harness.judge.number_text import figure, listed, percent, rounded_duration
from harness.judge.paired_result import FAILED, THROUGHPUT
from harness.judge.phrases import TIMES, level_text, points_text, range_text
from harness.judge.significance import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.paired_result import PairedComparison, PairedFigure
    from harness.plan.plan import Plan, Point

MOST_LISTED = 4


def comparison_sentences(plan: Plan, found: PairedComparison) -> Iterator[str]:
    """The answer with the figures that it rests on, and what the measurement could find."""
    first, second = found.variants
    figures = [(plan.points[level.points[0]], each) for level in found.levels for each in level.figures]
    if found.change is Change.REGRESSION:
        worse = _texts(plan, [(point, each) for point, each in figures if each.change is Change.REGRESSION])
        worse += [
            f"{fault[0].lower()}{fault[1:]}{_where(plan, plan.points[level.points[0]])}"
            for level in found.levels
            for fault in level.faults
        ]
        yield f"{second} is worse than {first}: {_shortened(worse)}."
    elif found.change is Change.INCONCLUSIVE:
        yield _undecided(plan, found, figures)
    else:
        yield from _not_worse(plan, found, figures)
    yield from _spoiled(found)
    if found.finds is not None:
        pairs = max(each.pairs for _, each in figures)
        yield f"These {pairs} pairs of trials find a change of {percent(found.finds)} with 90\u202f% power."


def _undecided(plan: Plan, found: PairedComparison, figures: list[tuple[Point, PairedFigure]]) -> str:
    first, second = found.variants
    whether = f"Whether {second} is worse than {first}"
    if not figures:
        spoiled = any(level.spoiled for level in found.levels)
        why = "too few pairs of trials can be trusted" if spoiled else "no two trials of one block were measured"
        return f"{whether} cannot be said: {why}."
    served = {point.number for point, each in figures if each.name == THROUGHPUT}
    if not served:
        return f"{whether} cannot be said: no two trials of one block had good responses."
    more = f"; about {rounded_duration(found.more_seconds)} more would do" if found.more_seconds else ""
    silent = [level_text(point) for point in plan.points[::2] if point.number not in served]
    because = [
        *_texts(plan, [(point, each) for point, each in figures if each.change is Change.INCONCLUSIVE]),
        *([f"nothing is known at {listed(silent)}"] if silent else []),
    ]
    return f"{whether} by more than {percent(found.margin)} cannot be said yet{more}: {_shortened(because)}."


def _spoiled(found: PairedComparison) -> Iterator[str]:
    """How many pairs were spoiled, by what, and whether they count."""
    counted: Counter[tuple[str, bool]] = Counter()
    for each in (each for level in found.levels for each in level.spoiled):
        counted[each.cause, each.count] += each.pairs
    for (cause, count), pairs in counted.items():
        many = f"{pairs} pair{'' if pairs == 1 else 's'} of trials"
        what = f"Disturbances on the machine spoiled {many}"
        if cause != DISTURBED:
            what = f"{many} cannot be trusted ({cause})"
        fate = "they count all the same, since they come to both variants alike" if count else "they are left out"
        yield f"{what}; {fate}."


def _not_worse(plan: Plan, found: PairedComparison, figures: list[tuple[Point, PairedFigure]]) -> Iterator[str]:
    first, second = found.variants
    better = [(point, each) for point, each in figures if each.change is Change.IMPROVED]
    margin = f"by more than {percent(found.margin)} in any figure"
    if better:
        yield f"{second} is better than {first}: {_listed(plan, better)}. It is not worse {margin}."
        return
    shown = [(point, each) for point, each in figures if each.name == THROUGHPUT]
    yield f"{second} is not worse than {first} {margin}: {_listed(plan, shown)}."


def power_sentence(plan: Plan) -> str:
    """What the measurement will find, said before it begins."""
    margin = plan.pairing.margin if plan.pairing else 0.0
    blocks, finds = supposed_power(plan)
    return (
        f"{blocks} blocks fit into the budget; where trials differ by {percent(SUPPOSED_NOISE)}, they find a change of "
        f"{percent(finds)} with 90\u202f% power, and {_needed(plan)} would find {percent(margin)}"
    )


def _needed(plan: Plan) -> str:
    blocks = supposed_blocks(plan)
    return f"{blocks} block{'' if blocks == 1 else 's'}"


def _listed(plan: Plan, found: list[tuple[Point, PairedFigure]]) -> str:
    return _shortened(_texts(plan, found))


def _texts(plan: Plan, found: list[tuple[Point, PairedFigure]]) -> list[str]:
    return [f"{figure_text(each)}{_where(plan, point)}" for point, each in found]


def _where(plan: Plan, point: Point) -> str:
    return f" at {level_text(point)}" if len(plan.points) > 2 else ""


def _shortened(texts: list[str]) -> str:
    more = len(texts) - MOST_LISTED
    return listed([*texts[:MOST_LISTED], *([f"{more} more"] if more > 0 else [])])


def figure_text(each: PairedFigure) -> str:
    """`throughput 0.78 times (0.74-0.82)`, or `failures +1.2 (+0.8 to +1.6) percentage points`."""
    if each.name == FAILED:
        return f"failures {points_text(each.ratio)}"
    return f"{each.name} {figure(each.ratio.value, 3)}{TIMES}{range_text(each.ratio, 3)}"
