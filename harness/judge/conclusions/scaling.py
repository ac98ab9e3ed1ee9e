"""Compares layouts of processes: the speedup of each over the smallest at every load, and its upper bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import figure, percent
from harness.judge.phrases import level_words
from harness.judge.run_result import LayoutMetrics, Scaling
from harness.judge.significance import compare_rates
from harness.plan.knobs import setting_text
from harness.plan.process_layout import layout_of, stage_shares

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judge.metrics import PointMetrics
    from harness.plan.plan import Plan
    from harness.plan.process_layout import Layout

LAYOUT_KNOBS = ("strategy", "replicas", "stages", "dispatch")
MS_PER_S = 1e3
Group = list[tuple["PointMetrics", "Layout"]]


def scaling(
    plan: Plan, points: Sequence[PointMetrics], cores: int | None, pieces_ms: Sequence[float]
) -> Scaling | None:
    """The comparison over every load; None where the run has only one layout.

    `cores` are those of the target where the knob `cores` says nothing, None where they are not known: then the server
    was not started here, and has no layouts; `pieces_ms` of the model card.
    """
    if cores is None:
        return None
    laid_out = [(point, _layout(plan, point, cores)) for point in points if point.counts.ok]
    if not set(LAYOUT_KNOBS) & set(plan.swept) or len({layout for _, layout in laid_out}) < 2:
        return None
    groups = _by_load(laid_out)
    layouts = [metrics for group in groups for metrics in _compared(group, pieces_ms)]
    order = {point.point: number for number, point in enumerate(points)}
    return Scaling(
        cores=cores,
        layouts=tuple(sorted(layouts, key=lambda metrics: order[metrics.point])),
        sentences=tuple(_sentences(groups, layouts, cores)),
    )


def bubble(stages: int, batches_in_flight: float) -> float:
    """The share of time that a pipeline's stages idle while it fills and drains: (S - 1) / (M + S - 1) (GPipe, 2019).

    M batches go through S equal stages one behind the other; with M in flight at all times it is what S stages lack to
    be full where M < S, and an upper bound above.
    """
    return (stages - 1) / (max(1.0, batches_in_flight) + stages - 1)


def _layout(plan: Plan, point: PointMetrics, cores: int) -> Layout:
    setting = {**plan.fixed, **point.setting}
    return layout_of(setting, int(setting.get("cores", 0)) or cores)


def _by_load(laid_out: Group) -> list[Group]:
    groups: dict[tuple[object, ...], Group] = {}
    for point, layout in laid_out:
        groups.setdefault((point.arrivals, point.concurrency, point.rate_target_rps), []).append((point, layout))
    return list(groups.values())


def _compared(group: Group, pieces_ms: Sequence[float]) -> Iterator[LayoutMetrics]:
    """Against the setting with the fewest processes, of those the one that was swept first."""
    baseline, least = min(group, key=lambda pair: pair[1].replicas * pair[1].stages)
    for point, layout in group:
        computing = layout.replicas * layout.stages
        ratio = None if point is baseline else compare_rates(baseline.throughput_rps, point.throughput_rps).ratio
        shares = stage_shares(pieces_ms, layout.stages) if pieces_ms else ()
        in_flight = _batches_in_flight(point)
        yield LayoutMetrics(
            point=point.point,
            replicas=layout.replicas,
            stages=layout.stages,
            dispatch=layout.dispatch,
            processes=computing,
            batches_in_flight=in_flight,
            bubble=_bubble(layout, in_flight),
            busy_share=_busy_share(point, computing),
            speedup=ratio,
            efficiency=None if ratio is None else ratio.value / (computing / (least.replicas * least.stages)),
            most_speedup=layout.replicas / max(shares) if shares else None,
        )


def _batches_in_flight(point: PointMetrics) -> float | None:
    """By Little's law, in batches."""
    if point.response.mean_ms is None or not point.mean_batch:
        return None
    return point.throughput_rps.value * point.response.mean_ms / MS_PER_S / point.mean_batch


def _bubble(layout: Layout, in_flight: float | None) -> float | None:
    if in_flight is None or layout.stages == 1:
        return None
    return bubble(layout.stages, in_flight / layout.replicas)


def _busy_share(point: PointMetrics, computing: int) -> float | None:
    """The model calls of all batches, of the time of all processes that compute."""
    if point.split.compute_ms is None or not point.mean_batch:
        return None
    return point.throughput_rps.value / point.mean_batch * point.split.compute_ms / MS_PER_S / computing


def _sentences(groups: Sequence[Group], layouts: Sequence[LayoutMetrics], cores: int) -> Iterator[str]:
    yield from _winners(groups)
    by_point = {metrics.point: metrics for metrics in layouts}
    busiest: dict[tuple[int, int, str], tuple[PointMetrics, LayoutMetrics]] = {}
    for point, layout in (pair for group in groups for pair in group):
        key = (layout.replicas, layout.stages, _name(point))
        if key not in busiest or point.throughput_rps.value > busiest[key][0].throughput_rps.value:
            busiest[key] = (point, by_point[point.point])
    for point, metrics in busiest.values():
        yield from _limits(point, metrics, cores)


def _winners(groups: Sequence[Group]) -> Iterator[str]:
    """One sentence per run of loads that the same setting wins."""
    told: list[tuple[str, str, list[str]]] = []
    for group in groups:
        points = [point for point, _ in group]
        best = max(points, key=lambda point: point.throughput_rps.value)
        others = [point for point in points if point is not best]
        ties = [_name(each) for each in others if not compare_rates(each.throughput_rps, best.throughput_rps).different]
        ahead = _ahead(others, best)
        tied = f"{' and '.join(ties)} cannot be distinguished from it" if ties else ""
        if told and told[-1][0] == _name(best) and bool(told[-1][1]) == bool(tied):
            told[-1][2].append(_level(best))
        else:
            told.append((_name(best), tied, [_level(best) + ("" if tied else ahead)]))
    for name, tied, loads in told:
        yield f"{name} has the highest throughput at {', '.join(loads)}{f', but {tied}' if tied else ''}."


def _ahead(others: Sequence[PointMetrics], best: PointMetrics) -> str:
    if not others:
        return ""
    second = max(others, key=lambda point: point.throughput_rps.value)
    ratio = compare_rates(second.throughput_rps, best.throughput_rps).ratio
    return f" ({figure(ratio.value, 3)}\u00d7 {_name(second)})"


def _limits(point: PointMetrics, metrics: LayoutMetrics, cores: int) -> Iterator[str]:
    name, computing = _name(point), metrics.processes
    measured = "" if metrics.speedup is None else f"; measured {figure(metrics.speedup.value, 3)}\u00d7"
    if metrics.stages > 1 and metrics.most_speedup is not None:
        longest = metrics.replicas / metrics.most_speedup
        yield (
            f"{name}: its longest stage has {percent(longest)} of the model's time, so that {computing} processes "
            f"can give at most {figure(metrics.most_speedup, 3)}\u00d7{measured}."
        )
    if computing > cores:
        yield f"{name}: {computing} processes that compute share {cores} core{'s' if cores > 1 else ''} and take turns."


def _name(point: PointMetrics) -> str:
    return setting_text(point.setting)


def _level(point: PointMetrics) -> str:
    return level_words(point.concurrency, point.rate_target_rps, point.arrivals)
