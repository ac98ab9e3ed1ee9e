"""Results of runs that never were, with plausible figures: what reports are drawn and tested from.

`python tests/examples/example_runs.py FOLDER` writes the reports of each into FOLDER/<name>/.
"""

from __future__ import annotations

import itertools
import math
import random
import sys
from pathlib import Path

from harness.judge.findings import Finding, Verdict
from harness.judge.interval import Interval
from harness.judge.metrics import Counts, Latency, PointMetrics, Quantile, Timeline, TimeSplit, TrialMetrics, Usage
from harness.judge.response_spread import ResponseSpread, SpreadOverTime
from harness.judge.run_result import Recommendation, RunResult
from harness.judge.run_summary import run_verdict
from harness.plan.arrivals import Closed, Poisson
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, order_trials
from harness.plan.slo import parse_slo
from harness.record.model_card import ModelCard
from reports import ReportInput, write_reports

PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
SECONDS = 2.0
MODEL = ModelCard(
    name="digits-mlp",
    parameters=6570,
    data="scikit-learn digits: 8 x 8 grey images of handwritten digits, 10 classes",
    train_count=1437,
    test_count=360,
    test_loss=0.1093,
    test_accuracy=0.9722,
    trained_seconds=6.4,
    layers=("Dense 64 relu", "Dropout 0.5", "Dense 32 relu", "Dropout 0.5", "Dense 10 softmax"),
    engine="concrete-function",
    hash="9f2c51d0a7be",
)
ENVIRONMENT = {
    "CPU": {"Model": "Intel(R) Xeon(R) Platinum 8370C", "Logical cores": "2", "SMT": "yes", "Governor": "unknown"},
    "System": {"Kernel": "6.6.87", "Distribution": "Debian GNU/Linux 12", "Memory": "7.7 GiB"},
    "Software": {"Python": "CPython 3.11.2", "tensorflow": "2.21.0", "keras": "3.15.0", "locust": "2.47.0"},
    "Run": {"Revision": "3f1b2c4d", "Uncommitted changes": "no", "Load average at the start": "0.31 0.44 0.40"},
}
TOO_FEW = Finding(
    kind="too_few_samples",
    title="Too few samples for some percentiles",
    verdict=Verdict.DEGRADED,
    text="p99.9 cannot be given: 4 100 requests that depend on each other are worth only 820 independent ones.",
    remedy="Some 9 800 more requests would do: measure for 9.6 s (--seconds) or repeat.",
)
BUSY = Finding(
    kind="generator_cpu",
    title="The load generator was busy",
    lengthens=True,
    verdict=Verdict.INVALID,
    text="The load generator was busy 94 % of the time: part of what was measured may be its own limit.",
    remedy="Give the generator more cores (--load-processes 2) or a machine of its own, or lower the load.",
)
SATURATED = Finding(
    kind="saturated",
    title="The target was saturated",
    verdict=Verdict.INVALID,
    text="The target did not keep up: 71 % of what came was answered within the window.",
    remedy="There is no steady latency at this rate: lower --rate below the throughput seen here.",
)
UNCHECKED = Finding(
    kind="unchecked",
    title="Not all responses were checked",
    verdict=Verdict.VALID,
    text="Only 10 % of the responses were compared in full.",
)


def latency_of(median_ms, spread, count, *, carried=0.999):
    """A log-normal shape; of percentiles above `carried` only a lower bound is known."""
    z = {0.5: 0.0, 0.9: 1.2816, 0.95: 1.6449, 0.99: 2.3263, 0.999: 3.0902}
    quantiles = []
    for p in PERCENTILES:
        value = median_ms * math.exp(spread * z[p])
        half = value * 0.6 * math.sqrt(p * (1 - p) / max(count, 1) * 40) * (1 + z[p])
        if p > carried:
            low_ms = max(0.9 * value, quantiles[-1].value_ms)
            quantiles.append(Quantile(p=p, value_ms=value, low_ms=low_ms, effective_samples=count / 5, needed=9800))
        else:
            quantiles.append(
                Quantile(p=p, value_ms=value, low_ms=value - half, high_ms=value + half, effective_samples=count / 5)
            )
    mean_ms = median_ms * math.exp(spread**2 / 2)
    return Latency(count=count, mean_ms=mean_ms, max_ms=median_ms * math.exp(4 * spread), quantiles=tuple(quantiles))


def timeline_of(rate, median_ms, cpu, rng):
    """Half a second of warm-up and the window, in tenths of a second."""
    t_s = tuple(round(-0.45 + 0.1 * i, 2) for i in range(26))
    wave = [1 + 0.05 * rng.gauss(0, 1) - 0.5 * math.exp(-i / 2) for i in range(26)]
    return Timeline(
        bin_s=0.1,
        t_s=t_s,
        throughput_rps=tuple(rate * w for w in wave),
        p50_ms=tuple(median_ms / w for w in wave),
        p99_ms=tuple(None if i in (7, 8) else 2 * median_ms / w for i, w in enumerate(wave)),
        cpu_target_cores=(None, *(min(1.0, cpu * w) for w in wave[1:])),
        cpu_load_cores=(None, *(min(1.0, 0.4 * cpu * w) for w in wave[1:])),
        errors_rps=(0.0,) * 26,
    )


def spread_of(median_ms, spread, count, repeats):
    """Twenty bars of a log-normal shape, and the same in each of twenty time bins with a wave."""
    edges_ms = tuple(median_ms * math.exp(spread * (place - 10) / 3) for place in range(21))
    shape = [math.exp(-(((place - 9.5) / 3) ** 2) / 2) / 7.5 for place in range(20)]
    over_time = tuple(
        SpreadOverTime(
            repeat=repeat,
            bin_s=0.1,
            start_s=0.0,
            counts=tuple(
                tuple(int(count * part / 20 / repeats * (1 + 0.5 * math.sin(time))) for part in shape)
                for time in range(20)
            ),
        )
        for repeat in range(repeats)
    )
    return ResponseSpread(edges_ms=edges_ms, counts=tuple(round(count * part) for part in shape), over_time=over_time)


def served(batch, users):
    """Requests/s and ms per request of a batching server with one core; (throughput, median)."""
    batched = min(batch, max(1.0, 0.7 * users))
    cap = 1000 / ((0.28 + 0.004 * batched) / batched + 0.042)
    alone_ms = 0.45 + 0.004 * batched
    rate = 1 / (1 / cap + alone_ms / 1000 / users)
    return rate, users / rate * 1000, batched


def trial_of(number, repeat, rate, median_ms, batched, *, findings=(), verdict=Verdict.VALID, seconds=SECONDS):
    rng = random.Random(1000 * number + repeat)
    rate *= 1 + 0.015 * rng.gauss(0, 1)
    count = int(rate * seconds)
    response = latency_of(median_ms, 0.28, count, carried=0.99 if count > 4000 else 0.95)
    cpu = min(0.99, 0.25 + rate / 26_000)
    compute_ms = 0.28 + 0.004 * batched
    mean = response.mean_ms
    wait = max(0.0, mean - compute_ms - 0.21)
    return TrialMetrics(
        trial=number,
        repeat=repeat,
        seconds=seconds,
        counts=Counts(scheduled=count, sent=count, ok=count, checked=count),
        throughput_rps=Interval(value=rate, low=0.97 * rate, high=1.03 * rate),
        response=response,
        service=latency_of(median_ms * 0.97, 0.27, count, carried=0.99 if count > 4000 else 0.95),
        lateness=latency_of(0.03, 0.5, count, carried=0.95),
        split=TimeSplit(
            send_ms=0.03,
            queue_ms=0.8 * wait,
            batch_wait_ms=0.2 * wait,
            preprocess_ms=0.04,
            compute_ms=compute_ms,
            serialise_ms=0.02,
            rest_ms=mean - wait - compute_ms - 0.09,
        ),
        usage=Usage(
            cpu_target_cores=cpu,
            cpu_load_cores=0.3 + rate / 60_000,
            cpu_machine_percent=(100 * cpu, 34 + rate / 700),
            rss_target_mb=612.0,
            rss_load_mb=141.0,
            threads_target=9.0,
            context_switches_per_s=rate / 3,
            steal_percent=0.1,
            sampler_cpu_percent=0.8,
            sampler_late_p99_ms=0.4,
        ),
        timeline=timeline_of(rate, median_ms, cpu, rng),
        mean_batch=batched,
        in_flight_mean=rate * mean / 1000,
        verdict=verdict,
        findings=findings,
    )


def point_of(number, setting, arrivals, repeats=2, *, findings=(), slo_ms=None, users=None):
    """A point of the batching server above; findings decide its verdict."""
    users = users or arrivals.users
    rate, median_ms, batched = served(float(setting.get("batch_size", 16)), users)
    severity = {Verdict.VALID: 0, Verdict.DEGRADED: 1, Verdict.INVALID: 2}
    verdict = max((finding.verdict for finding in findings), key=severity.get, default=Verdict.VALID)
    trials = tuple(trial_of(number * repeats + r, r, rate, median_ms, batched, verdict=verdict) for r in range(repeats))
    value = sum(trial.throughput_rps.value for trial in trials) / repeats
    count = sum(trial.counts.ok for trial in trials)
    response = latency_of(median_ms, 0.28, count, carried=0.99 if count > 4000 else 0.95)
    p99 = response.at(0.99)
    meets = None if slo_ms is None or p99.value_ms is None else p99.value_ms <= slo_ms
    closed = isinstance(arrivals, Closed)
    return PointMetrics(
        point=number,
        setting=setting,
        arrivals=type(arrivals).__name__.lower(),
        concurrency=arrivals.users if closed else None,
        rate_target_rps=None if closed else arrivals.rate_rps,
        repeats=repeats,
        seconds=SECONDS * repeats,
        counts=Counts(scheduled=count, sent=count, ok=count, checked=count),
        throughput_rps=Interval(value=value, low=0.97 * value, high=1.03 * value),
        goodput_rps=Interval(value=0.99 * value, low=0.95 * value, high=value) if slo_ms else None,
        response=response,
        service=latency_of(median_ms * 0.97, 0.27, count, carried=0.99 if count > 4000 else 0.95),
        lateness=latency_of(0.03, 0.5, count, carried=0.95),
        split=trials[0].split,
        usage=trials[0].usage,
        mean_batch=batched,
        meets_slo=meets,
        verdict=verdict,
        findings=findings,
        trials=trials,
        spread=spread_of(median_ms, 0.28, count, repeats),
    )


def plan_of(points, repeats=2, **changes):
    fields = {
        "name": "sweep-batch_size",
        "target": "batched",
        "scenario": "scenarios/predict.py",
        "model": "digits-mlp",
        "points": tuple(Point(number=p.point, setting=p.setting, arrivals=_arrivals(p)) for p in points),
        "trials": order_trials([0] * len(points), repeats, 0),
        "fixed": {"batch_wait_ms": 1.0},
        "load": LoadSettings(warmup_s=0.5, measure_s=SECONDS),
        "repeats": repeats,
        "slo": parse_slo("p99<50ms"),
        "seed": 0,
    }
    return Plan(**{**fields, **changes})


def _arrivals(point):
    if point.concurrency is not None:
        return Closed(users=point.concurrency)
    return Poisson(rate_rps=point.rate_target_rps or 1.0)


def sweep(settings=None, loads=(1, 8, 32, 128), **plan_changes):
    """The default sweep, mostly VALID."""
    settings = settings or [{"batch_size": size} for size in (1, 4, 16, 64)]
    grid = itertools.product(settings, loads)
    points = []
    for number, (setting, users) in enumerate(grid):
        findings = (TOO_FEW,) if users == 1 else ()
        if users == 128 and setting.get("batch_size") == 64:
            findings = (UNCHECKED,)
        points.append(point_of(number, setting, Closed(users=users), findings=findings, slo_ms=50.0))
    best = max((p for p in points if p.meets_slo is not False), key=lambda p: p.throughput_rps.value)
    answer = Recommendation(
        sentence="At p99 \u2264 50 ms batch_size=64 sustains 19\u202f700 req/s (19\u202f100\u201320\u202f300) "
        "at 128 users, 6.2\u00d7 (6.0\u20136.5) batch_size=1.",
        best_point=best.point,
        baseline_point=len(loads) - 1,
        speedup=Interval(value=6.2, low=6.0, high=6.5),
    )
    verdict = run_verdict(answer, points)
    result = RunResult(points=tuple(points), recommendation=answer, verdict=verdict, model=MODEL)
    return ReportInput(
        plan=plan_of(points, **plan_changes),
        result=result,
        environment=ENVIRONMENT,
        command_line="python -m harness sweep batch_size",
        started_at="2026-11-24T04:12:18+00:00",
        isolation="Target on core 0, load on core 1.",
    )


def grid():
    """Two knobs, twenty settings: more lines than colours; one knob is not a number."""
    settings = [
        {"batch_size": size, "batch_wait_ms": wait, "batch_policy": policy}
        for size in (1, 4, 16, 32, 64)
        for wait in (0.0, 2.0)
        for policy in ("greedy", "fixed")
    ]
    return sweep(settings, name="sweep-batch_size-batch_wait_ms-batch_policy")


def one_load():
    """One knob at one load level."""
    return sweep([{"batch_size": size} for size in (1, 2, 4, 8, 16, 32, 64)], loads=(32,))


def knobs():
    """Three knobs at one load: nothing varies along the axis of a chart."""
    settings = [
        {"batch_size": size, "batch_wait_ms": wait, "batch_policy": policy}
        for size in (1, 4, 16, 32, 64)
        for wait in (0.0, 2.0)
        for policy in ("greedy", "fixed")
    ]
    return sweep(settings, loads=(32,), name="sweep-batch_size-batch_wait_ms-batch_policy")


def open_loop():
    """Poisson arrivals, the last two beyond what the server can do."""
    points = []
    for number, rate in enumerate((500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16_000.0)):
        users = (2, 4, 8, 16, 60, 128)[number]
        findings = (SATURATED,) if number >= 4 else ()
        point = point_of(number, {}, Poisson(rate_rps=rate), users=users, findings=findings, slo_ms=20.0)
        reached = min(rate, 5600.0 + 100 * number)
        points.append(_replace(point, throughput_rps=Interval(value=reached, low=0.98 * reached, high=1.02 * reached)))
    answer = Recommendation(
        sentence="At p99 \u2264 20 ms the target sustains 4\u202f000 req/s of 4\u202f000 requested.", best_point=3
    )
    verdict = run_verdict(answer, points)
    result = RunResult(points=tuple(points), recommendation=answer, verdict=verdict, model=MODEL)
    plan = plan_of(points, name="sweep-rate", slo=parse_slo("p99<20ms"))
    return ReportInput(
        plan=plan, result=result, environment=ENVIRONMENT, command_line="python -m harness sweep rate --target ..."
    )


def one_point():
    """`harness run`."""
    point = point_of(0, {}, Closed(users=32), 1)
    answer = Recommendation(
        sentence="The target gives the highest throughput: 9\u202f400 req/s at 32 users.", best_point=0
    )
    result = RunResult(points=(point,), recommendation=answer, verdict=Verdict.VALID, model=MODEL)
    plan = plan_of([point], 1, name="run", slo=None, fixed={})
    return ReportInput(plan=plan, result=result, environment=ENVIRONMENT, command_line="python -m harness run")


NASTY = "<script>alert('x')</script>"


def ugly():
    """All that can go wrong at once: nothing measured, INVALID, long names, hostile text, no environment."""
    setting = {"a_knob_with_a_remarkably_long_name_that_goes_on": f"a value {NASTY} with | pipes, commas and\nlines"}
    dead = Finding(
        kind="target_died",
        title="The target died",
        verdict=Verdict.INVALID,
        text=f"The target died: {NASTY} \x00\x1b[31m & | `code`",
        remedy="Look into target.log.",
    )
    plain = point_of(0, setting, Closed(users=8), findings=(BUSY, TOO_FEW), slo_ms=50.0)
    nothing = Latency(count=0, mean_ms=None, max_ms=None, quantiles=())
    empty_trial = _replace(
        plain.trials[0],
        counts=Counts(scheduled=9, sent=9, error=9),
        throughput_rps=Interval(value=0.0),
        response=nothing,
        service=nothing,
        lateness=nothing,
        split=TimeSplit(send_ms=0.0),
        usage=Usage(),
        timeline=Timeline(bin_s=1.0, t_s=(), throughput_rps=(), p50_ms=(), p99_ms=()),
        mean_batch=None,
        in_flight_mean=None,
        verdict=Verdict.INVALID,
        findings=(dead,),
    )
    empty = _replace(
        plain,
        point=1,
        concurrency=128,
        counts=Counts(scheduled=9, sent=9, error=9),
        throughput_rps=Interval(value=0.0),
        goodput_rps=None,
        response=nothing,
        spread=None,
        service=nothing,
        lateness=nothing,
        split=TimeSplit(send_ms=0.0),
        usage=Usage(),
        mean_batch=None,
        meets_slo=False,
        verdict=Verdict.INVALID,
        findings=(dead,),
        trials=(empty_trial,),
    )
    censored = Quantile(p=0.99, value_ms=3100.0, low_ms=2900.0, at_least=True, effective_samples=900.0)
    hung_latency = Latency(
        count=5000,
        mean_ms=45.0,
        max_ms=10_000.0,
        quantiles=(Quantile(p=0.5, value_ms=9.0, low_ms=8.0, high_ms=10.0), censored),
    )
    lost = Counts(
        scheduled=1000,
        not_sent=40,
        sent=960,
        ok=700,
        wrong=30,
        error=20,
        timeout=100,
        rejected=50,
        aborted=10,
        unknown=50,
    )
    hung = _replace(plain, point=2, concurrency=256, response=hung_latency, counts=lost, usage=gpu_usage())
    points = (plain, empty, hung)
    plan = plan_of(points, name=NASTY, target=f"http://127.0.0.1:8000/{NASTY}", model=NASTY, fixed={})
    result = RunResult(
        points=points,
        recommendation=Recommendation(sentence=f"No recommendation: every point is INVALID {NASTY}."),
        verdict=Verdict.INVALID,
        missing=("batch_size=4-users=32, repeat 2: not measured", f"{NASTY}: not measured"),
    )
    return ReportInput(plan=plan, result=result, command_line=f"python -m harness sweep '{NASTY}'", gated=True)


def gpu_usage():
    return Usage(
        cpu_target_cores=0.8,
        cpu_load_cores=0.2,
        cpu_machine_percent=tuple(float(5 * core % 100) for core in range(64)),
        gpu_utilization_percent=91.0,
        gpu_memory_mb=3100.0,
        gpu_power_w=212.0,
        gpu_energy_j=424.0,
        gpu_clock_mhz=1410.0,
    )


def nothing():
    """A run that was interrupted before its first trial ended."""
    planned = sweep()
    result = RunResult(
        points=(),
        recommendation=Recommendation(sentence="No recommendation: nothing was measured."),
        verdict=Verdict.INVALID,
        missing=tuple(f"{point.slug}, repeat 1: not measured" for point in planned.plan.points),
    )
    return ReportInput(
        plan=planned.plan, result=result, environment=ENVIRONMENT, command_line="python -m harness sweep"
    )


def _replace(struct, **changes):
    import msgspec

    return msgspec.structs.replace(struct, **changes)


EXAMPLES = {
    "sweep": sweep,
    "grid": grid,
    "one_load": one_load,
    "open_loop": open_loop,
    "one_point": one_point,
    "ugly": ugly,
    "nothing": nothing,
}


if __name__ == "__main__":
    for example_name, build in EXAMPLES.items():
        folder = Path(sys.argv[1]) / example_name
        folder.mkdir(parents=True, exist_ok=True)
        write_reports(folder, build())
        print(folder / "report.html")
