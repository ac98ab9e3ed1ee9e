"""Makes a paired plan of two plans, and its blocks of trials.

The trials of a pair follow each other, A before B in one block and B before A in the next, so that a drift of the
machine favours neither (a randomised block design; the order A B B A cancels a drift that is linear). Both have one
seed: they get the same payloads and the same arrivals.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from harness.errors import UserError
from harness.plan.knobs import Apply
from harness.plan.option_text import seconds_text
from harness.plan.paired.pairing import VARIANT, Pairing, Variant
from harness.plan.plan import (
    OF_THE_LOAD,
    TARGET_START_SECONDS,
    Plan,
    Point,
    Trial,
    trial_seconds,
)
from harness.plan.target_spec import EmbeddedTarget, RecipeTarget, find_target

LEAST_BLOCKS = 3  # with fewer pairs nothing can be said


def paired_plan(before: Plan, after: Plan, *, margin: float, budget_s: float) -> Plan:
    """A plan, yet without trials, that compares two plans of one setting each, at the same load levels.

    Raises UserError where a plan sweeps, the loads differ, or the budget does not last for three blocks.
    """
    if before.swept or after.swept:
        raise UserError(f"{', '.join(before.swept or after.swept)}: a variant has one value of each knob")
    loads = [point.arrivals for point in before.points]
    if loads != [point.arrivals for point in after.points]:
        raise UserError("the load levels of the variants differ; compare both under the same load")
    variants = (_variant(before, "A"), _variant(after, "B"))
    pairing = Pairing(variants=variants, margin=margin, budget_s=budget_s, fresh=_needs_start(*variants))
    points = [
        Point(number=2 * level + side, setting={VARIANT: variant.name}, arrivals=load)
        for level, load in enumerate(loads)
        for side, variant in enumerate(variants)
    ]
    shared = {name: value for name, value in before.fixed.items() if name not in pairing.differing}
    plan = msgspec.structs.replace(
        before, name="compare", points=tuple(points), trials=(), fixed=shared, repeats=1, pairing=pairing
    )
    if (least_s := LEAST_BLOCKS * block_seconds(plan)) > budget_s:
        raise UserError(
            f"--budget {seconds_text(budget_s)}: {LEAST_BLOCKS} blocks of both variants take about "
            f"{math.ceil(least_s)} s; give more, or fewer load levels"
        )
    return plan


def block_of_trials(plan: Plan, block: int) -> tuple[Trial, ...]:
    """The trials of the `block`-th block, numbered as those that follow the trials of the plan."""
    rng = np.random.default_rng((plan.seed, block // 2))  # A B and B A: two blocks share what is drawn
    levels = len(plan.points) // 2
    first = rng.integers(2, size=levels)
    order = [
        (int(level), side)
        for level in rng.permutation(levels)
        for side in ((0, 1) if (first[level] + block) % 2 else (1, 0))
    ]
    return tuple(
        Trial(
            number=len(plan.trials) + place,
            point=2 * level + side,
            repeat=block,
            seed=plan.seed * 7919 + block * levels + level,
            block=block,
        )
        for place, (level, side) in enumerate(order)
    )


def block_seconds(plan: Plan) -> float:
    """About how long a block takes."""
    fresh = plan.pairing is not None and plan.pairing.fresh
    start_s = TARGET_START_SECONDS if fresh else 0.0
    return len(plan.points) * (trial_seconds(plan) + start_s)


def _variant(plan: Plan, name: str) -> Variant:
    return Variant(name=name, target=plan.target, model=plan.model, setting=plan.fixed)


def _needs_start(before: Variant, after: Variant) -> bool:
    """Whether one target that the harness starts cannot turn from one variant into the other while it runs."""
    specs = {each.target: find_target(each.target) for each in (before, after)}
    if not any(isinstance(spec, (EmbeddedTarget, RecipeTarget)) for spec in specs.values()):
        return False
    if len(specs) == 2 or before.model != after.model:
        return True
    (spec,) = specs.values()
    changed = [name for name in {**before.setting, **after.setting} if name not in OF_THE_LOAD]
    changed = [name for name in changed if before.setting.get(name) != after.setting.get(name)]
    restarting = {knob.name for knob in spec.knobs if knob.apply is Apply.RESTART}
    return any(name in restarting or name not in {knob.name for knob in spec.knobs} for name in changed)
