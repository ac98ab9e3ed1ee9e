"""A capacity in words: how well it is known, and for a language model in tokens and users too."""

import msgspec
import pytest

from harness.judge.answers.capacity_recommendation import _precision, _streams
from harness.judge.interval import Interval
from harness.judge.metrics import StreamMetrics
from harness.plan.arrivals import Poisson
from tests.examples.example_runs import latency_of, point_of


def point_at(rate_rps, stream):
    point = point_of(0, {}, Poisson(rate_rps=rate_rps), users=8)
    return msgspec.structs.replace(point, throughput_rps=Interval(rate_rps), stream=stream)


def test_a_rate_of_streams_is_said_in_tokens_and_users():
    latency = latency_of(10.0, 0.2, 100)
    stream = StreamMetrics(
        ttft=latency, itl=latency, tpot=latency, tokens_per_s=Interval(250.0), tokens_per_s_of_stream=50.0,
        prompt_tokens=100.0, output_tokens=50.0, in_flight=5.0,
    )  # fmt: skip
    said = " ".join(_streams(6.0, point_at(5.0, stream)))  # 50 tokens each
    assert said == "That is about 300 output tokens/s; at 5 req/s 5 users were served at a time, 50 tokens/s each."


def test_other_servers_have_no_tokens():
    assert not list(_streams(6.0, point_at(5.0, None)))


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (Interval(100.0, 88.0, 110.0), "It is known within 12 %; within 5 % would take about 10 minutes more."),
        (Interval(100.0, 88.0), "Within 5 % it cannot be said yet: that would take at least 10 minutes more."),
    ],
)
def test_how_well_it_is_known_and_what_more_would_take(rate, said):
    assert _precision(rate, 600.0).replace("\u202f", " ") == said
