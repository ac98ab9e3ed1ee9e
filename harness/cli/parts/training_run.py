"""What `train`, and `sweep` and `report` of training knobs, do once their options are read."""

from __future__ import annotations

from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.cli.parts.run_frame import begin, measure, warn_of_another_machine
from harness.errors import ExitCode, UserError, unknown_name
from harness.judge.findings import Verdict
from harness.plan.load_knobs import LOAD_KNOBS
from harness.plan.target_spec import known_targets
from harness.training.plan import DEFAULT_MODEL, DEFAULT_TARGET_ACCURACY, TrainingRequest, make_training_plan
from harness.training.run_dir import TrainingDir, TrainingRecord
from harness.training.trainer_spec import find_trainer, known_trainers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.plan.knobs import KnobSet
    from harness.training.metrics import TrainingResult


def asks_for_training(words: Iterable[str]) -> bool:
    """Whether the knobs on the command line are those of training.

    Raises UserError where they are of both kinds: what is trained has to be trained before it can be served.
    """
    names = [word.partition("=")[0] for word in words]
    training = {knob.name for spec in known_trainers().values() for knob in spec.knobs}
    serving = {knob.name for knobs in (LOAD_KNOBS, *_knobs_of_targets()) for knob in knobs} - training
    unknown = next((name for name in names if name not in (*training, *serving)), None)
    if unknown is not None and training.intersection(get_close_matches(unknown, training | serving, n=1)):
        raise unknown_name("knob", unknown, training | serving)
    trained = [name for name in names if name in training]
    served = [name for name in names if name in serving]
    if trained and served:
        raise UserError(
            f"{trained[0]} is a knob of training and {served[0]} one of serving: a run turns one kind; "
            f"first `sweep {trained[0]}`, then `sweep {served[0]}`"
        )
    return bool(trained)


def _knobs_of_targets() -> list[KnobSet]:
    return [spec.knobs for spec in known_targets().values()]


def make_training_request(words: tuple[str, ...], seeds: int, given: dict[str, Any]) -> TrainingRequest:
    """The request that the options amount to. Raises UserError."""
    target: float | None = given["target_accuracy"]
    return TrainingRequest(
        words=words,
        trainer=find_trainer(),
        model=given["model"] or DEFAULT_MODEL,
        seeds=seeds,
        seed=given["seed"],
        target_accuracy=DEFAULT_TARGET_ACCURACY if target is None else target,
    )


def dry_run(request: TrainingRequest, *, as_json: bool) -> int:
    """Print the plan."""
    from reports.training.text import plan_text

    plan = make_training_plan(request)
    if as_json:
        import msgspec

        print(msgspec.json.encode({"plan": plan}).decode())
    else:
        print(plan_text(plan))
    return ExitCode.OK


def start(request: TrainingRequest, *, out: str | None, gated: bool, as_json: bool) -> int:
    """Run a new plan into a new folder, then judge and show it."""
    plan = make_training_plan(request)
    folder, record = begin(TrainingDir.create, TrainingRecord, plan, out=out, gated=gated)
    folder.write(record)
    return _measure(folder, record, as_json=as_json)


def resume(path: Path, *, as_json: bool) -> int:
    """Run what is left of an earlier plan, then judge and show all of it."""
    from harness.measure.samplers.gpu import describe_gpus
    from harness.record.environment import capture

    folder = TrainingDir.open(path, "--resume")
    record = folder.read()
    warn_of_another_machine(record.environment, capture(describe_gpus()))
    return _measure(folder, record, as_json=as_json)


def report(path: Path, *, as_json: bool) -> int:
    """Judge and show what the folder holds."""
    folder = TrainingDir.open(path, "DIR")
    return _show(folder, folder.read(), as_json=as_json)


def _measure(folder: TrainingDir, record: TrainingRecord, *, as_json: bool) -> int:
    from harness.cli.parts.progress import listening
    from harness.training.run import TrainingJob, run_training
    from reports.training.points import append_point

    plan = record.plan

    def run() -> None:
        on_point = partial(append_point, folder.path, plan)
        try:
            with listening() as listener:
                run_training(TrainingJob(plan, folder, find_trainer(plan.trainer), listener, on_point))
        except UserError:  # one value does not fit: what the others brought is shown first
            if anything():
                show()
            raise

    def anything() -> bool:
        return any(evidence.epochs for evidence in folder.evidence(plan))

    def show() -> int:
        return _show(folder, record, as_json=as_json)

    return measure(folder, run=run, anything=anything, show=show)


def _show(folder: TrainingDir, record: TrainingRecord, *, as_json: bool) -> int:
    """Write the reports and print the answer; the page's path comes last."""
    import msgspec

    from harness.training.summarise import summarise_training
    from reports.training import TrainingInput, write_training_reports
    from reports.training.text import result_text

    result = summarise_training(record.plan, folder.evidence(record.plan))
    shown = TrainingInput(
        plan=record.plan,
        result=result,
        environment=record.environment.sections(),
        command_line=record.command_line,
        started_at=record.started_at,
        gated=record.gated,
    )
    write_training_reports(folder.path, shown)
    if as_json:
        print(msgspec.json.encode({"run_dir": str(folder.path), "result": result}).decode())
    else:
        print(result_text(shown))
        print(f"report: {folder.path / 'report.html'}")
    return _exit_code(result, record)


def _exit_code(result: TrainingResult, record: TrainingRecord) -> int:
    if result.verdict is Verdict.INVALID:
        return ExitCode.INVALID
    if record.gated and not any(point.meets_target for point in result.points):
        return ExitCode.SLO_MISSED
    return ExitCode.OK
