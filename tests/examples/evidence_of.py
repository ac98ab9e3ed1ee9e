"""Evidence made by hand: rows, reports and samples of a trial that never ran, with exactly known contents."""

from __future__ import annotations

from array import array

import numpy as np
import pyarrow as pa

from harness.judge import point_summary, run_summary, trial_summary
from harness.plan.arrivals import Closed
from harness.plan.plan import Point, Trial
from harness.record.load_report import LoadReport, LoopHealth
from harness.record.rows import ABSENT, Outcome, Phase, row_schema
from harness.record.samples import sample_schema
from harness.record.token_times import TokenTimes, to_batch
from harness.record.trial_data import TrialData

S = 1_000_000_000
MS = 1_000_000
START = 1_000 * S


def rows_of(due_ns, response_ns, *, lateness_ns=0, outcome=Outcome.OK, phase=Phase.MEASURE, **columns):
    """A row per due time (n,); the rest by name, scalars or (n,)."""
    due_ns = np.asarray(due_ns, dtype=np.int64)
    n = due_ns.size
    sent_ns = due_ns + np.broadcast_to(lateness_ns, n)
    given = {
        "request": np.arange(n),
        "due_ns": due_ns,
        "sent_ns": sent_ns,
        "first_byte_ns": due_ns + response_ns,
        "done_ns": due_ns + response_ns,
        "worker": 0,
        "request_class": 0,
        "outcome": np.broadcast_to(outcome, n).astype(int),
        "phase": np.broadcast_to(phase, n).astype(int),
        "checked": 1,
        **columns,
    }
    arrays = []
    for field in row_schema():
        values = np.broadcast_to(given.get(field.name, ABSENT), n)
        arrays.append(pa.array(values, mask=(values == ABSENT) & field.nullable).cast(field.type))
    return pa.Table.from_arrays(arrays, schema=row_schema())


def report_of(rows, seconds, *, worker=0, **changes):
    """The report of a worker that did everything right."""
    mine = rows.filter(pa.compute.equal(rows["worker"], worker))
    counts = np.bincount(mine["outcome"].to_numpy(), minlength=len(Outcome))
    fields = {
        "worker": worker,
        "pid": 1,
        "final": True,
        "stop_reason": "measured",
        "start_ns": START,
        "measure_start_ns": START,
        "measure_end_ns": START + round(seconds * S),
        "drain_end_ns": START + round(seconds * S),
        "scheduled": mine.num_rows,
        "sent": mine.num_rows - int(counts[Outcome.NOT_SENT]),
        **{outcome.name.lower(): int(counts[outcome]) for outcome in Outcome},
        "rows_written": mine.num_rows,
        "checked": mine.num_rows,
        "health": LoopHealth(cpu_ns=2 * S, wall_ns=10 * S, loop_lag_p50_ns=1000, loop_lag_p99_ns=10_000),
    }
    return LoadReport(**{**fields, **changes})


def samples_of(series):
    """{(source, metric): [(t_s, value), ...]} as a samples table; seconds since START."""
    lines = [
        {"t_ns": START + round(t_s * S), "late_ns": 0, "source": source, "metric": metric, "value": value}
        for (source, metric), readings in series.items()
        for t_s, value in readings
    ]
    return pa.Table.from_pylist(lines, schema=sample_schema())


def evidence_of(rows, *, seconds=10.0, arrivals=None, reports=None, samples=None, repeat=0, setting=None, **changes):
    """A trial of `rows`."""
    point = Point(number=0, setting=setting or {"batch_size": 1}, arrivals=arrivals or Closed(users=1))
    if samples is None:
        steady = {("target", "cpu_s"): [(t / 2, t / 4) for t in range(int(2 * seconds) + 1)]}
        samples = samples_of(steady)
    return TrialData(
        trial=Trial(number=repeat, point=0, repeat=repeat, seed=1),
        point=point,
        rows=rows,
        samples=samples,
        reports=(report_of(rows, seconds),) if reports is None else reports,
        **changes,
    )


def streams(*, due_ms, first_ms, gaps_ms, outcome=Outcome.OK, **columns):
    """One row and one stream for each due time: `first_ms` after it the first token, then one after each gap."""
    due_ns = START + np.array(due_ms) * MS
    instants = [
        due + np.cumsum([first, *gaps]) * MS for due, first, gaps in zip(due_ns, first_ms, gaps_ms, strict=True)
    ]
    done_ns = np.array([each[-1] for each in instants])
    rows = rows_of(
        due_ns, done_ns - due_ns, outcome=outcome,
        **{"first_token_ns": [each[0] for each in instants], "prompt_tokens": 7,
           "output_tokens": [len(each) for each in instants], **columns},
    )  # fmt: skip
    return rows, tokens_of(instants)


def tokens_of(instants):
    batch = to_batch(
        [TokenTimes(number, array("q", map(int, each))) for number, each in enumerate(instants) if len(each)], 0
    )
    return pa.Table.from_batches([batch])


def closed_loop(*, seconds=10.0, response_ms=10.0, spread=0.2, seed=1, **columns):
    """One user's rows: independent response times, each request due when the last answer came."""
    rng = np.random.default_rng(seed)
    n = int(seconds * 1000 / response_ms * 1.5)
    response_ns = np.asarray(rng.gamma(1 / spread**2, response_ms * MS * spread**2, n), dtype=np.int64)
    due_ns = START + np.concatenate(([0], np.cumsum(response_ns)[:-1]))
    inside = due_ns < START + seconds * S
    return rows_of(due_ns[inside], response_ns[inside], **columns)


def summarise_trial(data, slo):
    """The metrics of one trial."""
    return trial_summary.summarise_trial(data, slo).metrics


def summarise_point(point, trials, slo):
    """The metrics of a point, from the data of its trials."""
    return point_summary.summarise_point(point, [trial_summary.summarise_trial(each, slo) for each in trials], slo)


def summarise_run(plan, trials, model=None):
    """The result of a run, from the data of its trials."""
    return run_summary.summarise_run(plan, [trial_summary.summarise_trial(each, plan.slo) for each in trials], model)
