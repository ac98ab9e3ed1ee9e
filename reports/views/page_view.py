"""The page as data: every number rounded, every unit chosen, every text in its order. The template only places it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from harness.judge.findings import Verdict
from harness.judge.number_text import certainty_text, listed, percent
from harness.judge.tuning.observations import COST, unit_of
from harness.plan.knobs import format_value, setting_text
from reports import units
from reports.charts.distribution import has_distribution
from reports.kinds import texts_of
from reports.labels import VERDICT_MEANING, verdict_counts
from reports.text.serving_texts import is_grid, trials_text
from reports.views.points_table import Table, points_table
from reports.views.tuning import ranked_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judge.interval import Interval
    from harness.judge.metrics import PointMetrics, StreamMetrics
    from harness.judge.run_result import Recommendation, RunResult
    from harness.plan.plan import Plan
    from harness.record.model_card import ModelCard
    from harness.training.plan import TrainingPlan
    from harness.training.training_metrics import TrainingResult
    from reports.report_input import BaseReportInput, ReportInput

MAX_BARS = 100  # rows of a table of bars, and charts of single points; more are left to points.csv


@dataclass(frozen=True, slots=True)
class HeadlineFigure:
    """A headline figure."""

    name: str
    value: str
    unit: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conserved:
    """The two sums that must agree."""

    text: str
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything that the page of any kind of run says beside its charts, tables of detail and findings."""

    name: str
    subtitle: str
    sentence: str
    verdict: str
    verdict_words: str
    missing: tuple[str, ...]
    model: tuple[tuple[str, str], ...]
    headline_of: str
    headline: tuple[HeadlineFigure, ...] = ()
    ranges: str = "ranges are 95 % intervals"  # what the ranges beside the figures are
    points: Table = field(default_factory=lambda: Table((), ()))
    method: tuple[tuple[str, str], ...] = ()
    slo: str = ""
    conserved: tuple[Conserved, ...] = ()


def common_page(report: BaseReportInput) -> Page:
    """The page without what each kind of run adds: headline, points, method."""
    plan, result, texts = report.plan, report.result, texts_of(report.plan)
    row = report.headline_row
    return Page(
        name=plan.name,
        subtitle=", ".join(part for part in (texts.subject, instant(report.started_at)) if part),
        sentence=result.recommendation.sentence,
        verdict=result.verdict.value,
        verdict_words=_verdict_words(result),
        missing=result.missing,
        model=tuple(model_facts(_common(result.model, plan))),
        headline_of="" if row is None else texts.label(result.points[row]),
    )


def page(report: ReportInput) -> Page:
    """The page of a run that measured a server."""
    plan, result, row = report.plan, report.result, report.headline_row
    return replace(
        common_page(report),
        headline=() if row is None else tuple(_headline(plan, result.points[row], result.recommendation)),
        points=points_table(
            result, plan, {point.point for point in result.points[:MAX_BARS] if has_distribution(point)}
        ),
        method=tuple(_method(report)),
        slo=str(plan.slo) if plan.slo else "",
        conserved=tuple(_conserved(result)),
    )


def _verdict_words(result: RunResult | TrainingResult) -> str:
    """What the verdict means, or of which points of several verdicts it is, as `run_verdict` has it."""
    counts, verdicts = verdict_counts(result.points), {point.verdict for point in result.points}
    if len(verdicts) < 2:
        return f"{VERDICT_MEANING[result.verdict]}; {counts}"
    found = result.recommendation
    named = {point.verdict for point in result.points if point.point in (found.best_point, found.baseline_point)}
    if Verdict.INVALID in verdicts and result.verdict not in named:
        return f"{counts}; the run is {result.verdict}, since INVALID points were left out"
    if found.best_point is None:
        return f"{counts}; the run\u2019s verdict is that of its worst point"
    worse = "" if found.baseline_point is None else ", or of its baseline if that is worse"
    return f"{counts}; the run\u2019s verdict is that of the recommended point{worse}"


def instant(iso: str) -> str:
    """`2026-11-24 04:12 UTC` of an ISO 8601 instant in UTC; any other text as it is."""
    return f"{iso[:10]} {iso[11:16]} UTC" if iso.endswith("+00:00") else iso


def _headline(plan: Plan, point: PointMetrics, recommendation: Recommendation) -> Iterator[HeadlineFigure]:
    name, rate, unit = _rate(plan, point)
    value, interval = units.estimate(recommendation.rate_rps or rate)
    fresh = "fresh trials only" if recommendation.rate_rps else ""
    yield HeadlineFigure(name, value, unit, _notes(interval, fresh))
    if recommendation.certainty is not None and recommendation.rate_rps is not None:
        certainty = certainty_text(recommendation.certainty)
        yield HeadlineFigure("Certainty", certainty, "", ("of being within 2\u202f% of the best",))
    if recommendation.speedup is not None:
        value, interval = units.estimate(recommendation.speedup, 2)
        yield HeadlineFigure("Over the baseline", f"{value}\u00d7", "", _notes(interval))
    if point.stream is not None:
        yield from _stream_headline(point.stream)
    for p in (0.5, 0.99):
        value, interval = units.latency(point.response.at(p))
        service, _ = units.latency(point.service.at(p))
        unit = "" if value == units.ABSENT else "ms"
        notes = _notes(interval, f"service {service}{units.THIN}ms" if service != units.ABSENT else "")
        yield HeadlineFigure(f"{units.percentile_name(p)} response", value, unit, notes)
    goodput = recommendation.goodput_rps if recommendation.rate_rps else point.goodput_rps
    if goodput is not None:
        value, interval = units.estimate(goodput)
        yield HeadlineFigure("Goodput", value, "req/s", _notes(interval, fresh))
    if point.mean_batch is not None:
        yield HeadlineFigure("Mean batch", units.number(point.mean_batch), "requests")
    if point.usage.cpu_target_cores is not None:
        yield HeadlineFigure("CPU of the target", units.number(point.usage.cpu_target_cores, 2), "cores")


def _rate(plan: Plan, point: PointMetrics) -> tuple[str, Interval | None, str]:
    """What the point is ranked by: its name, figure and unit."""
    if plan.tune is None:
        return "Throughput", point.rate, point.rate_unit
    name = "Throughput per core" if plan.tune.objective == COST else "Throughput"
    return name, ranked_by(plan, point), unit_of(plan)


def _stream_headline(stream: StreamMetrics) -> Iterator[HeadlineFigure]:
    if stream.tokens_per_s_of_stream is not None:
        yield HeadlineFigure("Of each stream", units.number(stream.tokens_per_s_of_stream), "tokens/s")
    for kind, p in (("ttft", 0.9), ("itl", 0.99)):
        latency = getattr(stream, kind)
        if latency.count:
            value, interval = units.latency(latency.at(p))
            unit = "" if value == units.ABSENT else "ms"
            yield HeadlineFigure(f"{units.percentile_name(p)} {kind.upper()}", value, unit, _notes(interval))


def _notes(*texts: str) -> tuple[str, ...]:
    return tuple(text for text in texts if text)


def _conserved(result: RunResult) -> Iterator[Conserved]:
    outcomes = ("ok", "wrong", "error", "timeout", "rejected", "aborted", "cancelled", "unknown")
    names = ("scheduled", "sent", "not_sent", *outcomes)
    total = {name: sum(getattr(point.counts, name) for point in result.points) for name in names}
    for whole, parts in (("scheduled", ("sent", "not_sent")), ("sent", names[3:])):
        listed = " + ".join(f"{units.count(total[name])} {name.replace('_', ' ')}" for name in parts)
        holds = total[whole] == sum(total[name] for name in parts)
        sign = "=" if holds else "\u2260"
        yield Conserved(f"{units.count(total[whole])} {whole} {sign} {listed}", holds)


def _common(model: ModelCard | None, plan: Plan | TrainingPlan) -> ModelCard | None:
    """The card without what differs from point to point where the engine or its precision was swept."""
    if model is None or not {"engine", "precision"} & set(plan.varied):
        return model
    return msgspec.structs.replace(model, engine="", precision="", served_accuracy=None)


def model_facts(model: ModelCard | None) -> Iterator[tuple[str, str]]:
    """What is known of the model, in the order of a card."""
    if model is None:
        return
    known = (
        ("Name", model.name),
        ("Engine", " ".join(filter(None, (model.engine, model.precision)))),
        ("Parameters", units.count(model.parameters)),
        ("Layers", " \u2192 ".join(model.layers)),
        ("Data", model.data),
        ("Trained on", f"{units.count(model.train_count)} examples" if model.train_count else ""),
        ("Held out", f"{units.count(model.test_count)} examples" if model.test_count else ""),
        ("Held-out loss", units.number(model.test_loss)),
        ("Held-out accuracy", units.with_unit(_percent(model.test_accuracy), "%")),
        ("Held-out accuracy as served", units.with_unit(_percent(model.served_accuracy), "%")),
        ("Training took", units.with_unit(model.trained_seconds, "s")),
        ("Hash", model.hash),
    )
    yield from ((name, value) for name, value in known if value and value != units.ABSENT)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _method(report: ReportInput) -> Iterator[tuple[str, str]]:
    plan, points = report.plan, report.result.points
    yield "Target", listed(plan.targets)
    yield "Scenario", plan.scenario
    yield "Arrivals", _arrivals(points)
    if plan.pairing is not None:
        yield "Variants", "; ".join(plan.pairing.texts())
    yield from settings_facts(plan)
    seconds = sorted({trial.seconds or plan.seconds for trial in plan.trials})
    measured = f"then {_range([units.duration(each) for each in seconds])} measured"
    yield "Each trial", f"{units.duration(plan.load.warmup_s)} of warm-up, {measured}"
    yield "Repeats", _repeats(plan)
    if plan.precision is not None:
        yield "Precision", f"throughput and p99 to \u00b1{percent(plan.precision)}"
    yield "Objective (SLO)", str(plan.slo) if plan.slo else "none given"
    yield "Time-out", units.duration(plan.load.timeout_s)
    yield "Load processes", str(plan.load_processes)
    yield "Isolation", report.isolation or ("requested" if plan.isolate else "none: target and load shared the machine")
    yield "Responses checked", _checked(plan, points)


def _arrivals(points: Sequence[PointMetrics]) -> str:
    kinds = list(dict.fromkeys(point.arrivals for point in points))
    words = {"closed": "closed loop: each user sends the next request after the last response"}
    return "; ".join(words.get(kind, f"open loop, {kind}: requests come whether or not responses do") for kind in kinds)


def _repeats(plan: Plan) -> str:
    if is_grid(plan):
        trials = f"{units.several(len(plan.trials), 'trial')} in shuffled blocks"
        return f"{trials_text(plan)} per point; {trials}, seed {plan.seed}"
    several = _range([str(count) for count in sorted(Counter(trial.point for trial in plan.trials).values())])
    return f"{several} per point; {trials_text(plan)}, seed {plan.seed}"


def _range(ascending: Sequence[str]) -> str:
    """`2 s`, or `1 to 13`; a dash where there is nothing."""
    if not ascending:
        return units.ABSENT
    return ascending[0] if ascending[0] == ascending[-1] else f"{ascending[0]} to {ascending[-1]}"


def settings_facts(plan: Plan | TrainingPlan) -> Iterator[tuple[str, str]]:
    """Which knobs were swept, set and left out."""
    swept = [
        f"{name} = {', '.join(dict.fromkeys(format_value(point.setting[name]) for point in plan.points))}"
        for name in plan.swept
    ]
    yield "Swept", "; ".join(swept) or "nothing: one setting"
    if plan.fixed:
        yield "Set", setting_text(plan.fixed)
    if plan.left_out:
        yield "Left out", "; ".join(plan.left_out)


def _checked(plan: Plan, points: Sequence[PointMetrics]) -> str:
    """How many responses were looked at, and by what."""
    checked = sum(point.counts.checked for point in points)
    responses = sum(point.counts.ok + point.counts.wrong for point in points)
    wrong = sum(point.counts.wrong for point in points)
    modes = ", ".join(dict.fromkeys(plan.load_at(point).check for point in plan.points))
    if modes == "off":
        return "none (--check off)"
    if not checked:
        return "none: no right response is known" if responses else "none: no good response came"
    if plan.own_requests:
        return f"{units.share(checked, responses)} by the tasks themselves; {units.count(wrong)} wrong"
    allowed = next((trial.tolerance for point in points for trial in point.trials if trial.tolerance), None)
    within = f" within {allowed[0]:g} relative + {allowed[1]:g} absolute" if allowed else ""
    known = "the responses of --bank" if plan.payloads else "the model\u2019s own prediction"
    against = [f"against {known}{within}"] if allowed or not plan.load.expect else []
    ways = [*(["by --expect"] if plan.load.expect else []), *against]
    return f"{units.share(checked, responses)} {listed(ways)} (--check {modes}); {units.count(wrong)} wrong"
