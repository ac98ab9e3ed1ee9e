"""Options beside --resume: each is used, or refused in one line."""

import importlib
from contextlib import nullcontext

import click
import msgspec
import pytest
from click.testing import CliRunner
from example_runs import MODEL, point_of

from harness.cli.main import VERBS, module_of
from harness.cli.parts.open_run import resume_run
from harness.cli.parts.plan_request import BESIDE_RESUME, refuse_beside_resume
from harness.cli.parts.serving_run import ServingRun
from harness.errors import UserError
from harness.judge.findings import Verdict
from harness.judge.run_result import Recommendation, RunResult
from harness.plan.arrivals import Closed
from harness.plan.load_settings import LoadSettings
from harness.plan.paired.pairing import Pairing, Variant
from harness.plan.plan import Plan, Point, TuneSpace
from harness.record.machine.environment import capture
from harness.record.run_dir import RunDir, RunRecord
from harness.training.plan import TrainingPlan
from harness.training.run_dir import TrainingDir, TrainingRecord
from harness.wire.credentials import HEADERS
from reports import ReportInput

pytestmark = pytest.mark.process  # the environment that a record names is asked of programs

POINTS = (Point(number=0, setting={}, arrivals=Closed(users=1)),)
VARIANTS = (Variant(name="A", target="t", setting={}, model="m"), Variant(name="B", target="t", setting={}, model="m"))
OF_PLAN = {
    "a sweep": {"budget_seconds": 60.0},
    "tune": {"budget_seconds": 60.0, "tune": TuneSpace(values={}, levels=(1.0,))},
    "capacity": {"capacity": True},
    "two variants": {"pairing": Pairing(variants=VARIANTS, margin=0.05, budget_s=60.0)},
}
RESUMING = [name for name in VERBS if any(
    option.name == "resume" for option in importlib.import_module(module_of(name)).command.params)]  # fmt: skip


def recorded(folder, record_type, plan):
    folder.write(record_type(plan=plan, command_line="", started_at="2026-01-01T00:00:00+00:00", harness_version="0",
                             environment=capture()))  # fmt: skip
    return folder.path


def serving(tmp_path, **more):
    plan = Plan(target="t", scenario="s.py", points=POINTS, load=LoadSettings(measure_s=1.0), **more)
    return recorded(RunDir.create(tmp_path / "run"), RunRecord, plan)


@pytest.mark.parametrize("kind", OF_PLAN)
def test_a_run_with_a_budget_gets_another(tmp_path, kind):
    run = ServingRun.open(serving(tmp_path, **OF_PLAN[kind]), "--resume")
    run.set_budget(480.0)
    plan = run.folder.read().plan
    found = {
        "capacity": plan.capacity_budget_s,
        "two variants": plan.pairing and plan.pairing.budget_s,
    }.get(kind, plan.budget_seconds)
    assert found == 480.0


def test_a_grid_has_no_budget_and_says_so(tmp_path):
    with pytest.raises(UserError, match=r"^--budget 480s: the run in .* has none"):
        ServingRun.open(serving(tmp_path), "--resume").set_budget(480.0)


@pytest.mark.parametrize("verb", RESUMING)
def test_every_option_that_a_resumed_run_does_not_use_is_refused(verb, tmp_path):
    command = importlib.import_module(module_of(verb)).command
    for option in command.params:
        with click.Context(command) as context:
            context.set_parameter_source(option.name, click.core.ParameterSource.COMMANDLINE)
            used = option.name in BESIDE_RESUME
            with nullcontext() if used else pytest.raises(UserError, match="a run that goes on keeps its own plan"):
                refuse_beside_resume()
    done = CliRunner().invoke(command, ["--resume", str(tmp_path), "--out", "elsewhere"])
    assert str(done.exception).startswith("--out: a run that goes on keeps its own plan")


def test_a_training_run_takes_no_option_of_requests_and_no_budget(tmp_path):
    plan = TrainingPlan(name="train", trainer="keras", model="m", points=(), trials=(), seed=1, epochs=(), seeds=1)
    path = recorded(TrainingDir.create(tmp_path / "run"), TrainingRecord, plan)
    command = importlib.import_module(module_of("sweep")).command
    for words, says in (
        (("--budget", "8m"), "--budget 480s: the run in"),
        (("--header", "A: b"), "--header: the run in "),
    ):
        done = CliRunner().invoke(command, ["--resume", str(path), *words])
        assert isinstance(done.exception, UserError)
        assert str(done.exception).startswith(says)


def test_headers_whose_values_are_not_stored_are_asked_for_again(tmp_path, monkeypatch):
    monkeypatch.delenv(HEADERS, raising=False)
    path = serving(tmp_path)
    folder = RunDir(path)
    began = "python -m harness sweep x --header 'X-Key: ...' --header 'X-Team: $TEAM' --out run"
    folder.write(msgspec.structs.replace(folder.read(), command_line=began))
    again = r"give again --header 'X-Key: \.\.\.' --header 'X-Team: \$TEAM'"
    with click.Context(click.Command("sweep")), pytest.raises(UserError, match=again):
        resume_run(path, as_json=False)


@pytest.mark.parametrize(("began", "resumes"), [("tune", "tune"), ("capacity", "capacity"), ("run", "sweep")])
def test_a_run_goes_on_with_the_command_that_began_it(tmp_path, began, resumes):
    path = serving(tmp_path)
    folder = RunDir(path)
    folder.write(msgspec.structs.replace(folder.read(), command_line=f"python -m harness {began} a=1"))
    assert ServingRun.open(path, "DIR").resuming == f"python -m harness {resumes}"


class Undecided(ServingRun):
    """A search that cannot say anything yet; `end` ends its trials."""

    end = None

    def run_trials(self, listener):
        if self.end is not None:
            raise self.end

    def has_data(self):
        return True

    def report(self):
        plan, points = self.folder.read().plan, (point_of(0, {}, Closed(users=1)),)
        longer = Recommendation(sentence="Not decided yet.", more_seconds=30.0)
        return ReportInput(
            plan=msgspec.structs.replace(plan, points=POINTS, model=MODEL.name),
            result=RunResult(points=points, recommendation=longer, verdict=Verdict.VALID, model=MODEL),
        )


@pytest.mark.parametrize(("end", "says", "not_said"), [
    (None, "measure on with: ", "interrupted"),
    (KeyboardInterrupt(), "interrupted; go on with: ", "measure on"),
])  # fmt: skip
def test_a_longer_budget_is_advised_only_where_the_budget_was_spent(tmp_path, capsys, end, says, not_said):
    run = Undecided.open(serving(tmp_path, budget_seconds=60.0), "--resume")
    run.end = end
    run.resume(as_json=True)
    said = capsys.readouterr().err
    assert says in said
    assert not_said not in said


def test_no_longer_budget_is_advised_where_it_would_not_help(tmp_path, capsys):
    run = Undecided.open(serving(tmp_path, budget_seconds=60.0), "--resume")
    run.end = UserError("--keep cores: nothing says how many")
    with pytest.raises(UserError, match="nothing says"):
        run.resume(as_json=True)
    assert "measure on" not in capsys.readouterr().err
