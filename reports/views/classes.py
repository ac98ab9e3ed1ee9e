"""The table of request classes: the figures of each, and its slowdown by the others."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from harness.judge.number_text import percent
from harness.plan.knobs import format_value, setting_text
from reports import units
from reports.labels import point_label
from reports.views.points_table import SLO_WORDS, Cell, Table, percentile_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.judge.interval import Interval
    from harness.judge.metrics import ClassMetrics, Latency, PointMetrics, StreamMetrics
    from harness.plan.plan import Plan

CLASS, OVER_ALONE, FAILED = "Class", "p99 over alone", "Failed"
_OF_TEXTS = (CLASS, "Of the load", "Throughput /s", "p50 ms", "p99 ms", FAILED)
_STREAM_COLUMNS = ("Output tokens/s", "TTFT p50 ms", "TTFT p99 ms", "ITL p99 ms")
_CSV_STREAMS = (("ttft", 0.5), ("ttft", 0.9), ("ttft", 0.99), ("itl", 0.5), ("itl", 0.99), ("tpot", 0.5))
_CSV_LATENCIES = (("response", 0.5), ("response", 0.9), ("response", 0.95), ("response", 0.99), ("service", 0.99))


def classes_table(points: Iterable[PointMetrics]) -> Table | None:
    """One row per class of each point; None where no point mixes classes."""
    return _table([(point, each) for point in points for each in point.classes], "Class")


def class_columns(point: PointMetrics | None) -> dict[str, list[str]]:
    """The figures of each class of a point for texts, by their titles; empty where it has only one."""
    table = classes_table([point]) if point else None
    if table is None:
        return {}
    places = {title: table.columns.index(title) for title in _OF_TEXTS}
    return {title: [cells[place].text for cells in table.rows] for title, place in places.items()}


def servers_table(points: Iterable[PointMetrics]) -> Table | None:
    """One row per server of each point; None where there is one server."""
    return _table([(point, each) for point in points for each in point.servers], "Server")


def _table(parts: Sequence[tuple[PointMetrics, ClassMetrics]], kind: str) -> Table | None:
    if len(parts) == len({point.point for point, _ in parts}):  # one of each point
        return None
    streams = any(each.stream for _, each in parts)
    left_out = () if kind == CLASS else (OVER_ALONE,)
    rows = [{name: cell for name, cell in _cells(point, each) if name not in left_out} for point, each in parts]
    names = [name for name in rows[0] if streams or name not in _STREAM_COLUMNS]
    columns = tuple(kind if name == CLASS else name for name in names)
    return Table(columns, tuple(tuple(row[name] for name in names) for row in rows), text_columns=2)


def _cells(point: PointMetrics, each: ClassMetrics) -> Iterator[tuple[str, Cell]]:
    """Every column with its cell, from left to right."""
    yield "Point", Cell(point_label(point), key=point_label(point), kind="point")
    yield CLASS, Cell(each.name, key=each.name, kind="point")
    yield "Of the load", Cell(percent(each.share), key=units.machine_number(each.share))
    yield "Throughput /s", _estimate(each.throughput_rps)
    yield from zip(_STREAM_COLUMNS, _stream_cells(each.stream), strict=True)
    for p in (0.5, 0.99):
        yield f"{units.percentile_name(p)} ms", percentile_cell(each.response.at(p))
    text, interval = units.estimate(each.slowdown)
    key = units.machine_number(each.slowdown.value) if each.slowdown else ""
    yield OVER_ALONE, Cell(text if not each.slowdown else f"{text}\u00d7", interval, key=key)
    yield "Goodput /s", _estimate(each.goodput_rps)
    yield "Good", Cell(units.count(each.counts.ok), key=str(each.counts.ok))
    yield FAILED, Cell(units.count(each.counts.failed), key=str(each.counts.failed))
    words = SLO_WORDS[each.meets_slo] if each.slo else units.ABSENT
    yield "SLO", Cell(words, str(each.slo) if each.slo else "", key=words, kind="text")


def _estimate(value: Interval | None) -> Cell:
    return Cell(*units.estimate(value), key=units.machine_number(value.value if value else None))


def _stream_cells(stream: StreamMetrics | None) -> Iterator[Cell]:
    yield _estimate(stream.tokens_per_s if stream else None)
    for kind, p in (("ttft", 0.5), ("ttft", 0.99), ("itl", 0.99)):
        latency: Latency | None = getattr(stream, kind, None)
        yield percentile_cell(latency.at(p) if latency else None)


def isolation_sentences(points: Iterable[PointMetrics]) -> Iterator[str]:
    """What the others do to each class whose p99 alone is known."""
    given = list(points)
    numbered = {point.point: point for point in given}
    for point in given:
        others = ", ".join(f"{percent(other.share)} {other.name}" for other in point.classes[1:])
        for each in point.classes:
            if each.slowdown is None or each.alone_point is None:
                continue
            alone = numbered[each.alone_point].response.at(0.99)
            here = each.response.at(0.99)
            times, spread = units.estimate(each.slowdown)
            yield (
                f"{each.name} at {setting_text(point.setting) or point_label(point)}"
                f"{f' (with {others})' if each is point.classes[0] and others else ''}: "
                f"p99 {units.latency(alone)[0]}{units.THIN}ms alone, {units.latency(here)[0]}{units.THIN}ms "
                f"here: {times}\u00d7 ({spread or 'no interval'})."
            )


def classes_csv(points: Iterable[PointMetrics], plan: Plan) -> str:
    """classes.csv: a line per class of each point; latencies in ms, an absent number is empty."""
    return _csv([(point, each) for point in points for each in point.classes], plan, "class")


def servers_csv(points: Iterable[PointMetrics], plan: Plan) -> str:
    """servers.csv: likewise, a line per server of each point."""
    return _csv([(point, each) for point in points for each in point.servers], plan, "server")


def _csv(parts: Sequence[tuple[PointMetrics, ClassMetrics]], plan: Plan, kind: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    latencies = [
        f"{'' if kind == 'response' else kind + '_'}{units.percentile_name(p)}_ms" for kind, p in _CSV_LATENCIES
    ]
    head = ("arrivals", "concurrency", "rate_target", kind, "share", "throughput_rps")
    streams = [f"{kind}_{units.percentile_name(p)}_ms" for kind, p in _CSV_STREAMS]
    more = ("p99_over_alone", "ok", "failed", "slo", "meets_slo", "goodput_rps", "cancelled", "tokens_per_s", *streams)
    knobs = (f"knob_{name}" if name in ("point", *head, *latencies, *more) else name for name in plan.swept)
    writer.writerow(("point", *knobs, *head, *latencies, *more))
    for point, each in parts:
        writer.writerow((
            point.point,
            *(format_value(point.setting[name]) for name in plan.swept),
            point.arrivals,
            point.concurrency or "",
            units.machine_number(point.rate_target_rps),
            each.name,
            units.machine_number(each.share),
            units.machine_number(each.throughput_rps.value),
            *(_percentile(getattr(each, kind), p) for kind, p in _CSV_LATENCIES),
            units.machine_number(each.slowdown.value if each.slowdown else None),
            each.counts.ok,
            each.counts.failed,
            str(each.slo or ""),
            SLO_WORDS[each.meets_slo] if each.slo else "",
            units.machine_number(each.goodput_rps.value if each.goodput_rps else None),
            each.counts.cancelled,
            *_stream_numbers(each.stream),
        ))  # fmt: skip
    return text.getvalue()


def _stream_numbers(stream: StreamMetrics | None) -> Iterator[str]:
    tokens = stream.tokens_per_s if stream else None
    yield units.machine_number(tokens.value if tokens else None)
    for kind, p in _CSV_STREAMS:
        yield _percentile(getattr(stream, kind), p) if stream else ""


def _percentile(latency: Latency, p: float) -> str:
    quantile = latency.at(p)
    return units.machine_number(quantile.value_ms if quantile else None)
