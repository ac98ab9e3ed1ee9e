"""The page as data: every number rounded, every unit chosen, every text in its order. The template only places it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from harness.plan.knobs import format_value
from harness.plan.plan import TrialKind
from reports import units
from reports.labels import VERDICT_MEANING, point_label, verdict_counts
from reports.views.points_table import points_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judge.metrics import PointMetrics, Recommendation, RunResult
    from harness.plan.plan import Plan
    from harness.record.model_card import ModelCard
    from reports.report_input import ReportInput
    from reports.views.points_table import Table


@dataclass(frozen=True, slots=True)
class Figure:
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


@dataclass(frozen=True, slots=True)
class Page:
    """Everything a page says beside its charts, timelines and findings."""

    name: str
    subtitle: str
    sentence: str
    verdict: str
    verdict_words: str
    slo: str
    missing: tuple[str, ...]
    headline: tuple[Figure, ...]
    headline_of: str
    points: Table
    conserved: tuple[Conserved, ...]
    model: tuple[tuple[str, str], ...]
    method: tuple[tuple[str, str], ...]


def page(report: ReportInput) -> Page:
    """The view of a run."""
    plan, result = report.plan, report.result
    best = next((point for point in result.points if point.point == result.recommendation.best_point), None)
    if best is None and len(result.points) == 1:
        best = result.points[0]
    return Page(
        name=plan.name,
        subtitle=", ".join(part for part in (plan.target, plan.model, instant(report.started_at)) if part),
        sentence=result.recommendation.sentence,
        verdict=result.verdict.value,
        verdict_words=_verdict_words(result),
        slo=str(plan.slo) if plan.slo else "",
        missing=result.missing,
        headline=tuple(_headline(best, result.recommendation)) if best else (),
        headline_of=point_label(best) if best else "",
        points=points_table(result, plan),
        conserved=tuple(_conserved(result)),
        model=tuple(model_facts(_common(result.model, plan))),
        method=tuple(_method(report)),
    )


def _verdict_words(result: RunResult) -> str:
    counts = verdict_counts(result.points)
    if len({point.verdict for point in result.points}) > 1:
        return f"{counts}; the run\u2019s verdict is that of its answer"
    return f"{VERDICT_MEANING[result.verdict]}; {counts}"


def instant(iso: str) -> str:
    """`2026-11-24 04:12 UTC` of an ISO 8601 instant in UTC; any other text as it is."""
    return f"{iso[:10]} {iso[11:16]} UTC" if iso.endswith("+00:00") else iso


def _headline(point: PointMetrics, answer: Recommendation) -> Iterator[Figure]:
    value, interval = units.estimate(answer.rate_rps or point.throughput_rps)
    yield Figure("Throughput", value, "req/s", _notes(interval, "fresh trials only" if answer.rate_rps else ""))
    if answer.certainty is not None and answer.rate_rps is not None:
        yield Figure("Certainty", units.percent(100 * answer.certainty), "", ("of being within 2\u202f% of the best",))
    if answer.speedup is not None:
        value, interval = units.estimate(answer.speedup, 2)
        yield Figure("Over the baseline", f"{value}\u00d7", "", _notes(interval))
    for p in (0.5, 0.99):
        value, interval = units.milliseconds(point.response.at(p))
        service, _ = units.milliseconds(point.service.at(p))
        unit = "" if value == units.ABSENT else "ms"
        notes = _notes(interval, f"service {service}{units.THIN}ms" if service != units.ABSENT else "")
        yield Figure(f"{units.percentile_name(p)} response", value, unit, notes)
    if point.goodput_rps is not None:
        value, interval = units.estimate(point.goodput_rps)
        yield Figure("Goodput", value, "req/s", _notes(interval))
    if point.stream is not None:
        value, interval = units.estimate(point.stream.tokens_per_s)
        yield Figure("Tokens", value, "/s", _notes(interval))
        for kind, p in (("ttft", 0.9), ("itl", 0.99)):
            value, interval = units.milliseconds(getattr(point.stream, kind).at(p))
            unit = "" if value == units.ABSENT else "ms"
            yield Figure(f"{units.percentile_name(p)} {kind.upper()}", value, unit, _notes(interval))
    if point.mean_batch is not None:
        yield Figure("Mean batch", units.number(point.mean_batch), "requests")
    if point.usage.cpu_target_cores is not None:
        yield Figure("CPU of the target", units.number(point.usage.cpu_target_cores, 2), "cores")


def _notes(*texts: str) -> tuple[str, ...]:
    return tuple(text for text in texts if text)


def _conserved(result: RunResult) -> Iterator[Conserved]:
    names = ("scheduled", "sent", "not_sent", "ok", "wrong", "error", "timeout", "rejected", "aborted", "unknown")
    total = {name: sum(getattr(point.counts, name) for point in result.points) for name in names}
    for whole, parts in (("scheduled", ("sent", "not_sent")), ("sent", names[3:])):
        listed = " + ".join(f"{units.count(total[name])} {name.replace('_', ' ')}" for name in parts)
        holds = total[whole] == sum(total[name] for name in parts)
        sign = "=" if holds else "\u2260"
        yield Conserved(f"{units.count(total[whole])} {whole} {sign} {listed}", holds)


def _common(model: ModelCard | None, plan: Plan) -> ModelCard | None:
    """The card without what differs from point to point where the engine or its precision was swept."""
    if model is None or not {"engine", "precision"} & set(plan.swept):
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
    yield "Target", plan.target
    yield "Scenario", plan.scenario
    yield "Arrivals", _arrivals(points)
    yield "Swept", "; ".join(_swept(plan)) or "nothing: one setting"
    if plan.fixed:
        yield "Set", ", ".join(f"{name}={format_value(value)}" for name, value in plan.fixed.items())
    if plan.left_out:
        yield "Left out", "; ".join(plan.left_out)
    yield (
        "Each trial",
        f"{units.duration(plan.load.warmup_s)} of warm-up, then {units.duration(plan.seconds)} measured",
    )
    yield "Repeats", _repeats(plan)
    if plan.precision is not None:
        yield "Precision", f"throughput and p99 to \u00b1{units.percent(100 * plan.precision)}"
    yield "Objective (SLO)", str(plan.slo) if plan.slo else "none given"
    yield "Time-out", units.duration(plan.load.timeout_s)
    yield "Load processes", str(plan.load_processes)
    yield "Isolation", report.isolation or ("asked for" if plan.isolate else "none: target and load shared the machine")
    yield "Answers checked", _checked(plan, points)


def _repeats(plan: Plan) -> str:
    if plan.budget_seconds is None:
        most = "at most " if plan.precision is not None else ""
        return f"{most}{plan.repeats} per point; {len(plan.trials)} trials in shuffled blocks, seed {plan.seed}"
    fresh = sum(trial.kind is TrialKind.CONFIRM for trial in plan.trials)
    return (
        f"{len(plan.trials)} trials in shuffled blocks within a budget of {units.duration(plan.budget_seconds)}, most "
        f"of points that may be the best; {fresh} confirm those; seed {plan.seed}"
    )


def _arrivals(points: Sequence[PointMetrics]) -> str:
    kinds = list(dict.fromkeys(point.arrivals for point in points))
    words = {"closed": "closed loop: each user sends the next request when the last answer came"}
    return "; ".join(words.get(kind, f"open loop, {kind}: requests come whatever the answers do") for kind in kinds)


def _swept(plan: Plan) -> Iterator[str]:
    for name in plan.swept:
        values = dict.fromkeys(format_value(point.setting[name]) for point in plan.points)
        yield f"{name} = {', '.join(values)}"


def _checked(plan: Plan, points: Sequence[PointMetrics]) -> str:
    checked = sum(point.counts.checked for point in points)
    answers = sum(point.counts.ok + point.counts.wrong for point in points)
    wrong = sum(point.counts.wrong for point in points)
    if plan.load.check == "off":
        return "none (--check off)"
    compared = f"{units.share(checked, answers)} against the model\u2019s own prediction (--check {plan.load.check})"
    return f"{compared}; {units.count(wrong)} wrong"
