"""Runs a search for the best setting. A setting that cannot be started, or whose target dies, is a result too."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import msgspec

from harness.errors import UserError
from harness.judge.number_text import figure
from harness.judge.phrases import level_text
from harness.judge.tuning.final import Final
from harness.judge.tuning.observations import COST, final_outcome, kept_figure, objective_of, observation_of, unit_of
from harness.plan.arrivals import Closed
from harness.plan.knobs import setting_text
from harness.plan.plan import TrialKind
from harness.run.adaptive_run import ChosenTrial, run_adaptive
from harness.run.budgeted_sweep_run import sweep_rules
from harness.run.failures import Failures
from harness.run.run_job import point_at
from harness.run.tune_plan import arrivals_at, space_of
from harness.run.tune_search import TuneRules, TuneSearch, TuneTrial
from harness.search.choice import Reason
from harness.system.blas_threads import one_blas_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from harness.judge.metrics import PointMetrics
    from harness.plan.plan import Plan, Point, Trial
    from harness.run.adaptive_run import MeasuredTrial
    from harness.run.run_job import RunJob

HOPELESS = 6  # settings that could not be served, one after the other from the first on, after which none will
NO_SAMPLE = "no sample of its process was taken on this machine"
UNKNOWN = {
    "accuracy": "how accurate these responses are (the payloads have no labels, or the responses name no class)",
    "memory_mb": f"how much memory the target takes ({NO_SAMPLE})",
    "cores": f"how many cores the target takes ({NO_SAMPLE})",
}


def run_tune(job: RunJob, keep_plan: Callable[[Plan], None]) -> None:
    """Run the search of `job.plan`; arguments and errors are those of `run_adaptive`."""
    failures = Failures(job.plan, most=HOPELESS, of_settings=True)
    with one_blas_thread():
        run_adaptive(job, _Search(job.plan, job.beside_s), failures, keep_plan)


class _Search:
    """A search for the best setting as a search of trials."""

    def __init__(self, plan: Plan, beside_s: float) -> None:
        self._space = space_of(plan)
        self._levels = plan.tune.levels if plan.tune else ()
        self._final = Final(self._changes, plan.seed)
        rules = _rules(plan, beside_s)
        self._tuning = TuneSearch(self._space, self._levels, rules, self._final.stands, self._final.named)
        self._points: dict[int, PointMetrics] = {}
        self._of_number: dict[int, Point] = {}
        self._in_final = False

    @property
    def left_s(self) -> float:
        """What is left of the budget."""
        return self._tuning.left_s

    def next(self, plan: Plan) -> ChosenTrial | None:
        """The next trial, of a point that the plan has or of a new one."""
        trial = self._tuning.next()
        if trial is None:
            return None
        known = plan if plan.trials else msgspec.structs.replace(plan, points=())  # it came with some load
        point = point_at(known, self._space.setting(trial.setting), arrivals_at(plan, trial.level))
        return ChosenTrial(point, trial.seconds, trial.kind, trial.block, _why(trial))

    def observe(self, done: MeasuredTrial) -> None:
        """Learn from a trial, of the search or of its final."""
        plan, trial, point = done.plan, done.trial, done.plan.point(done.trial.point)
        self._points[trial.point], self._of_number[trial.point] = done.point, point
        place = self._number(point), self._level(point)
        require_figures(plan, self._points.values())
        seconds = trial.seconds or plan.seconds
        tried = TuneTrial(*place, trial.kind or TrialKind.EXPLORE, trial.block, seconds, Reason.SCREEN)
        if trial.kind is TrialKind.CONFIRM:
            outcome = final_outcome(plan, done.point, done.metrics, done.spent_s)
            self._tuning.observe_final(tried, outcome)
            self._final.add(trial.point, trial.block, seconds, outcome)
        else:
            self._tuning.observe(tried, observation_of(plan, done.point, done.metrics, place), done.spent_s)

    def name(self, plan: Plan, trial: Trial) -> str:
        """`batch_size=64, 32 users (screen)`."""
        return f"{self._text(plan.point(trial.point))} ({trial.why})"

    def announcement(self, plan: Plan, trial: Trial) -> str | None:
        """Where a final begins: how many settings were tried."""
        before, self._in_final = self._in_final, trial.kind is TrialKind.CONFIRM
        if before or not self._in_final:
            return None
        tried = len({tuple(point.setting.items()) for point in plan.points})
        return f"{tried} of {len(self._space)} settings were tried; the best of them now get fresh trials"

    def remark(self, plan: Plan) -> str:
        """The setting that the model of all trials expects to be best, and what its own trials measured."""
        best = self._tuning.search.best()
        if best is None:
            return "; none keeps the limit so far"
        point = point_at(plan, self._space.setting(best[0]), arrivals_at(plan, best[1]))
        if point.number not in self._points:
            return ""
        rate = objective_of(self._points[point.number], plan).value
        return f"; expected best so far: {self._text(point)}, measured {figure(rate, 3)} {unit_of(plan)}"

    def _text(self, point: Point) -> str:
        """`batch_size=64, 32 users`: what differs from the default."""
        changed = self._space.changed(self._number(point))
        words = setting_text({name: point.setting[name] for name in changed}) or "default"
        return f"{words}, {level_text(point)}"

    def _changes(self, point: int) -> int:
        return len(self._space.changed(self._number(self._of_number[point])))

    def _number(self, point: Point) -> int:
        """The number of its setting. Raises UserError where a run that goes on knows a setting that is none now."""
        try:
            return self._space.number_of(point.setting)
        except (KeyError, ValueError):
            raise UserError(
                f"--resume: {setting_text(point.setting)} was measured and is no possible setting any more: the "
                "target's knobs have changed since; begin a new run"
            ) from None

    def _level(self, point: Point) -> int:
        arrivals = point.arrivals
        value = arrivals.users if isinstance(arrivals, Closed) else getattr(arrivals, "rate_rps", 0.0)
        return self._levels.index(float(value))


def require_figures(plan: Plan, points: Collection[PointMetrics]) -> None:
    """Raise UserError where the search asks for a figure of good responses, and none of the points has it."""
    good = [point for point in points if point.counts.ok]
    if plan.tune is None or not good:
        return

    def unknown(metric: str) -> bool:
        return all(kept_figure(metric, point) is None for point in good)

    for bound in plan.tune.keep:
        if unknown(bound.metric):
            raise UserError(f"--keep {bound}: nothing says {UNKNOWN[bound.metric]}; leave the bound out")
    if plan.tune.objective == COST and unknown("cores"):
        raise UserError(f"--objective {COST}: nothing says {UNKNOWN['cores']}; choose another objective")


def _why(chosen: TuneTrial) -> str:
    gain = "" if chosen.gain is None else f", expected gain {figure(100 * chosen.gain, 2)} %"
    return f"{chosen.reason}{gain}"


def _rules(plan: Plan, beside_s: float) -> TuneRules:
    return TuneRules(
        **asdict(sweep_rules(plan, beside_s)),
        search=plan.tune.search if plan.tune else "model",
        closed=isinstance(plan.points[0].arrivals, Closed),
        limited=plan.slo is not None or bool(plan.tune and plan.tune.keep),
    )
