"""Computes the figures of each request class in a mixed load, and of each server where there are several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from harness.judge.interval import Interval
from harness.judge.metrics import ClassMetrics, Counts
from harness.judge.numbers.latency import pooled_latency
from harness.judge.numbers.limit_counts import limit_counts
from harness.judge.numbers.noise_by_kind import THROUGHPUT
from harness.judge.numbers.throughput import NO_RATES, pooled_goodput
from harness.judge.numbers.token_latency import pooled_streams, rows_within_slo, stream_sample, streams_unknown
from harness.judge.slo_check import SloRows, goodput_limit_ns, meets_slo
from harness.judge.stats.durations import Durations
from harness.judge.stats.trial_noise import pooled_rate
from harness.plan.load_knobs import MIX
from harness.plan.slo import STREAM_KINDS, parse_slo
from harness.record.rows import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.judge.metrics import LimitCount, PointMetrics
    from harness.judge.numbers.noise_by_kind import NoiseByKind
    from harness.judge.numbers.throughput import Rates
    from harness.judge.numbers.token_latency import StreamSample
    from harness.judge.numbers.trial_rows import RowColumns, TrialRows
    from harness.plan.slo import Slo
    from harness.record.rows import Mask
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
    stream: StreamSample | None
    limits: tuple[LimitCount, ...]  # requests that broke a bound of its objective


def class_names(data: TrialData) -> tuple[str, ...]:
    """The request classes that the load had; all its processes have the same."""
    return data.reports[0].request_classes if data.reports else ()


def class_samples(data: TrialData, rows: TrialRows, slo: Slo | None) -> tuple[ClassSample, ...]:
    """Each class of a mixed load; none where there is only one, whose numbers are the trial's."""
    names = class_names(data)
    if len(names) < 2:
        return ()
    texts = data.reports[0].class_slos or ("",) * len(names)
    return tuple(
        _sample(data, name, parse_slo(text) if text else slo, rows.having("request_class", number))
        for number, (name, text) in enumerate(zip(names, texts, strict=True))
    )


def server_samples(data: TrialData, rows: TrialRows, slo: Slo | None) -> tuple[ClassSample, ...]:
    """The same of each server, where conversations were spread over several; they have no objective of their own."""
    servers = data.reports[0].servers if data.reports else ()
    bounds = slo if slo and slo.of_all else None
    return tuple(_sample(data, url, bounds, rows.having("server", number)) for number, url in enumerate(servers))


def _sample(data: TrialData, name: str, slo: Slo | None, rows: TrialRows) -> ClassSample:
    stream, counts = stream_sample(data, rows), counts_of(rows.due)
    durations = {"response": rows.response, **(stream.durations if stream else {})}
    limits = limit_counts(slo, durations, counts) if slo else ()
    return ClassSample(
        name=name,
        slo=slo,
        counts=counts,
        response=rows.response,
        service=rows.service,
        rates_rps=rows.rates_rps(),
        good_rates_rps=good_rates(data, rows, slo),
        stream=stream,
        limits=tuple(msgspec.structs.replace(each, bound=f"{name} {each.bound}") for each in limits),
    )


def good_rates(data: TrialData, rows: TrialRows, slo: Slo | None) -> Rates:
    """Good responses per second (batches,) that keep `slo`; NO_RATES without one, and where nobody knows which do."""
    if slo is None:
        return NO_RATES
    if not slo.of_classes:
        unknown, within = streams_unknown(rows, slo), rows_within_slo(data, rows, slo)
    else:
        named = enumerate(class_names(data))
        unknown = any(streams_unknown(rows.having("request_class", place), slo.of_class(name)) for place, name in named)
        within = _kept_by_classes(data, rows, slo)
    return NO_RATES if unknown else rows.rates_rps(goodput_limit_ns(slo), within)


def _kept_by_classes(data: TrialData, rows: TrialRows, slo: Slo) -> Mask:
    """Which of all rows keep the objective of their class, each on its own."""
    every = rows.everything
    kept: Mask = np.zeros(len(every), dtype=np.bool_)
    for number, name in enumerate(class_names(data)):
        own = slo.of_class(name)
        chosen = every["request_class"] == number
        limit_ns, within = goodput_limit_ns(own), rows_within_slo(data, rows, own)
        if limit_ns is not None:
            chosen &= every["done_ns"] - every["due_ns"] <= limit_ns
        kept |= chosen if within is None else chosen & within
    return kept


def meets_each(classes: Sequence[ClassMetrics]) -> bool | None:
    """Whether every class keeps its objective; None where that is undecided of one, and none misses it."""
    found = [each.meets_slo for each in classes if each.slo]
    return False if False in found else None if None in found else True


def counts_of(due: RowColumns, unknown: int = 0) -> Counts:
    """What became of requests; `unknown`: how many more a lost worker sent, of no known class, without a row."""
    found = np.bincount(due["outcome"], minlength=len(Outcome))
    by_outcome = {outcome.name.lower(): int(found[outcome]) for outcome in Outcome}
    return Counts(
        **by_outcome,
        scheduled=len(due) + unknown,
        sent=len(due) - by_outcome["not_sent"] + unknown,
        unknown=unknown,
        checked=int(due["checked"].clip(min=0).sum()),
    )


def added(counts: Sequence[Counts]) -> Counts:
    """The sum of each count."""
    return Counts(**{name: sum(getattr(each, name) for each in counts) for name in Counts.__struct_fields__})


def pooled_classes(
    trials: Sequence[Sequence[ClassSample]], noises: NoiseByKind, users: int | None
) -> tuple[ClassMetrics, ...]:
    """Each class over all repeats: rows are put together, never percentiles averaged. `users` share the closed loop.

    A class goes by its name: each trial numbers those that users' own requests add in the order of first appearance.
    """
    trials = [samples for samples in trials if samples]
    total = sum(sample.counts.scheduled for samples in trials for sample in samples)
    if not total:
        return ()
    named = [{sample.name: sample for sample in samples} for samples in trials]
    names = dict.fromkeys(sample.name for samples in trials for sample in samples)
    by_name = [[here.get(name) or _none_of(name, samples) for here, samples in zip(named, trials, strict=True)]
               for name in names]  # fmt: skip
    return tuple(_pooled(repeats, total, noises, users) for repeats in by_name)


def pooled_servers(
    trials: Sequence[Sequence[ClassSample]], noises: NoiseByKind, users: int | None
) -> tuple[ClassMetrics, ...]:
    """Each server over all repeats. It goes by its place, since a server that is started anew may have another port."""
    first = next((samples for samples in trials if samples), ())
    named = [[replace(each, name=of.name) for each, of in zip(samples, first, strict=True)]
             for samples in trials if samples]  # fmt: skip
    return pooled_classes(named, noises, users)


def _none_of(name: str, others: Sequence[ClassSample]) -> ClassSample:
    """The sample of a class in a trial that had no request of it: a rate of 0."""
    nothing, zero = Durations(np.empty(0, np.int64), np.empty(0, np.bool_)), np.zeros_like(others[0].rates_rps)
    return ClassSample(name, None, Counts(), nothing, nothing, zero, zero, None, ())


def _pooled(repeats: Sequence[ClassSample], total: int, noises: NoiseByKind, users: int | None) -> ClassMetrics:
    first = next((each for each in repeats if each.counts.scheduled), repeats[0])
    counts = added([each.counts for each in repeats])
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
        stream=pooled_streams([each.stream for each in repeats if each.stream], noises),
    )
    if first.slo is None:
        return metrics
    of_class = None if users is None else max(1, round(users * metrics.share))
    streams = [each.stream.durations for each in repeats if each.stream]
    kinds = {kind: [each[kind] for each in streams] for kind in STREAM_KINDS} if streams else {}
    rows = SloRows({"response": [each.response for each in repeats], **kinds}, noises, of_class)
    return msgspec.structs.replace(metrics, meets_slo=meets_slo(metrics, first.slo, rows))


def _goodput(repeats: Sequence[ClassSample], slo: Slo, noises: NoiseByKind) -> Interval | None:
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
        stream=point.stream,
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
