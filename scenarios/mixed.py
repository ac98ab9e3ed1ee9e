"""Sends several kinds of request to one server at the same time. Copy this file and adapt it.

    python -m harness sweep mix=interactive,interactive:80+bulk:15+why:5 --scenario scenarios/mixed.py
    locust -f scenarios/mixed.py --headless -u 32 -r 32 --measure 10s --mix interactive:1+why:1

Each class sets its `verb`, its `model` (by default that of `--model`), the items per request (`rows`), and its
objective (`slo`, by default that of the run). `mix` sets the weights of the classes. The report shows each class
separately, and the effect of the other classes where a point has one class alone.
"""

from typing import ClassVar

from harness.users import InferenceUser, RequestClass


class Mixed(InferenceUser):
    """Sends interactive, bulk and explanation requests to the same server."""

    request_classes: ClassVar = {
        "interactive": RequestClass(slo="p99<20ms"),
        "bulk": RequestClass(rows=16, slo="p99<500ms"),
        "why": RequestClass(verb="explain", slo="p99<1s"),
    }
    mix = "interactive:80+bulk:15+why:5"
