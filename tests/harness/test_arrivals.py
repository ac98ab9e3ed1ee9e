from itertools import islice

import numpy as np
import pytest
from scipy import stats

from harness.arrivals import (
    BLOCK,
    Closed,
    Constant,
    Gamma,
    Poisson,
    Replay,
    Stage,
    Stages,
    mean_rate_rps,
    parse_arrivals,
    parse_seconds,
    parse_stages,
    schedule,
    stripe,
)
from harness.errors import UserError

S = 1_000_000_000


def offsets(arrivals, count, seed=1):
    blocks, total = [], 0
    for block in schedule(arrivals, seed):
        blocks.append(block)
        total += len(block)
        if total >= count:
            break
    return np.concatenate(blocks)[:count]


def test_constant_is_exact_after_millions():
    third = offsets(Constant(rate_rps=3.0), 3_000_001)
    assert third[:4].tolist() == [0, 333_333_333, 666_666_667, 1_000_000_000]
    assert third[3_000_000] == 1_000_000 * S
    assert np.abs(np.diff(third) - S / 3).max() < 1.5


def test_poisson_gaps_are_exponential_and_independent():
    gaps = np.diff(offsets(Poisson(rate_rps=200.0), 40_000)) / S
    assert stats.kstest(gaps, "expon", args=(0, 1 / 200)).pvalue > 0.001
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.02
    assert gaps.sum() == pytest.approx(200, rel=0.03)


@pytest.mark.parametrize("cv", [0.5, 2.0, 4.0])
def test_gamma_gaps_have_the_mean_and_variation_asked_for(cv):
    gaps = np.diff(offsets(Gamma(rate_rps=100.0, cv=cv), 200_000)) / S
    assert gaps.mean() == pytest.approx(0.01, rel=0.05)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.05)


def test_gamma_with_variation_one_is_poisson():
    assert (offsets(Gamma(rate_rps=50.0, cv=1.0), 100) == offsets(Poisson(rate_rps=50.0), 100)).all()


def test_stages_have_the_integrated_rate_in_each_stretch():
    # 0 to 400/s in 10 s: 2000 arrivals, a quarter of them in the first half. 10 s at 400/s: 4000. 5 s of nothing.
    # 400 to 100 in 4 s: 1000.
    stages = parse_stages("10s:0-400,10s:400,5s:0,4s:400-100")
    counts = []
    for seed in range(30):
        at = offsets(Stages(stages=stages), 10**9, seed) / S
        assert (np.diff(at) >= 0).all()
        assert at.max() < 29
        counts.append([np.sum((at >= a) & (at < b)) for a, b in ((0, 5), (5, 10), (10, 20), (20, 25), (25, 29))])
    mean = np.mean(counts, axis=0)
    assert mean[3] == 0
    for got, expected in zip(mean[[0, 1, 2, 4]], (500, 1500, 4000, 1000), strict=True):
        assert got == pytest.approx(expected, abs=4 * (expected / 30) ** 0.5)


def test_time_rescaling_makes_a_ramp_uniform():
    at = offsets(Stages(stages=(Stage(seconds=20, start_rps=50, end_rps=450),)), 10**9, seed=3) / S
    integrated = 50 * at + 10 * at**2  # rate 50 + 20 t
    assert stats.kstest(integrated / 5000, "uniform").pvalue > 0.001


def test_schedules_are_repeatable_and_seeds_differ():
    assert (offsets(Poisson(rate_rps=9.0), 50, seed=5) == offsets(Poisson(rate_rps=9.0), 50, seed=5)).all()
    assert (offsets(Poisson(rate_rps=9.0), 50, seed=5) != offsets(Poisson(rate_rps=9.0), 50, seed=6)).any()


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 300])
def test_stripes_together_are_the_schedule(workers):
    count = 3 * BLOCK
    whole = np.concatenate(list(islice(schedule(Poisson(rate_rps=100.0), 4), 3)))
    stripes = [np.concatenate(list(islice(stripe(schedule(Poisson(rate_rps=100.0), 4), worker, workers), 3)))
               for worker in range(workers)]  # fmt: skip
    assert sum(map(len, stripes)) == count
    assert (np.sort(np.concatenate(stripes)) == whole).all()
    assert (stripes[workers - 1] == whole[workers - 1 :: workers]).all()


def test_replay_reads_the_first_column_scaled_and_from_its_first_instant(tmp_path):
    trace = tmp_path / "trace.csv"
    trace.write_text("seconds,what\n100.0,a\n100.5,b\n\n103.0,c\n")
    assert offsets(Replay(path=str(trace)), 99).tolist() == [0, S // 2, 3 * S]
    assert offsets(Replay(path=str(trace), speed=2.0), 99).tolist() == [0, S // 4, 3 * S // 2]


def test_replay_of_many_lines_crosses_blocks(tmp_path):
    trace = tmp_path / "trace.csv"
    trace.write_text("".join(f"{n / 1000}\n" for n in range(10_000)))
    assert offsets(Replay(path=str(trace)), 99_999).tolist() == [n * 1_000_000 for n in range(10_000)]


@pytest.mark.parametrize(
    ("text", "why"), [("1\n3\n2\n", "back in time"), ("1\nx\n", "must be seconds"), ("1\nnan\n", "finite")]
)
def test_a_bad_trace_names_the_option(tmp_path, text, why):
    trace = tmp_path / "trace.csv"
    trace.write_text(text)
    with pytest.raises(UserError, match=rf"--trace.*{why}"):
        offsets(Replay(path=str(trace)), 99)


def test_a_missing_trace_names_the_option(tmp_path):
    with pytest.raises(UserError, match=r"--trace .*No such file"):
        offsets(Replay(path=str(tmp_path / "no.csv")), 1)


def test_what_a_user_writes():
    assert parse_arrivals("closed", {"think_time": "250ms"}, users=7) == Closed(users=7, think_time_s=0.25)
    assert parse_arrivals("poisson", {"rate": "500"}) == Poisson(rate_rps=500.0)
    assert parse_arrivals("gamma", {"rate": "5", "cv": "2"}) == Gamma(rate_rps=5.0, cv=2.0)
    assert parse_arrivals("replay", {"trace": "x.csv"}) == Replay(path="x.csv", speed=1.0)
    assert parse_arrivals("stages", {"stages": "1m:10"}) == Stages(
        stages=(Stage(seconds=60.0, start_rps=10.0, end_rps=10.0),)
    )


@pytest.mark.parametrize(
    ("kind", "words", "why"),
    [
        ("poison", {}, "--arrivals 'poison'.*poisson"),
        ("poisson", {}, "needs --rate"),
        ("constant", {"rate": "0"}, "--rate 0"),
        ("constant", {"rate": "inf"}, "--rate inf"),
        ("gamma", {"rate": "5", "cv": "-1"}, "--cv -1"),
        ("stages", {"stages": "10s"}, "--stages"),
        ("stages", {"stages": "10s:1.2.3"}, "--stages"),
        ("stages", {"stages": "0s:5"}, "--stages"),
        ("closed", {"think_time": "soon"}, "--think-time soon"),
        ("replay", {}, "needs --trace"),
    ],
)
def test_what_cannot_be_read_names_the_option(kind, words, why):
    with pytest.raises(UserError, match=why):
        parse_arrivals(kind, words)


def test_lengths_of_time():
    texts = {"500ms": 0.5, "2s": 2.0, "1.5m": 90.0, "3": 3.0, "250us": 0.00025, ".5 h": 1800.0}
    for text, seconds in texts.items():
        assert parse_seconds(text, "--x") == pytest.approx(seconds)


def test_the_greatest_rate_is_known():
    assert mean_rate_rps(Stages(stages=parse_stages("1s:5-80,1s:10"))) == 80
    assert mean_rate_rps(Constant(rate_rps=7.0)) == 7
