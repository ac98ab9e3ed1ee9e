"""Words the result of a comparison of two variants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.conclusions.grid_recommendation import DISTURBED
from harness.judge.conclusions.paired_comparison import SUPPOSED_NOISE, supposed_blocks, supposed_power
from harness.judge.number_text import figure, listed, percent, rounded_duration
from harness.judge.paired_result import FAILED, THROUGHPUT
from harness.judge.phrases import TIMES, level_text, range_text
from harness.judge.significance import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.paired_result import PairedComparison, PairedFigure
    from harness.plan.plan import Plan, Point

MOST_LISTED = 4


def comparison_sentences(plan: Plan, found: PairedComparison) -> Iterator[str]:
    """The answer with the figures that it rests on, and what the measurement could find."""
    first, second = found.variants
    margin = percent(found.margin)
    figures = [(plan.points[level.points[0]], each) for level in found.levels for each in level.figures]
    if not figures:
        yield f"Whether {second} is worse than {first} cannot be said: no two trials of one block were measured."
        return
    if not any(each.name == THROUGHPUT for _, each in figures):
        yield f"Whether {second} is worse than {first} cannot be said: no two trials of one block had good responses."
        return
    decisive = [(point, each) for point, each in figures if each.change is found.change]
    if found.change is Change.REGRESSION:
        yield f"{second} is worse than {first}: {_listed(plan, decisive)}."
    elif found.change is Change.INCONCLUSIVE:
        more = f"; about {rounded_duration(found.more_seconds)} more would do" if found.more_seconds else ""
        yield (
            f"Whether {second} is worse than {first} by more than {margin} cannot be said yet{more}: "
            f"{_listed(plan, decisive)}."
        )
    else:
        yield from _not_worse(plan, found, figures)
    yield from _spoiled(found)
    if found.finds is not None:
        pairs = max(each.pairs for _, each in figures)
        yield f"These {pairs} pairs of trials find a change of {percent(found.finds)} with 90\u202f% power."


def _spoiled(found: PairedComparison) -> Iterator[str]:
    """How many pairs were spoiled, by what, and whether they count."""
    spoiled = [level for level in found.levels if level.spoiled]
    counted = any(level.spoiled_count for level in spoiled)
    for cause in dict.fromkeys(level.cause for level in spoiled):
        pairs = sum(level.spoiled for level in spoiled if level.cause == cause)
        many = f"{pairs} pair{'' if pairs == 1 else 's'} of trials"
        disturbed = cause == DISTURBED
        why = "they come to both variants alike" if disturbed else "too few others are left"
        fate = f"they count all the same, since {why}" if counted else "they are left out"
        what = f"Disturbances on the machine spoiled {many}" if disturbed else f"{many} cannot be trusted ({cause})"
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
    several = len(plan.points) > 2
    shown = [
        f"{figure_text(each)}{f' at {level_text(point)}' if several else ''}" for point, each in found[:MOST_LISTED]
    ]
    more = len(found) - len(shown)
    return listed([*shown, f"{more} more"] if more else shown)


def figure_text(each: PairedFigure) -> str:
    """`throughput 0.78 times (0.74-0.82)`, or `failures 1.2 % more (0.8-1.6 %)`."""
    if each.name == FAILED:
        low, high = (f"{figure(100 * end)}" for end in each.ratio.ends)
        return f"failures {figure(100 * each.ratio.value)} ({low} to {high}) percentage points up"
    return f"{each.name} {figure(each.ratio.value, 3)}{TIMES}{range_text(each.ratio, 3)}"
