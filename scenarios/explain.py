"""What does an explanation cost, and how does it affect concurrent predictions?

    python -m harness sweep mix --scenario scenarios/explain.py --slo 'p99<50ms'
    python -m harness sweep explain_steps=8,32 mix=explain --scenario scenarios/explain.py
    locust -f scenarios/explain.py --headless -u 32 -r 32 --measure 10s

One request in ten calls `:explain`, which returns how much each input value contributed to the output of the predicted
class. Responses are compared with attributions computed independently. `--mix predict:99+explain:1` changes the
shares; another point with `mix=predict` shows the effect of explanations on the p99 of predictions.
"""

from typing import ClassVar

from harness.users import InferenceUser, RequestClass


class Explain(InferenceUser):
    """Requests predictions and some explanations."""

    request_classes: ClassVar = {
        "predict": RequestClass(),
        "explain": RequestClass(verb="explain", slo="p99<1s"),
    }
    mix = "predict:90+explain:10"
