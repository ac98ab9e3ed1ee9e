"""Several kinds of request against one server at the same time: copy this file and make it yours.

    python -m harness sweep mix=interactive,interactive:80+bulk:15+why:5 --scenario scenarios/mixed.py
    locust -f scenarios/mixed.py --headless -u 32 -r 32 --measure 10s --mix interactive:1+why:1

Each class says what it asks (`verb`), of which model (`model`; by default that of `--model`), how many items a request
has (`rows`), and the limit it is held to (`slo`; by default the run's). `mix` says how much there is of each, by
weight. The report shows each class by itself, and what the others do to it where a point has it alone.
"""

from typing import ClassVar

from harness.measure.load.locust.inference_user import InferenceUser
from harness.plan.request_mix import RequestClass


class Mixed(InferenceUser):
    """Users who want different things of the same server."""

    request_classes: ClassVar = {
        "interactive": RequestClass(slo="p99<20ms"),
        "bulk": RequestClass(rows=16, slo="p99<500ms"),
        "why": RequestClass(verb="explain", slo="p99<1s"),
    }
    mix = "interactive:80+bulk:15+why:5"
