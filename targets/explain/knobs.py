"""The knobs of explanations. Importing this imports nothing heavy."""

from __future__ import annotations

from harness.plan.knobs import Knob
from targets.explain import GRADIENTS, OCCLUSION, OFF

EXPLAIN_METHOD = Knob(
    name="explain_method",
    doc="Method of :explain. integrated-gradients: gradients on the path from a baseline of zeros; occlusion: the loss "
    "of the predicted class when a part of the input is hidden; off: no explanations.",
    default=OFF,
    swept=(GRADIENTS, OCCLUSION),
    choices=(OFF, GRADIENTS, OCCLUSION),
)
EXPLAIN_STEPS = Knob(
    name="explain_steps",
    doc="Model rows per explanation: points on the path from the baseline, or parts that are hidden in turn.",
    default=16,
    swept=(8, 16, 32, 64),
    unit="rows",
    minimum=1,
    maximum=4096,
)
EXPLAIN_KNOBS = (EXPLAIN_METHOD, EXPLAIN_STEPS)
