"""A training run from the command line: which knobs ask for one, its plan, its trials, its report."""

from __future__ import annotations

from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.cli.parts.run_frame import RunFrame, show_plan
from harness.errors import UserError, unknown_name
from harness.plan.load_knobs import LOAD_KNOBS
from harness.plan.option_text import names_of
from harness.plan.target_spec import known_targets
from harness.training.plan import DEFAULT_MODEL, DEFAULT_TARGET_ACCURACY, TrainingRequest, make_training_plan
from harness.training.run_dir import TrainingDir
from harness.training.trainer_spec import find_trainer, known_trainers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.run.events import Listener
    from harness.training.plan import TrainingPlan
    from reports.report_input import TrainingInput


def asks_for_training(words: Iterable[str]) -> bool:
    """Whether the knobs on the command line are those of training.

    Raises UserError where they are of both kinds: a model must be trained before it can be served.
    """
    names = names_of(words)
    training = {knob.name for spec in known_trainers().values() for knob in spec.knobs}
    offered = [LOAD_KNOBS, *(spec.knobs for spec in known_targets().values())]
    serving = {knob.name for knobs in offered for knob in knobs} - training
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


def training_plan(words: tuple[str, ...], seeds: int, given: dict[str, Any]) -> TrainingPlan:
    """The plan that the options amount to. Raises UserError."""
    target: float | None = given["target_accuracy"]
    return make_training_plan(
        TrainingRequest(
            words=words,
            trainer=find_trainer(),
            model=given["model"] or DEFAULT_MODEL,
            seeds=seeds,
            seed=given["seed"],
            target_accuracy=DEFAULT_TARGET_ACCURACY if target is None else target,
        )
    )


def train(plan: TrainingPlan, given: dict[str, Any]) -> int:
    """Run the plan, or print it with --dry-run. Returns the exit code."""
    from reports.text.terminal_text import plan_text

    if given["dry_run"]:
        return show_plan({"plan": plan}, plan_text(plan), as_json=given["as_json"])
    gated = given["target_accuracy"] is not None
    return TrainingRun.begin(plan, out=given["out"], gated=gated).measure(as_json=given["as_json"])


class TrainingRun(RunFrame[TrainingDir]):
    """A run that trains models."""

    folder_type = TrainingDir

    def run_trials(self, listener: Listener) -> None:
        """Fit what is left of the plan."""
        from harness.training.run import TrainingJob, run_training
        from reports.points_csv import append_point

        plan = self.folder.read().plan
        on_point = partial(append_point, self.folder.path, plan)
        run_training(TrainingJob(plan, self.folder, find_trainer(plan.trainer), listener, on_point))

    def has_data(self) -> bool:
        """Whether any epoch has ended."""
        return any(data.epochs for data in self.folder.data(self.folder.read().plan))

    def show(self, *, as_json: bool, ended: bool = True) -> int:
        """As any run, and say where the models are."""
        code = super().show(as_json=as_json, ended=ended)
        models = sorted(self.folder.path.glob("trials/*/*.keras"))
        if models and not as_json:
            others = f" (and {len(models) - 1} more beside it)" if len(models) > 1 else ""
            print(f"model{others}: {models[0]}; serve it with --model {models[0]}")
        return code

    def report(self) -> TrainingInput:
        """Judge everything that the folder holds."""
        from harness.training.training_summary import summarise_training
        from reports.report_input import TrainingInput

        record = self.folder.read()
        return TrainingInput(
            plan=record.plan,
            result=summarise_training(record.plan, self.folder.data(record.plan)),
            environment=record.environment.sections(),
            command_line=record.command_line,
            started_at=record.started_at,
            gated=record.gated,
        )
