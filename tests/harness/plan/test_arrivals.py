from itertools import islice

import numpy as np
import pytest
from scipy import stats

from harness.errors import UserError
from harness.plan.arrivals import (
    Closed,
    Constant,
    Gamma,
    Poisson,
    Replay,
    Stage,
    Stages,
    Users,
    UserStage,
    arrivals_of,
    stripe,
    user_events,
)
from harness.plan.arrivals.open_loop import BLOCK
from harness.plan.load_options import ARRIVALS, parse_stages, values_of
from harness.plan.option_text import parse_seconds

S = 1_000_000_000


def stages_of(text):
    return parse_stages(text, "--stages")


def parse_arrivals(kind, texts, **more):
    return arrivals_of(kind, {**more, **values_of(ARRIVALS, texts)})


def offsets(arrivals, count, seed=1):
    blocks, total = [], 0
    for block in arrivals.schedule(seed):
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
    stages = stages_of("10s:0-400,10s:400,5s:0,4s:400-100")
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
    whole = np.concatenate(list(islice(Poisson(rate_rps=100.0).schedule(4), 3)))
    stripes = [np.concatenate(list(islice(stripe(Poisson(rate_rps=100.0).schedule(4), worker, workers), 3)))
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
    assert Stages(stages=stages_of("1s:5-80,1s:10")).max_rate_rps == 80
    assert Constant(rate_rps=7.0).max_rate_rps == 7


def users(*stages, think_time_s=0.0):
    levels = tuple(UserStage(seconds=seconds, start_users=start, end_users=end) for seconds, start, end in stages)
    return Users(stages=levels, think_time_s=think_time_s)


def there(events, at_s):
    """Which users are there just after an instant."""
    present = set()
    for offset_ns, user, comes in events:
        if offset_ns <= at_s * S:
            (present.add if comes else present.remove)(user)
    return present


def test_users_come_and_go_along_the_line():
    # Up to 4 within 4 s, 4 for a second, then at once 2, and down to none within 2 s.
    events = user_events(users((4, 0, 4), (1, 4, 4), (2, 2, 0)).stages)
    assert [(offset // S, user) for offset, user, comes in events if comes] == [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert there(events, 0.5) == set()
    assert there(events, 2.5) == {0, 1}
    assert there(events, 4.5) == {0, 1, 2, 3}
    assert there(events, 5.0) == {0}  # the line has just left 2
    assert there(events, 6.5) == set()


def test_a_step_and_a_spike_of_users():
    events = user_events(users((1, 3, 3), (1, 5, 5), (1, 3, 3)).stages)
    assert events[:3] == [(0, 0, True), (0, 1, True), (0, 2, True)]
    assert events[3:] == [(S, 3, True), (S, 4, True), (2 * S, 3, False), (2 * S, 4, False)]


def test_the_line_is_followed_everywhere():
    rng = np.random.default_rng(3)
    stages = [(1.0, float(a), float(b)) for a, b in rng.uniform(0, 30, (8, 2))]
    events = user_events(users(*stages).stages)
    assert [event[0] for event in events] == sorted(event[0] for event in events)
    for number, (_, start, end) in enumerate(stages):
        for share in (0.21, 0.5, 0.83):
            assert there(events, number + share) == set(range(int(start + share * (end - start))))


def test_how_long_arrivals_last_by_themselves(tmp_path):
    trace = tmp_path / "trace.csv"
    trace.write_text("5.0\n6.5\n7.0\n")
    assert users((2, 0, 5), (3, 5, 5)).length_s == 5
    assert Stages(stages=stages_of("10s:0-100,500ms:100")).length_s == 10.5
    assert Replay(path=str(trace), speed=2.0).length_s == pytest.approx(1.0, abs=1e-6)
    assert Poisson(rate_rps=5.0).length_s is Closed(users=1).length_s is None


def test_what_is_expected_of_an_open_loop_by_an_instant():
    at_s = np.array([0.0, 5.0, 10.0, 12.0, 99.0])
    assert Constant(rate_rps=20.0).expected_by(at_s).tolist() == [0, 100, 200, 240, 1980]
    stages = Stages(stages=stages_of("10s:0-100,2s:50,1s:0"))
    assert stages.expected_by(at_s).tolist() == [0, 125, 500, 600, 600]
    assert Replay(path="x.csv").expected_by(at_s) is None


def test_stages_of_users_are_written_like_those_of_a_rate():
    parsed = parse_arrivals("users", {"stages": "10s:0-32,1m:32", "think_time": "5ms"})
    assert parsed == users((10.0, 0.0, 32.0), (60.0, 32.0, 32.0), think_time_s=0.005)
    with pytest.raises(UserError, match="too many"):
        parse_arrivals("users", {"stages": "10s:0-1000000"})
    with pytest.raises(UserError, match="needs --stages"):
        parse_arrivals("users", {})
