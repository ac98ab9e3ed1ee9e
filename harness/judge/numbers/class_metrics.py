"""Computes the figures of each request class in a mixed load, and how much the classes slow each other down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from harness.judge.interval import Interval
from harness.judge.metrics import ClassMetrics, Counts
from harness.judge.numbers.latency import pooled_latency
from harness.judge.numbers.run_noises import THROUGHPUT
from harness.judge.numbers.throughput import NO_RATES, pooled_goodput, pooled_rate
from harness.judge.slo_check import SloRows, goodput_limit_ns, meets_slo
from harness.plan.load_knobs import MIX
from harness.plan.slo import parse_slo
from harness.record.rows import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.judge.metrics import PointMetrics
    from harness.judge.numbers.run_noises import RunNoises
    from harness.judge.numbers.throughput import Rates
    from harness.judge.numbers.trial_rows import RowColumns, TrialRows
    from harness.judge.stats.durations import Durations
    from harness.plan.slo import Slo
    from harness.record.trial_data import TrialData

P99 = 0.99


@dataclass(frozen=True, slots=True)
class ClassSample:
    """One request class in one trial, as far as its repeats are to be pooled."""

    name: str
    slo: Slo | None
    counts: Counts
    response: Durations
    service: Durations
    rates_rps: Rates
    good_rates_rps: Rates


def class_names(evidence: TrialData) -> tuple[str, ...]:
    """The request classes that the load had; all its processes have the same."""
    return evidence.reports[0].request_classes if evidence.reports else ()


def class_samples(evidence: TrialData, trial: TrialRows, slo: Slo | None) -> tuple[ClassSample, ...]:
    """Each class of a mixed load; none where there is only one, whose numbers are the trial's."""
    names = class_names(evidence)
    if len(names) < 2:
        return ()
    texts = evidence.reports[0].class_slos or ("",) * len(names)
    return tuple(
        _sample(name, parse_slo(text) if text else slo, trial.of_class(number))
        for number, (name, text) in enumerate(zip(names, texts, strict=True))
    )


def _sample(name: str, slo: Slo | None, rows: TrialRows) -> ClassSample:
    return ClassSample(
        name=name,
        slo=slo,
        counts=_counts(rows.due),
        response=rows.response,
        service=rows.service,
        rates_rps=rows.rates_rps(),
        good_rates_rps=rows.rates_rps(goodput_limit_ns(slo)) if slo else NO_RATES,
    )


def _counts(due: RowColumns) -> Counts:
    """What became of the requests; what a lost worker sent is of no known class."""
    found = np.bincount(due["outcome"], minlength=len(Outcome))
    by_outcome = {outcome.name.lower(): int(found[outcome]) for outcome in Outcome}
    return Counts(
        **by_outcome,
        scheduled=len(due),
        sent=len(due) - by_outcome["not_sent"],
        checked=int(due["checked"].clip(min=0).sum()),
    )


def pooled_classes(
    trials: Sequence[Sequence[ClassSample]], noises: RunNoises, users: int | None
) -> tuple[ClassMetrics, ...]:
    """Each class over all repeats: rows are put together, never percentiles averaged. `users` share the closed loop."""
    total = sum(sample.counts.scheduled for trial in trials for sample in trial)
    return tuple(_pooled(repeats, total, noises, users) for repeats in zip(*trials, strict=True)) if total else ()


def _pooled(repeats: Sequence[ClassSample], total: int, noises: RunNoises, users: int | None) -> ClassMetrics:
    first = repeats[0]
    counts = Counts(**{
        name: sum(getattr(each.counts, name) for each in repeats) for name in Counts.__struct_fields__
    })  # fmt: skip
    metrics = ClassMetrics(
        name=first.name,
        share=counts.scheduled / total,
        counts=counts,
        throughput_rps=pooled_rate([each.rates_rps for each in repeats], noises.of(THROUGHPUT)),
        goodput_rps=_goodput(repeats, first.slo, noises) if first.slo else None,
        response=pooled_latency([each.response for each in repeats], noises.of("response")),
        service=pooled_latency([each.service for each in repeats], noises.of("service")),
        slo=first.slo,
        meets_slo=None,
    )
    if first.slo is None:
        return metrics
    of_class = None if users is None else max(1, round(users * metrics.share))
    rows = SloRows({"response": [each.response for each in repeats]}, noises, of_class)
    return msgspec.structs.replace(metrics, meets_slo=meets_slo(metrics, first.slo, rows))


def _goodput(repeats: Sequence[ClassSample], slo: Slo, noises: RunNoises) -> Interval:
    good, durations = [each.good_rates_rps for each in repeats], [each.response for each in repeats]
    return pooled_goodput(good, goodput_limit_ns(slo), durations, noises)


def only_class(name: str, point: PointMetrics, slo: Slo | None) -> ClassMetrics:
    """The one class of a load that is not mixed: its numbers are the point's."""
    return ClassMetrics(
        name=name,
        share=1.0,
        counts=point.counts,
        throughput_rps=point.throughput_rps,
        goodput_rps=point.goodput_rps,
        response=point.response,
        service=point.service,
        slo=slo,
        meets_slo=point.meets_slo,
    )


def with_slowdowns(points: Iterable[PointMetrics]) -> tuple[PointMetrics, ...]:
    """The points, each class of a mixed one compared with the point of the same setting and load where it is alone."""
    given = tuple(points)
    alone = {(_place(point), point.classes[0].name): point for point in given if len(point.classes) == 1}
    return tuple(
        msgspec.structs.replace(
            point, classes=tuple(_compared(each, alone.get((_place(point), each.name))) for each in point.classes)
        )
        if len(point.classes) > 1
        else point
        for point in given
    )


def _place(point: PointMetrics) -> tuple[object, ...]:
    setting = tuple(item for item in point.setting.items() if item[0] != MIX)
    return (setting, point.arrivals, point.concurrency, point.rate_target_rps)


def _compared(mixed: ClassMetrics, alone: PointMetrics | None) -> ClassMetrics:
    """The quotient's interval is as wide as those of both percentiles together allow, which is never too narrow."""
    if alone is None:
        return mixed
    here, there = mixed.response.at(P99), alone.response.at(P99)
    if here is None or there is None or here.value_ms is None or not there.value_ms:
        return mixed
    slowdown = Interval(
        value=here.value_ms / there.value_ms,
        low=here.low_ms / there.high_ms if here.low_ms is not None and there.high_ms else None,
        high=here.high_ms / there.low_ms if here.high_ms is not None and there.low_ms else None,
    )
    return msgspec.structs.replace(mixed, slowdown=slowdown, alone_point=alone.point)
