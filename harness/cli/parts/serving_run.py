"""A run of a server from the command line: its plan, its trials, its report."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from harness.cli.parts.command_line import seconds_since_start
from harness.cli.parts.run_frame import RunFrame, show_plan
from harness.cli.parts.system_limits import too_few_cores
from harness.errors import SweepspotError
from harness.files import pretty, write_whole
from harness.judge.run_summary import evaluate
from harness.judge.trial_summary import TrialSummaries
from harness.measure.forks.fork_server import trial_forks
from harness.measure.load.locust.workers.worker_secret import PAIRING, new_secret
from harness.measure.load_command import worker_command
from harness.measure.target.prepared_model import prepare_bank
from harness.measure.target.session import open_session
from harness.plan.option_text import seconds_text
from harness.plan.plan import first_look_seconds
from harness.plan.plan_draft import estimated_seconds
from harness.plan.target_spec import RecipeTarget, UrlTarget, find_target, is_model_file, is_url
from harness.record.run_dir import RunDir
from harness.run.budgeted_sweep_run import run_budgeted_sweep
from harness.run.capacity_run import checked_capacity_plan, run_capacity
from harness.run.events import Note, progress_events
from harness.run.grid_run import run_grid
from harness.run.paired_run import run_paired
from harness.run.run_job import RunJob
from harness.run.tune_run import run_tune
from harness.system.cpu_cores import NOT_KEPT, NOT_SEEN, NOT_STARTED, plan_isolation
from harness.system.named_secrets import hidden_query_secrets
from harness.wire.credentials import add_headers

if TYPE_CHECKING:
    from harness.measure.forks.fork_server import TrialForks
    from harness.measure.target.session import Session
    from harness.plan.plan import BasePlan, Plan
    from harness.plan.plan_draft import Draft
    from harness.record.model_card import ModelCard
    from harness.record.run_dir import RunRecord
    from harness.run.events import Listener
    from harness.system.cpu_cores import Isolation
    from reports.report_input import ReportInput


# What judging and reports import, which takes longer than a short trial.
_AHEAD = ("pyarrow.parquet", "pyarrow.dataset", "scipy.optimize", "jinja2", "matplotlib.figure", "reports.charts")
REPORT_S = 2.0  # what the reports of a run take


def run_or_plan(draft: Draft, plan: Plan, given: dict[str, Any], *, gated: bool) -> int:
    """Run the plan of a draft, or print it with --dry-run. Returns the exit code. Raises UserError."""
    from reports.text.terminal_text import plan_text

    _say_budget(draft, plan)
    if given.get("dry_run"):
        seconds = estimated_seconds(plan, None if isinstance(draft.spec, UrlTarget) else draft.spec.knobs)
        document = {"plan": plan, "estimated_seconds": seconds}
        return show_plan(document, plan_text(plan, seconds), as_json=given["as_json"])
    if draft.spec.models:
        for name in filter(is_model_file, plan.models):
            prepare_bank(name)  # reads the user's own model file, once, before a run begins
    run = ServingRun.begin(plan, out=given["out"], gated=gated and plan.slo is not None)
    return run.measure(as_json=given["as_json"])


def _say_budget(draft: Draft, plan: Plan) -> None:
    """Print where a default budget has grown, and where one start of the target may take longer than the budget."""
    budget_s = plan.budget_seconds
    if budget_s is None:
        return
    if budget_s != draft.plan.budget_seconds:
        look_s = math.ceil(first_look_seconds(plan))
        print(f"a look at each of {len(plan.points)} points takes about {look_s} s: the budget is "
              f"{seconds_text(budget_s)}; --budget gives another", file=sys.stderr)  # fmt: skip
    if isinstance(draft.spec, RecipeTarget) and draft.spec.recipe.ready.timeout_s > budget_s:
        recipe = draft.spec.recipe
        print(f"ready.timeout_s in {recipe.path} lets one start take {seconds_text(recipe.ready.timeout_s)}, longer "
              f"than the budget of {seconds_text(budget_s)}; --budget gives another", file=sys.stderr)  # fmt: skip


class ServingRun(RunFrame[RunDir]):
    """A run that measures a server."""

    folder_type = RunDir

    def __init__(self, folder: RunDir) -> None:
        super().__init__(folder)
        self._summaries = TrialSummaries(folder)

    @classmethod
    def begin(cls, plan: BasePlan[Any], *, out: str | None, gated: bool) -> Self:
        """As any run; what a load process can do on this machine is kept in the folder, where that was calibrated."""
        from harness.record.machine.envelope import kept

        run = super().begin(plan, out=out, gated=gated)
        if envelope := kept(run.folder.read().environment.fingerprint):
            write_whole(run.folder.envelope, pretty(envelope))
        return run

    def run_trials(self, listener: Listener) -> None:
        """Start the target and run what is left of the plan against it."""
        plan = self.folder.read().plan
        for reason in plan.left_out:
            listener(Note(f"left out: {reason}"))
        _add_headers_of_recipe(plan)
        isolation = _isolation_of(plan)
        with trial_forks(isolation, _AHEAD) as forks:  # they import while the target starts
            session = open_session(plan, isolation, progress_events(listener))
            self._run_against(session, isolation, listener, forks)

    def _run_against(
        self, session: Session, isolation: Isolation, listener: Listener, forks: TrialForks | None
    ) -> None:
        """Run what is left of the plan against `session`, and close it."""
        from reports.points_csv import append_point

        plan = self.folder.read().plan
        try:
            few = too_few_cores(plan, isolation)
            text = f"{isolation.text} {few}".strip()
            self._keep(isolation=text, isolated=isolation.isolated, target_cores=len(isolation.target_cores) or None)
            if few:
                listener(Note(few))
            if plan.remote_workers:
                several = "s" if plan.remote_workers > 1 else ""
                start = f"on the machine of each: {worker_command(plan)}"
                listener(Note(f"waiting for {plan.remote_workers} worker{several}; {start}"))
                secret = os.environ.setdefault(PAIRING, new_secret())  # the load process inherits it
                listener(Note(f"they ask for the pairing secret, which is in no file: {secret}"))
            on_point = partial(append_point, self.folder.path, _to_show(self.folder.read()).plan)
            beside_s = seconds_since_start() + REPORT_S
            job = RunJob(plan, self.folder, session, isolation, listener, on_point, self._summaries, forks, beside_s)
            if plan.tune is not None:
                run_tune(job, lambda longer: self._keep(plan=longer))
            elif plan.pairing is not None:
                run_paired(job, lambda longer: self._keep(plan=longer))
            elif plan.capacity:
                run_capacity(job, lambda longer: self._keep(plan=longer))
            elif plan.budget_seconds is not None:
                run_budgeted_sweep(job, lambda longer: self._keep(plan=longer))
            else:
                run_grid(job)
        except BaseException:
            with contextlib.suppress(SweepspotError):  # what ended the trials is to be said, not what follows from it
                self._keep_found(session, isolation)
            raise
        else:
            self._keep_found(session, isolation)
        finally:
            session.close()

    def _keep_found(self, session: Session, isolation: Isolation) -> None:
        """Keep the models that were served; and take back that the target had cores of its own where that is not so."""
        self.folder.write(_with_cards(self.folder.read(), session.cards))
        if not isolation.isolated:
            return
        records = (folder.read() for _, _, folder in self.folder.trials(self.folder.read().plan))
        known = {record.isolated for record in records if record is not None and record.target_url}
        if known and True not in known:
            kept = isolation.of_load(NOT_KEPT, isolated=False) if False in known else isolation.of_load(NOT_SEEN)
            self._keep(isolation=kept.text, isolated=kept.isolated, target_cores=None)

    def _keep(self, **changes: Any) -> None:
        """Write what has become known into the run's record."""
        import msgspec

        self.folder.write(msgspec.structs.replace(self.folder.read(), **changes))

    def set_budget(self, seconds: float) -> None:
        """Let a run with a budget go on until `seconds` are spent.

        Raises UserError for a grid, which has none, and for one that is too short for any search.
        """
        from msgspec.structs import replace

        plan = self.folder.read().plan
        if plan.pairing is not None:
            plan = replace(plan, pairing=replace(plan.pairing, budget_s=seconds))
        elif plan.capacity:
            plan = checked_capacity_plan(replace(plan, capacity_budget_s=seconds))
        elif plan.budget_seconds is not None:
            plan = replace(plan, budget_seconds=seconds)
        else:
            super().set_budget(seconds)
        self._keep(plan=plan)

    def has_data(self) -> bool:
        """Whether any trial has begun."""
        return self.folder.has_trials(self.folder.read().plan)

    def report(self) -> ReportInput:
        """Judge everything that the folder holds."""
        from reports.report_input import ReportInput

        record = _to_show(self.folder.read())  # as it is now: the model's card may have been added by the trials
        return ReportInput(
            plan=record.plan,
            result=evaluate(record, self._summaries),
            environment=record.environment.sections(),
            command_line=record.command_line,
            started_at=record.started_at,
            isolation=record.isolation,
            gated=record.gated,
        )


def _isolation_of(plan: Plan) -> Isolation:
    """How the cores of this machine are divided for the plan; only servers that are started here are given any."""
    import msgspec

    isolation = plan_isolation(isolate=plan.isolate and not plan.in_process, load_processes=plan.load_processes)
    elsewhere = [is_url(target) for target in plan.targets]
    if all(elsewhere):
        return isolation.of_load()
    if any(elsewhere):
        return msgspec.structs.replace(isolation, text=f"{isolation.text} The server by URL {NOT_STARTED}.")
    return isolation


def _add_headers_of_recipe(plan: Plan) -> None:
    """Put the headers of the target's recipe beside those of the command line, which win. Raises UserError.

    Where two targets are compared there are none: one would get the secrets of the other.
    """
    spec = find_target(plan.target)
    if isinstance(spec, RecipeTarget) and len(plan.targets) == 1:
        recipe = spec.recipe
        add_headers(recipe.request.lines, f"{recipe.path}: header", recipe.folder)


def _to_show(record: RunRecord) -> RunRecord:
    """The record without the secrets in the URLs of runs of earlier versions, which stored them."""
    from msgspec.structs import replace

    plan = replace(record.plan, target=hidden_query_secrets(record.plan.target))
    if plan.pairing is not None:
        one, two = (
            replace(each, name=hidden_query_secrets(each.name), target=hidden_query_secrets(each.target))
            for each in plan.pairing.variants
        )
        plan = replace(plan, pairing=replace(plan.pairing, variants=(one, two)))
    return replace(record, plan=plan, command_line=hidden_query_secrets(record.command_line))


def _with_cards(record: RunRecord, cards: dict[str, ModelCard]) -> RunRecord:
    """The record with the models that were served; those of an earlier part of the run stay."""
    import msgspec

    known = {card.name: card for card in (*record.models, *cards.values())}
    model = known.get(record.plan.model) or next(iter(known.values()), record.model)
    return msgspec.structs.replace(record, model=model, models=tuple(known.values()))
