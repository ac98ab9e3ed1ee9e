"""What `sweep`, `run` and `report` do once their options are read: prepare, measure, judge, show."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from harness.cli.parts.progress import listening
from harness.cli.parts.run_frame import begin, measure, warn_of_another_machine
from harness.cpu_cores import plan_isolation
from harness.errors import ExitCode, UserError, unknown_name
from harness.judge.evaluation import evaluate
from harness.judge.findings import Verdict
from harness.measure.load_command import worker_command
from harness.measure.target.session import open_session
from harness.plan.make_plan import estimated_seconds, make_plan, model_of
from harness.plan.request_mix import CHAT
from harness.plan.scenario import read_scenario
from harness.record.run_dir import RunDir, RunRecord
from harness.record.run_folder import pretty, write_whole
from harness.run.capacity import run_capacity
from harness.run.events import Note, progress_events
from harness.run.sweep import SweepJob, run_sweep
from harness.wire.protocols import OPENAI

if TYPE_CHECKING:
    from pathlib import Path

    from harness.judge.metrics import ModelCard, RunResult
    from harness.plan.make_plan import Request
    from harness.plan.plan import Plan
    from harness.plan.scenario import Scenario
    from harness.run.events import Listener
    from reports import ReportInput


def dry_run(request: Request, *, as_json: bool) -> int:
    """Print the plan and how long it will take."""
    from reports.terminal_text import plan_text

    plan = _checked_plan(request)
    seconds = estimated_seconds(plan, request.spec.knobs if request.spec else None)
    if as_json:
        import msgspec

        print(msgspec.json.encode({"plan": plan, "estimated_seconds": seconds}).decode())
    else:
        print(plan_text(plan, seconds))
    return ExitCode.OK


def start(request: Request, *, out: str | None, gated: bool, as_json: bool) -> int:
    """Run a new plan into a new folder, then judge and show it."""
    from harness.record.envelope import kept

    folder, record = begin(RunDir.create, RunRecord, _checked_plan(request), out=out, gated=gated)
    folder.write(record)
    if envelope := kept(record.environment.fingerprint):
        write_whole(folder.envelope, pretty(envelope))
    return _measure(folder, record, as_json=as_json)


def resume(path: Path, *, as_json: bool) -> int:
    """Run what is left of an earlier plan, then judge and show all of it."""
    from harness.measure.samplers.gpu import describe_gpus
    from harness.record.environment import capture

    folder = RunDir.open(path, "--resume")
    record = folder.read()
    warn_of_another_machine(record.environment, capture(describe_gpus()))
    return _measure(folder, record, as_json=as_json)


def report(path: Path, *, as_json: bool) -> int:
    """Judge and show what the folder holds."""
    folder = RunDir.open(path, "DIR")
    record = folder.read()
    result = _show(folder, record, as_json=as_json)
    return _exit_code(result, record)


def _measure(folder: RunDir, record: RunRecord, *, as_json: bool) -> int:
    def run() -> None:
        with listening() as listener:
            _run(folder, record.plan, listener)

    def show() -> int:
        # What was recorded meanwhile, the model's card for one, is in the folder.
        recorded = folder.read()
        return _exit_code(_show(folder, recorded, as_json=as_json), recorded)

    return measure(folder, run=run, anything=lambda: any(folder.evidence(record.plan)), show=show)


def _run(folder: RunDir, plan: Plan, listener: Listener) -> None:
    from reports.points_csv import append_point

    for reason in plan.left_out:
        listener(Note(f"left out: {reason}"))
    isolation = plan_isolation(isolate=plan.isolate and not plan.in_process, load_processes=plan.load_processes)
    session = open_session(plan, isolation, progress_events(listener))
    try:
        keep = partial(
            _keep,
            folder,
            isolation=isolation.text,
            isolated=isolation.isolated,
            target_cores=len(isolation.target_cores),
        )
        keep()
        on_point = partial(append_point, folder.path, plan)
        if plan.remote_workers:
            several = "s" if plan.remote_workers > 1 else ""
            start = f"on the machine of each: {worker_command(plan)}"
            listener(Note(f"waiting for {plan.remote_workers} worker{several}; {start}"))
        job = SweepJob(plan, folder, session, isolation, listener, on_point)
        if plan.capacity:
            run_capacity(job, lambda longer: keep(plan=longer))
        else:
            run_sweep(job)
    finally:
        folder.write(_with_cards(folder.read(), session.cards))
        session.close()


def _keep(folder: RunDir, **changes: Any) -> None:
    """Write what has become known into the run's record."""
    import msgspec

    folder.write(msgspec.structs.replace(folder.read(), **changes))


def write(folder: RunDir, record: RunRecord) -> ReportInput:
    """Judge what the folder holds and write its reports."""
    from reports import ReportInput, write_reports

    shown = ReportInput(
        plan=record.plan,
        result=evaluate(folder, record),
        environment=record.environment.sections(),
        command_line=record.command_line,
        started_at=record.started_at,
        isolation=record.isolation,
        gated=record.gated,
    )
    write_reports(folder.path, shown)
    return shown


def _show(folder: RunDir, record: RunRecord, *, as_json: bool) -> RunResult:
    """Write the reports and print the answer; the page's path comes last."""
    import msgspec

    from reports.terminal_text import result_text

    shown = write(folder, record)
    if as_json:
        print(msgspec.json.encode({"run_dir": str(folder.path), "result": shown.result}).decode())
    else:
        print(result_text(shown))
        print(f"report: {folder.path / 'report.html'}")
    return shown.result


def _exit_code(result: RunResult, record: RunRecord) -> int:
    if result.verdict is Verdict.INVALID:
        return ExitCode.INVALID
    if record.gated and not any(point.meets_slo for point in result.points):
        return ExitCode.SLO_MISSED
    return ExitCode.OK


def _checked_plan(request: Request) -> Plan:
    scenario = read_scenario(request.scenario)
    _refuse_what_cannot_talk(request, scenario)
    model = model_of(request, scenario)
    if request.spec and model not in request.spec.models:
        raise unknown_name(f"model of {request.target}", model, request.spec.models)
    return make_plan(request, scenario)


def _refuse_what_cannot_talk(request: Request, scenario: Scenario) -> None:
    """Raise UserError where a scenario that chats has a target that does not, or the other way round."""
    chats = CHAT in scenario.verbs(set(scenario.classes))
    if request.spec is None or chats == (request.spec.protocol == OPENAI):
        return
    if chats:
        raise UserError(
            f"--target {request.target}: it does not chat; leave --target out, or choose another --scenario"
        )
    raise UserError(f"--target {request.target}: it chats, and {request.scenario} does not; add --scenario agent")


def _with_cards(record: RunRecord, cards: dict[str, ModelCard]) -> RunRecord:
    """The record with the models that were served; those of an earlier part of the run stay."""
    import msgspec

    known = {card.name: card for card in (*record.models, *cards.values())}
    model = known.get(record.plan.model) or next(iter(known.values()), record.model)
    return msgspec.structs.replace(record, model=model, models=tuple(known.values()))
