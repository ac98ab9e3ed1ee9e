from __future__ import annotations

import msgspec
import numpy as np
import pytest
from answers_of import invalid, point_of, quantile_of
from evidence_of import MS, START, evidence_of, rows_of, summarise_point

from harness.judge.checks.case import finding
from harness.judge.checks.service import UNAVAILABLE
from harness.judge.conclusions.grid_recommendation import recommend_from_grid
from harness.judge.findings import Verdict
from harness.judge.interval import Interval
from harness.judge.metrics import Counts, Latency, StreamMetrics
from harness.judge.number_text import figure, milliseconds, percent
from harness.plan.slo import parse_slo

TO, TIMES = "\u2013", "\u00d7"
SLO = parse_slo("p99<50ms")


def sentence(points, slo=None):
    return recommend_from_grid(points, slo).sentence.replace("\u202f", " ")


def test_with_an_objective():
    points = [
        point_of(1000, number=0, setting={"batch_size": 1}, users=8, meets=True),
        point_of(1468, number=1, setting={"batch_size": 1}, users=32, meets=True),
        point_of(2000, number=2, setting={"batch_size": 1}, users=128, meets=False),
        point_of(5000, number=3, setting={"batch_size": 64}, users=32, meets=True),
        point_of(9100, number=4, setting={"batch_size": 64}, users=128, half=400, meets=True),
    ]
    found = recommend_from_grid(points, SLO)
    # 9100 / 1468 = 6.199; the baseline is batch_size=1 at its own best load that keeps the objective.
    assert sentence(points, SLO).startswith(
        f"At p99 ≤ 50 ms batch_size=64 sustains 9 100 req/s (8 700{TO}9 500) at 128 users, 6.2{TIMES} ("
    )
    assert sentence(points, SLO).endswith(") batch_size=1.")
    assert (found.best_point, found.baseline_point, found.tied_points) == (4, 1, ())
    assert found.speedup.value == pytest.approx(6.199, abs=0.001)
    assert found.speedup.low < 6.199 < found.speedup.high


def test_without_an_objective_the_highest_throughput_and_its_price():
    points = [
        point_of(1000, number=0, setting={"batch_size": 1}),
        point_of(3000, number=1, setting={"batch_size": 4}, users=1, tail=quantile_of(31.4, 30, 33)),
    ]
    text = sentence(points)
    assert text.startswith(f"batch_size=4 gives the highest throughput: 3 000 req/s (2 970{TO}3 030) at 1 user")
    assert f"with a p99 of 31 ms, 3{TIMES} (" in text


def streaming(tokens_per_s, **more):
    nothing = Latency(count=0, mean_ms=None, max_ms=None, quantiles=())
    rate = Interval(tokens_per_s, tokens_per_s - 10, tokens_per_s + 10)
    stream = StreamMetrics(
        ttft=nothing, itl=nothing, tpot=nothing, tokens_per_s=rate, prompt_tokens=None, output_tokens=None,
        in_flight=8.0, tokens_per_s_of_stream=tokens_per_s / 8,
    )  # fmt: skip
    return msgspec.structs.replace(point_of(**more), stream=stream)


def test_a_language_model_is_ranked_by_tokens_and_not_by_requests():
    points = [
        streaming(1000, rate=100, number=0, setting={"max_sequences": 4}),
        streaming(700, rate=200, number=1, setting={"max_sequences": 8}),  # shorter answers, so more of them
    ]
    found = recommend_from_grid(points, None)
    assert (found.best_point, "1 000 tokens/s" in sentence(points)) == (0, True)


def test_what_cannot_be_told_apart_is_named_and_the_smaller_recommended():
    points = [
        point_of(1000, number=0, setting={"batch_size": 1}),
        point_of(9000, number=1, setting={"batch_size": 16}),
        point_of(9100, number=2, setting={"batch_size": 64}),
        point_of(9050, number=3, setting={"batch_size": 256}),
    ]
    found = recommend_from_grid(points, None)
    assert (found.best_point, found.tied_points) == (1, (2, 3))
    assert "batch_size=64 and batch_size=256 cannot be distinguished from it here." in found.sentence


def test_repeats_can_tell_what_one_run_cannot():
    points = [
        point_of(1000, number=0, half=10, setting={"batch_size": 16}),
        point_of(1050, number=1, half=10, setting={"batch_size": 64}),
    ]
    assert recommend_from_grid(points, None).best_point == 1
    # A single run is known to 14 %, since nothing shows what the next one would differ by.
    single = [
        point_of(1000, number=0, half=140, setting={"batch_size": 16}),
        point_of(1050, number=1, half=140, setting={"batch_size": 64}),
    ]
    assert recommend_from_grid(single, None).tied_points == (1,)


def test_invalid_points_are_never_the_answer():
    points = [point_of(1000, number=0), point_of(9000, number=1, setting={"batch_size": 4}, findings=(invalid(),))]
    found = recommend_from_grid(points, None)
    assert found.best_point == 0
    assert "1 of 2 points is INVALID and left out." in found.sentence


def test_all_invalid_says_why():
    points = [point_of(1000, number=n, findings=(invalid(),)) for n in range(3)]
    found = recommend_from_grid(points, SLO)
    assert found.best_point is None
    assert found.sentence == (
        "No recommendation: every point is INVALID: The generator was busy 97 % of the time. Use more cores."
    )


def test_the_most_frequent_reason_is_given_in_one_sentence():
    other = msgspec.structs.replace(invalid(), kind="steal", text="Cores were taken away. A tail that explains.")
    points = [point_of(1000, number=n, findings=(each,)) for n, each in enumerate((invalid(), other, other))]
    assert sentence(points, SLO) == (
        "No recommendation: every point is INVALID, 2 of 3 for this reason: Cores were taken away. Use more cores."
    )


def test_nobody_meets_the_objective():
    points = [
        point_of(1000, number=0, meets=False, tail=quantile_of(63.0, 60, 66), users=1),
        point_of(2000, number=1, meets=False, tail=quantile_of(90.0, 88, 95)),
    ]
    assert sentence(points, SLO) == (
        "No setting meets p99 ≤ 50 ms at any load that was tried; the lowest p99 is 63 ms, of batch_size=1 at 1 user."
    )


def test_a_fast_point_that_misses_for_its_failures_says_so():
    counts = Counts(scheduled=100, sent=100, ok=90, rejected=10)
    point = point_of(1000, meets=False, tail=quantile_of(6.0, 5, 7), users=1, setting={}, counts=counts)
    assert "; the lowest p99 is 6 ms, of the target at 1 user (10 % failed)." in sentence([point], SLO)


def test_it_cannot_be_said():
    open_point = msgspec.structs.replace(point_of(1000, meets=None), slo_more_seconds=42.0)
    found = recommend_from_grid([open_point], SLO)
    assert found.sentence.replace("\u202f", " ") == (
        "No recommendation: whether the target keeps p99 ≤ 50 ms cannot be said yet; about 50 seconds more would do."
    )
    assert found.more_seconds == 42.0
    near = recommend_from_grid([point_of(1000, meets=None)], SLO).sentence
    assert near.endswith("cannot be said, and a longer measurement would hardly decide it.")
    points = [point_of(1000, number=0, meets=True), point_of(5000, number=1, setting={"batch_size": 4}, meets=None)]
    found = recommend_from_grid(points, SLO)
    assert found.best_point == 0
    assert "batch_size=4 may do better: whether" in found.sentence


def test_what_takes_least_to_decide_is_named():
    points = [
        msgspec.structs.replace(point_of(1000, number=n, users=users, meets=None), slo_more_seconds=more_s)
        for n, (users, more_s) in enumerate(((8, 300.0), (32, 25.0), (128, None)))
    ]
    text = sentence(points, SLO)
    assert text.endswith("cannot be said yet; about 30 seconds more of batch_size=1 at 32 users would do.")


@pytest.mark.parametrize("meets", [False, None, True])
def test_no_sentence_stands_twice_and_failures_stand_in_one(meets):
    counts = Counts(scheduled=1000, sent=1000, ok=946, rejected=24, error=30)
    away = finding(UNAVAILABLE, Verdict.DEGRADED, "It was away.", "", available=0.9)
    point = point_of(1000, meets=meets, counts=counts, findings=(away,))
    trials = tuple(msgspec.structs.replace(trial, findings=(away,)) for trial in point.trials)
    text = sentence([msgspec.structs.replace(point, trials=trials)], SLO)
    assert text.count("was available") == 1
    assert text.endswith(
        "It was available for 90 % of the time, rejected 2.4 % of the requests and failed 3 % of them."
    )


def test_the_baseline_misses_the_objective():
    points = [
        point_of(1000, number=0, setting={"batch_size": 1}, meets=False),
        point_of(5000, number=1, setting={"batch_size": 4}, meets=True),
    ]
    found = recommend_from_grid(points, SLO)
    assert (found.baseline_point, found.speedup) == (None, None)
    assert found.sentence.endswith(", which batch_size=1 does not meet at any load.")


def test_a_baseline_of_which_too_little_was_measured_does_not_count_as_missing_the_objective():
    points = [
        point_of(900, number=0, setting={"batch_size": 1}, users=1, meets=None),
        point_of(1000, number=1, setting={"batch_size": 1}, meets=None),
        point_of(2000, number=2, setting={"batch_size": 1}, users=128, meets=False),
        point_of(5000, number=3, setting={"batch_size": 4}, meets=True),
    ]
    found = recommend_from_grid(points, SLO)
    # 5000 / 1000: the best load of the baseline that may keep the objective.
    assert found.baseline_point == 1
    assert found.speedup.value == pytest.approx(5, rel=0.001)
    assert found.sentence.endswith(" batch_size=1, for which not enough was measured to say whether it holds.")


def test_nothing_is_said_of_a_baseline_that_cannot_be_believed():
    points = [
        point_of(1000, number=0, setting={"batch_size": 1}, meets=False, findings=(invalid(),)),
        point_of(5000, number=1, setting={"batch_size": 4}, meets=True),
    ]
    assert "does not meet" not in sentence(points, SLO)


def test_the_baseline_itself_is_best():
    points = [point_of(5000, number=0, setting={"batch_size": 1}), point_of(1000, number=1, setting={"batch_size": 4})]
    found = recommend_from_grid(points, None)
    assert (found.best_point, found.speedup) == (0, None)
    assert TIMES not in found.sentence


def test_only_the_load_was_swept():
    points = [point_of(1000, number=n, setting={}, users=users) for n, users in enumerate((1, 8))]
    assert sentence(points).startswith("The target gives the highest throughput: 1 000 req/s")


def test_nothing():
    assert recommend_from_grid([], None).sentence == "No recommendation: nothing was measured."


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (9137.2, 2, "9 100"),
        (9137.2, 3, "9 140"),
        (1_234_567, 2, "1 200 000"),
        (52.4, 2, "52"),
        (147.6, 2, "148"),
        (6.199, 2, "6.2"),
        (3.0, 2, "3"),
        (0.03149, 2, "0.031"),
        (99.96, 3, "100"),
        (0, 2, "0"),
        (-12.3, 2, "-12"),
    ],
)
def test_figures(value, digits, text):
    assert figure(value, digits).replace("\u202f", " ") == text


def test_units():
    assert milliseconds(31.4).replace("\u202f", " ") == "31 ms"
    assert milliseconds(12_300).replace("\u202f", " ") == "12 s"
    assert percent(0.0042).replace("\u202f", " ") == "0.42 %"


def test_the_fastest_is_found_whatever_the_slow_loads_of_a_setting_were():
    # The setting that is fastest at its best load has the slowest point of all, the other one lies between.
    points = [
        point_of(2000.0, number=0, setting={"batch_size": 1}, users=1, meets=True),
        point_of(1000.0, number=1, setting={"batch_size": 64}, users=1, meets=True),
        point_of(30000.0, number=2, setting={"batch_size": 64}, users=128, meets=True),
    ]
    found = recommend_from_grid(points, parse_slo("p99<50ms"))
    assert (found.best_point, found.baseline_point) == (2, 0)
    assert found.speedup.value == pytest.approx(15.0)


def at_rate(rate_rps, *, number, meets):
    """A point of Poisson arrivals."""
    point = point_of(rate_rps, number=number, meets=meets)
    return msgspec.structs.replace(point, arrivals="poisson", concurrency=None, rate_target_rps=rate_rps)


def test_a_limit_that_lower_rates_miss_is_said_with_both_ends():
    points = [at_rate(2800.0, number=0, meets=False), at_rate(3600.0, number=1, meets=True),
              at_rate(3800.0, number=2, meets=False)]  # fmt: skip
    text = recommend_from_grid(points, parse_slo("p99<37ms")).sentence.replace("\u202f", " ")
    assert "The next higher rate that was tried, 3 800 req/s, misses the objective." in text
    assert "A lower rate, 2 800 req/s, misses the objective: there batches may wait to fill." in text


def test_in_an_open_loop_a_point_is_named_by_its_requested_rate():
    missed = [at_rate(100.0, number=0, meets=False), at_rate(200.0, number=1, meets=False)]
    assert sentence(missed, SLO).endswith("the lowest p99 is 30 ms, of batch_size=1 at 100 req/s.")
    unknown = [
        msgspec.structs.replace(at_rate(100.0 * (n + 1), number=n, meets=None), slo_more_seconds=20.0) for n in (0, 1)
    ]
    assert sentence(unknown, SLO).endswith("about 20 seconds more of batch_size=1 at 100 req/s would do.")


def test_more_time_is_said_where_samples_are_too_few_or_the_run_was_interrupted():
    slo = parse_slo("p99<50ms")
    rows = rows_of(START + np.arange(600) * 10 * MS, np.where(np.arange(600) % 60 == 30, 45, 10) * MS)
    data = evidence_of(rows, seconds=6.0)
    point = summarise_point(data.point, [data], slo)
    assert point.meets_slo is None
    assert point.slo_more_seconds > 0
    assert "cannot be said yet; about " in recommend_from_grid([point], slo).sentence
    cut = evidence_of(rows, seconds=6.0, failure="interrupted")
    point = summarise_point(cut.point, [cut], slo)
    assert (
        "cannot be said yet: the run was interrupted; go on with --resume" in recommend_from_grid([point], slo).sentence
    )
