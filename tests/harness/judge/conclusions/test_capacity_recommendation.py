"""A capacity in words: how well it is known, what lies beyond it, and that of a language model in tokens and users."""

import msgspec
import pytest

from harness.judge.capacity.beyond_capacity import find_cliff, held_again, stream_load
from harness.judge.capacity.border import RateTrial
from harness.judge.capacity.capacities import bracketed, capacity_of
from harness.judge.conclusions.capacity_recommendation import (
    _beyond,
    _open_end,
    _precision,
    _streams,
    _surely_less,
    _tied,
    _without,
    capacities,
    recommend_capacity,
)
from harness.judge.findings import Finding, Verdict
from harness.judge.interval import Interval
from harness.judge.metrics import Counts, StreamMetrics
from harness.judge.run_result import Capacity
from harness.plan.arrivals import Closed, Poisson
from harness.plan.plan import Point
from harness.plan.slo import parse_slo
from tests.examples.example_runs import latency_of, plan_of, point_of


def point_at(rate_rps, stream):
    point = point_of(0, {}, Poisson(rate_rps=rate_rps), users=8)
    return msgspec.structs.replace(point, throughput_rps=Interval(rate_rps), stream=stream)


def test_a_rate_of_streams_is_said_in_tokens_and_users():
    latency = latency_of(10.0, 0.2, 100)
    stream = StreamMetrics(
        ttft=latency, itl=latency, tpot=latency, tokens_per_s=Interval(250.0), tokens_per_s_of_stream=50.0,
        prompt_tokens=100.0, output_tokens=50.0, in_flight=5.0,
    )  # fmt: skip
    said = " ".join(_streams(stream_load(6.0, point_at(5.0, stream))))  # 50 tokens each
    assert said == "That is about 300 output tokens/s; at 5 req/s 5 users were served at a time, 50 tokens/s each."


def test_other_servers_have_no_tokens():
    assert stream_load(6.0, point_at(5.0, None)) is None


def trials(**shares):
    """Trials of 1000 requests; `r100=0.01`: 1 % slow at 100 req/s."""
    return [RateTrial(float(rate[1:]), 1000 * share, 1000, 0.01) for rate, share in shares.items()]


def rated(rate_rps, answered_rps):
    return msgspec.structs.replace(
        point_at(rate_rps, None), throughput_rps=Interval(answered_rps), rate_target_rps=rate_rps
    )


def test_a_cliff_is_the_lowest_rate_beyond_at_which_very_many_break_the_bound():
    own = {"ttft_p99": trials(r90=0.005, r105=0.02, r110=0.6, r120=0.9), "errors": trials(r90=0.0, r110=0.0)}
    found = find_cliff(100.0, own, [rated(110.0, 109.0)])
    assert (found.rate_rps, found.share, found.bound, found.answered_rps) == (110.0, 0.6, "ttft_p99", None)
    assert find_cliff(100.0, {"ttft_p99": trials(r90=0.005, r110=0.1, r120=0.2, r200=0.9)}, []) is None


def test_a_throughput_that_falls_beyond_the_capacity_is_named():
    found = find_cliff(100.0, {"errors": trials(r90=0.0, r110=0.7)}, [rated(110.0, 33.0)])
    capacity = Capacity(
        setting={}, rate_rps=Interval(100.0), kept_rps=None, missed_rps=None, cliff=found, held_again_rps=(20.0, 40.0),
        trials=9,
    )  # fmt: skip
    assert " ".join(_beyond(capacity)).replace("\u202f", " ") == (
        "Beyond it is a cliff: at 110 req/s 70 % of the requests failed, and only 33 req/s were answered. "
        "The server is not monotone: it surely misses the limit at 20 req/s and keeps it at 40 req/s."
    )


def test_rates_that_hold_again_beyond_one_that_does_not_are_found():
    assert held_again([10.0, 40.0], [20.0, 60.0]) == (20.0, 40.0)
    assert held_again([10.0, 20.0], [40.0]) is None
    assert held_again([], [40.0]) is None


@pytest.mark.parametrize(
    ("border", "said"),
    [
        (Interval(31.8), (40.0, 39.0, 41.0)),  # by how much it is off is not known
        (Interval(31.8, 30.0, None), (40.0, 39.0, 41.0)),
        (Interval(31.8, 30.0, 33.0), (40.0, 39.0, 41.0)),  # below a rate that surely holds
        (Interval(40.5, 38.5, 42.5), (40.5, 38.5, 42.5)),
        (Interval(38.9, 37.9, 39.9), (38.9, 37.9, 39.9)),
    ],
)
def test_where_a_curve_says_nothing_the_rates_that_surely_hold_and_do_not_are_the_interval(border, said):
    found = bracketed(border, 39.0, 41.0)
    assert (found.value, found.low, found.high) == pytest.approx(said, abs=0.02)
    assert bracketed(border, None, 41.0) is border
    assert bracketed(border, 39.0, None) is (border if border.value > 35.0 else None)  # below 39/s, which is kept


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (Interval(100.0, 88.0, 110.0), "It is known within 12 %; within 5 % would take about 10 minutes more."),
        (Interval(100.0, 88.0), "Within 5 % it cannot be said yet: that would take at least 10 minutes more."),
    ],
)
def test_how_well_it_is_known_and_what_more_would_take(rate, said):
    assert _precision(rate, 600.0).replace("\u202f", " ") == said


@pytest.mark.parametrize("kind", ["harmed", "lateness"])
def test_noise_that_breaks_a_limit_is_no_rate_that_misses_it(kind):
    """The generator's lateness is not in service times; other work on the cores of the target is."""
    slow = latency_of(80.0, 0.0, 1000)
    late = Finding(kind=kind, title="x", verdict=Verdict.INVALID, text="x", remedy="", lengthens=True)
    points = [
        msgspec.structs.replace(point_at(100.0, None), rate_target_rps=100.0, meets_slo=True),
        msgspec.structs.replace(
            point_at(110.0, None), rate_target_rps=110.0, meets_slo=False, verdict=Verdict.INVALID, findings=(late,),
            service=slow, response=slow,
        ),
    ]  # fmt: skip
    found = capacity_of(points, parse_slo("p99<50ms"), 2.0)
    assert found.kept_rps == 100.0
    assert (found.missed_rps, found.unknown_rps) == ((None, 110.0) if kind == "harmed" else (110.0, None))


def capacity(batch_size, rate, kept=None, missed=None):
    return Capacity(setting={"batch_size": batch_size}, rate_rps=rate, kept_rps=kept, missed_rps=missed, trials=9)


@pytest.mark.parametrize(
    ("other", "less"),
    [
        # Half widths of 5 and 10 %: log 1.05 and log 1.1 make a reach of 0.107 together, and log(100 / 90) is 0.105.
        (Interval(90.0, 81.0, 99.0), False),
        (Interval(89.0, 80.1, 97.9), True),  # log(100 / 89) is 0.117
        (Interval(60.0, 50.0), False),  # it may be any rate above 50
        (Interval(60.0, None, 70.0), True),
        (None, False),
    ],
)
def test_capacities_that_overlap_cannot_be_told_apart(other, less):
    assert _surely_less(capacity(4, other, kept=50.0), capacity(1, Interval(100.0, 95.0, 105.0))) is less


def test_a_best_that_misses_no_rate_is_apart_from_what_ends_below_the_rate_it_kept():
    best = capacity(1, None, kept=80.0)
    assert _surely_less(capacity(4, Interval(60.0, 55.0, 70.0)), best)
    assert not _surely_less(capacity(4, Interval(75.0, 70.0, 81.0)), best)


def test_settings_that_cannot_be_told_apart_are_named():
    tied = [capacity(4, Interval(100.0)), capacity(8, Interval(101.0))]
    assert [*_tied(tied)] == ["batch_size=4 and batch_size=8 cannot be distinguished from it here."]
    assert not [*_tied([])]


def open_ended(**known):
    return Capacity(setting={}, rate_rps=None, kept_rps=90.0, trials=3, **{"missed_rps": None, **known})


def test_what_lies_above_a_rate_that_is_kept_is_said_as_far_as_it_is_known():
    assert _open_end(open_ended()) == "no rate that was tried misses it"
    assert _open_end(open_ended(unknown_rps=120.0)) == "of 120 req/s and more nothing is known"
    assert _open_end(open_ended(missed_rps=110.0, unknown_rps=120.0)) == "it surely does not sustain 110 req/s"


def sized(number, size, load, **changes):
    """A point of one batch size."""
    point = point_of(number, {"batch_size": size}, load, users=8)
    return msgspec.structs.replace(point, **changes)


def test_every_setting_without_a_capacity_is_named_with_the_reason():
    users, rate, grave = Closed(users=32), Poisson(rate_rps=100.0), {"verdict": Verdict.INVALID}
    busy = Finding(kind="generator_cpu", title="The load generator was busy", text="", remedy="", **grave)
    dead = sized(2, 4, users, counts=Counts(), **grave)
    dead = msgspec.structs.replace(
        dead, trials=tuple(msgspec.structs.replace(each, start_failure="out of memory. Bye.") for each in dead.trials)
    )
    points = [
        sized(0, 1, users),
        sized(1, 1, rate, meets_slo=True),
        dead,
        sized(3, 16, users),
        sized(4, 16, rate, meets_slo=False),
        sized(5, 32, users),
        sized(6, 32, rate, meets_slo=None, findings=(busy,), **grave),
        sized(7, 64, users),
        sized(8, 128, users, counts=Counts()),
    ]
    plan = plan_of(points, capacity=True)
    plan = msgspec.structs.replace(
        plan, points=(*plan.points, Point(number=9, setting={"batch_size": 256}, arrivals=users))
    )
    found = capacities(plan, points)
    assert {each.setting["batch_size"]: each.why_none for each in found} == {
        1: "",
        4: "could not be started: out of memory",
        16: "misses the limit at every rate that was tried",
        32: "INVALID at every rate: the load generator was busy",
        64: "no rate was tried yet",
        128: "no response was good",
        256: "not measured",
    }
    assert recommend_capacity(plan, points).sentence.endswith(
        " No capacity is known of batch_size=4 (could not be started: out of memory), batch_size=16 (misses the limit "
        "at every rate that was tried), batch_size=32 (INVALID at every rate: the load generator was busy) and 3 more."
    )
    assert list(_without(found[:1])) == []


def test_where_no_setting_keeps_the_limit_those_that_were_not_measured_are_named_all_the_same():
    users = Closed(users=32)
    points = [sized(0, 1, users), sized(1, 1, Poisson(rate_rps=100.0), meets_slo=False)]
    unmeasured = Point(number=2, setting={"batch_size": 4}, arrivals=users)
    plan = plan_of(points, capacity=True)
    plan = msgspec.structs.replace(plan, points=(*plan.points, unmeasured))
    said = recommend_capacity(plan, points).sentence
    assert said.startswith("No setting meets p99 ≤ 50 ms at any load that was tried")
    assert said.endswith(" No capacity is known of batch_size=4 (not measured).")
