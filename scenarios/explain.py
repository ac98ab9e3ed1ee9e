"""What does an explanation cost, and what does it do to the predictions beside it?

    python -m harness sweep mix --scenario scenarios/explain.py --slo 'p99<50ms'
    python -m harness sweep explain_steps=8,32 mix=explain --scenario scenarios/explain.py
    locust -f scenarios/explain.py --headless -u 32 -r 32 --measure 10s

One request in ten asks `:explain`: how much each input value added to the output of the predicted class. Answers are
compared with attributions worked out another way. `--mix predict:99+explain:1` changes the shares; a point with
`mix=predict` beside it shows what explanations do to the predictions' p99.
"""

from typing import ClassVar

from harness.measure.load.locust.inference_user import InferenceUser
from harness.plan.request_mix import RequestClass


class Explain(InferenceUser):
    """Asks for predictions, and now and then why."""

    request_classes: ClassVar = {
        "predict": RequestClass(),
        "explain": RequestClass(verb="explain", slo="p99<1s"),
    }
    mix = "predict:90+explain:10"
