"""Which texts belong to which kind of plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.training.plan import TrainingPlan
from reports.text.serving_texts import serving_texts
from reports.training.texts import training_texts

if TYPE_CHECKING:
    from harness.plan.plan import Plan
    from reports.text.run_texts import RunTexts


def texts_of(plan: Plan | TrainingPlan) -> RunTexts[Any]:
    """The texts of the points of `plan`."""
    return training_texts(plan) if isinstance(plan, TrainingPlan) else serving_texts(plan)
