"""The texts of a run that measured a server: names and columns of its points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.conclusions.paired_sentences import power_sentence
from harness.judge.number_text import listed
from harness.judge.phrases import OF_ONE_REPEAT
from harness.plan.arrivals import Closed
from harness.plan.plan import first_look_seconds, trial_seconds
from reports import units
from reports.comparison import paired_lines
from reports.csv_columns import csv_columns
from reports.labels import load_label, load_number, point_label
from reports.text.run_texts import RunTexts, knob_columns, verdict_cell, with_interval
from reports.views.points_table import SLO_WORDS, why_missed

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.judge.metrics import PointMetrics
    from harness.plan.plan import Plan
    from reports.text.run_texts import Columns


TOKENS = "tokens/s"


def serving_texts(plan: Plan) -> RunTexts[PointMetrics]:
    """The texts of `plan`."""
    targets, models = listed(plan.targets), listed(plan.models or (plan.model,))
    return RunTexts(
        subject=", ".join(filter(None, (targets, models))),
        label=point_label,
        seconds=lambda point: point.seconds,
        limit=f"SLO: {plan.slo or ''}",
        keeps_limit=lambda point: point.meets_slo,
        properties={"target": targets, "model": models, "slo": str(plan.slo or "")},
        method=[
            f"Target {targets}",
            f"model {models}",
            f"{units.duration(plan.seconds)} per trial",
            trials_text(plan),
            *([OF_ONE_REPEAT] if is_grid(plan) and plan.repeats == 1 else []),
            *([f"objective {plan.slo}"] if plan.slo else []),
        ],
        plan_lines=_plan_lines(plan, f"{targets}, {models}, {plan.scenario}"),
        trial=lambda trial: plan.point(trial.point).slug,
        csv_columns=csv_columns(plan),
        terminal_columns=_terminal_columns(plan),
        not_narrow=frozenset({"p99 95 %", "batch"}),
        text_columns=frozenset({"SLO"}),
        result_lines=lambda result: paired_lines(plan, result.comparison) if result.comparison else (),
        markdown_columns={
            plan.rate_unit: lambda point: with_interval(units.estimate(point.rate)),
            **(_STREAM_COLUMNS if plan.rate_unit == TOKENS else {}),
            "p50 ms": lambda point: with_interval(units.latency(point.response.at(0.5))),
            "p99 ms": lambda point: with_interval(units.latency(point.response.at(0.99))),
            "service p99 ms": lambda point: units.latency(point.service.at(0.99))[0],
            "batch": lambda point: units.number(point.mean_batch),
            "failed": lambda point: units.count(point.counts.failed),
            "SLO": lambda point: _slo_cell(point, plan),
        },
    )


def _slo_cell(point: PointMetrics, plan: Plan) -> str:
    """`missed: 5 % failed`; the response times that miss it have columns of their own."""
    if plan.slo is None:
        return units.ABSENT
    return ": ".join(filter(None, (SLO_WORDS[point.meets_slo], why_missed(point, plan))))


def is_grid(plan: Plan) -> bool:
    """Whether all trials are planned before the first one."""
    return plan.pairing is None and not plan.capacity and plan.budget_seconds is None


def trials_text(plan: Plan) -> str:
    """`2 repeats` of each point of a grid, or `40 trials in blocks of both variants`."""
    if is_grid(plan):
        return f"{'at most ' if plan.precision is not None else ''}{units.several(plan.repeats, 'repeat')}"
    trials = units.several(len(plan.trials), "trial")
    if plan.pairing is not None:
        return f"{trials} in blocks of both variants"
    within = "" if plan.budget_seconds is None else f" within a budget of {units.duration(plan.budget_seconds)}"
    return f"{trials}{within}, each chosen by the results before it"


def _of_stream(kind: str, p: float) -> Callable[[PointMetrics], str]:
    return lambda point: units.latency(getattr(point.stream, kind).at(p) if point.stream else None)[0]


def _price(plan: Plan) -> Columns[PointMetrics]:
    return (
        {}
        if plan.price_per_hour is None
        else {"per million": lambda point: units.number(point.cost.price_per_million if point.cost else None)}
    )


_STREAM_COLUMNS: Columns[PointMetrics] = {
    "TTFT p90 ms": _of_stream("ttft", 0.9),
    "ITL p99 ms": _of_stream("itl", 0.99),
}


def _plan_lines(plan: Plan, what: str) -> list[str]:
    limits = [*([plan.slo] if plan.slo else []), *(plan.tune.keep if plan.tune else ())]
    lines = [
        f"{plan.name}: {what}",
        f"{_size(plan)}, seed {plan.seed}",
        f"objective: {', '.join(map(str, limits)) or 'none'}",
    ]
    if plan.pairing is not None:
        first, second = plan.pairing.texts()
        return [*lines, f"{second} against {first}", power_sentence(plan)]
    if plan.budget_seconds is None:
        return lines
    if plan.tune is not None:
        return [*lines, f"raises: {plan.tune.objective}"]
    first_s = first_look_seconds(plan)
    left = int((plan.budget_seconds - first_s) / trial_seconds(plan))
    rest = f"the rest, up to {units.several(left, 'trial')}, goes to the points that may be the best"
    return [*lines, f"budget: one trial of each takes about {units.duration(first_s)}; {rest}"]


def _size(plan: Plan) -> str:
    trial = f"{units.duration(plan.load.warmup_s)} + {units.duration(plan.seconds)}"
    points = units.several(len(plan.points), "point")
    if plan.pairing is not None:
        return f"{points} in blocks within {units.duration(plan.pairing.budget_s)}, in trials of {trial}"
    if plan.budget_seconds is not None:
        return f"{points} within {units.duration(plan.budget_seconds)}, in trials of {trial}"
    return f"{points} x {trials_text(plan)} = {units.several(len(plan.trials), 'trial')} of {trial}"


def _terminal_columns(plan: Plan) -> Columns[PointMetrics]:
    kinds = {isinstance(point.arrivals, Closed) for point in plan.points}
    loads: Columns[PointMetrics] = {
        "users" if True in kinds else "requested /s": lambda point: units.number(load_number(point), 4)
    }
    columns: Columns[PointMetrics] = {
        **(
            loads if len(kinds) < 2 else {"load": load_label}
        ),  # a capacity run begins with users and goes on with rates
        plan.rate_unit: lambda point: units.number(point.rate.value),
        **(_of_streams() if plan.rate_unit == TOKENS else _of_responses()),
        **_price(plan),
        "failed": lambda point: units.count(point.counts.failed),
        "verdict": verdict_cell,
    }
    return {**knob_columns(plan, columns), **columns}


def _of_streams() -> Columns[PointMetrics]:
    return {
        "each": lambda point: units.number(point.stream.tokens_per_s_of_stream if point.stream else None),
        "TTFT p90 ms": _of_stream("ttft", 0.9),
        "ITL p99 ms": _of_stream("itl", 0.99),
        "TPOT p50 ms": _of_stream("tpot", 0.5),
    }


def _of_responses() -> Columns[PointMetrics]:
    return {
        "p50 ms": lambda point: units.latency(point.response.at(0.5))[0],
        "p99 ms": lambda point: units.latency(point.response.at(0.99))[0],
        "p99 95 %": lambda point: units.latency(point.response.at(0.99))[1],
        "batch": lambda point: units.number(point.mean_batch),
    }
