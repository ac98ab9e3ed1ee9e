"""The steps of every command that measures: begin or resume a run, measure, judge, show, exit code."""

from __future__ import annotations

import contextlib
import itertools
import shlex
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Self, TypeVar

import click

from harness import __version__
from harness.cli.parts.command_line import headers_again, program, recorded_command_line
from harness.clock import wall_time
from harness.errors import ExitCode, RunError, SweepspotError, UserError
from harness.judge.significance import Change
from harness.record.run_folder import RunFolder
from harness.system.ending_signals import on_ending_signals
from harness.system.named_secrets import held_names
from harness.system.temporary_folder import remove_orphaned_folders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from harness.plan.plan import BasePlan
    from harness.record.machine.environment import Environment
    from harness.run.events import Listener
    from reports.report_input import BaseReportInput

RESUMING = ("sweep", "tune", "capacity", "train")  # commands with --resume; the first knows every run
FolderT = TypeVar("FolderT", bound=RunFolder[Any, Any])


class RunFrame(ABC, Generic[FolderT]):
    """A run in its folder. A subclass is one kind of run: how its trials are run, and how they are judged."""

    folder_type: ClassVar[type[Any]]  # FolderT, which a class variable cannot name

    def __init__(self, folder: FolderT) -> None:
        self.folder = folder

    @classmethod
    def begin(cls, plan: BasePlan[Any], *, out: str | None, gated: bool) -> Self:
        """A new run of `plan` in a new folder: `out`, or one named after the time. Raises UserError."""
        from harness.measure.samplers.machine.gpu import describe_gpus
        from harness.record.machine.environment import capture

        started = wall_time()
        folder = cls.folder_type.create(new_path(out, plan.name, started))
        folder.write(
            cls.folder_type.record_type(
                plan=plan,
                command_line=recorded_command_line(sys.argv[1:]),
                started_at=started.isoformat(timespec="seconds"),
                harness_version=__version__,
                environment=capture(describe_gpus()),
                gated=gated,
            )
        )
        return cls(folder)

    @classmethod
    def open(cls, path: Path, flag: str) -> Self:
        """The run in the folder at `path`, which the user gave with `flag`. Raises UserError where there is none."""
        return cls(cls.folder_type.open(path, flag))

    @abstractmethod
    def run_trials(self, listener: Listener) -> None:
        """Run the trials that are left. Raises RunError, UserError."""

    @abstractmethod
    def has_data(self) -> bool:
        """Whether there is anything to judge."""

    @abstractmethod
    def report(self) -> BaseReportInput:
        """Judge everything that the folder holds."""

    def set_budget(self, seconds: float) -> None:
        """Give the run another budget, what it has spent included. Raises UserError where it has none."""
        raise UserError(f"--budget {seconds:g}s: the run in {self.folder.path} has none; leave it out")

    def resume(self, *, as_json: bool) -> int:
        """Run what is left of the plan, then judge and show all of it."""
        from harness.measure.samplers.machine.gpu import describe_gpus
        from harness.record.machine.environment import capture

        warn_of_another_machine(self.folder.read().environment, capture(describe_gpus()))
        return self.measure(as_json=as_json)

    def measure(self, *, as_json: bool) -> int:
        """Run what is left of the plan and, whatever happens, show what was measured.

        Returns the exit code. Raises what ended the trials, a RunError or a UserError, after showing.
        """
        self.folder.lock()
        remove_orphaned_folders()
        _interruptions.clear()
        on_ending_signals(_interrupt)
        stopped = self._run_to_end()
        remove_orphaned_folders()  # of a target that was killed
        try:
            return self._conclude(stopped, as_json=as_json)
        except KeyboardInterrupt:
            print(f"interrupted; the report is made by: {program()} report {self.folder.path}", file=sys.stderr)
            return ExitCode.INTERRUPTED
        except (OSError, SweepspotError) as error:
            lost = self.folder.lost(error) if isinstance(error, OSError) else error
            if lost is None:
                raise
            raise stopped or lost from error

    def _run_to_end(self) -> SweepspotError | KeyboardInterrupt | None:
        """Run the trials that are left. Returns what ended them before their end; raises what is a bug of ours."""
        from harness.cli.parts.progress import listening

        try:
            with listening() as terminal, _watched(self.folder.path, terminal) as listener:
                self.run_trials(listener)
        except (SweepspotError, KeyboardInterrupt) as error:
            return error
        except Exception as error:
            if _interruptions:
                return KeyboardInterrupt()  # a library has turned it into an exception of its own, as Arrow does
            lost = self.folder.lost(error) if isinstance(error, OSError) else None
            if lost is None:
                raise
            return lost
        return KeyboardInterrupt() if _interruptions else None  # one that a callback had swallowed

    def _conclude(self, stopped: SweepspotError | KeyboardInterrupt | None, *, as_json: bool) -> int:
        """Show what was measured. Returns the exit code. Raises `stopped`, where it is no interruption."""
        if isinstance(stopped, UserError) and not self.has_data():
            self.folder.discard()
            raise stopped
        if not self.has_data():
            raise stopped or RunError("nothing was measured")
        code = self.show(as_json=as_json, ended=stopped is None)
        if isinstance(stopped, KeyboardInterrupt):
            print(
                f"interrupted; go on with: {self.resuming} --resume {self.folder.path}{self._headers_again()}",
                file=sys.stderr,
            )
            return ExitCode.INTERRUPTED
        if stopped is not None:
            raise stopped
        return code

    @property
    def resuming(self) -> str:
        """The command with which this run goes on: the one that began it where it has --resume, else `sweep`."""
        line = self.folder.read().command_line
        began = next((word for word in shlex.split(line) if word in RESUMING), RESUMING[0])
        again = "".join(f"{name}=... " for name in held_names(line))
        return f"{again}{program()} {began}"

    def _headers_again(self) -> str:
        """The headers that the run began with, as options: their values are not stored."""
        return headers_again(shlex.split(self.folder.read().command_line))

    def _write(self, report: BaseReportInput) -> RunError | None:
        """Write the reports. Returns why they could not be written."""
        from reports import write_reports

        try:
            write_reports(self.folder.path, report)
        except RunError as error:
            return error
        return None

    def show(self, *, as_json: bool, ended: bool = True) -> int:
        """Write the reports, print the result and return the exit code; the path of the page is printed last.

        Where the run has not `ended`, nothing is said of a longer budget: its own is not spent.
        """
        import msgspec

        from reports.text.terminal_text import result_text

        report = self.report()
        unwritten = self._write(report)
        if as_json:
            print(msgspec.json.encode({"run_dir": str(self.folder.path), "result": report.result}).decode())
        else:
            print(result_text(report))
            if unwritten is None:
                print(f"report: {self.folder.path / 'report.html'}")
        if unwritten is not None:
            raise unwritten
        if report.compared is Change.REGRESSION:
            return ExitCode.REGRESSION
        if report.enough_budget_s is not None:
            longer = f"--resume {self.folder.path} --budget {report.enough_budget_s}s{self._headers_again()}"
            if ended:
                print(f"measure on with: {self.resuming} {longer}", file=sys.stderr)
            return ExitCode.CANNOT_BE_SAID
        if report.untrusted:
            return ExitCode.UNAVAILABLE if report.spoiled_by_outage else ExitCode.INVALID
        if report.cannot_be_said:
            return ExitCode.CANNOT_BE_SAID
        if report.gate_missed:
            return ExitCode.SLO_MISSED
        return ExitCode.UNAVAILABLE if report.target_unavailable else ExitCode.OK


@contextlib.contextmanager
def _watched(run_dir: Path, listener: Listener) -> Iterator[Listener]:
    """The listener, with the live page beside it where the user asked for that."""
    context = click.get_current_context(silent=True)
    if context is None or not context.params.get("live"):
        yield listener
        return
    from harness.cli.live.live_page import watched

    with watched(run_dir, listener) as both:
        yield both


def show_plan(document: dict[str, Any], text: str, *, as_json: bool) -> int:
    """Print what --dry-run shows: the plan as JSON, or as text."""
    import msgspec

    print(msgspec.json.encode(document).decode() if as_json else text)
    return ExitCode.OK


def new_path(out: str | None, name: str, started: datetime) -> Path:
    """`out`, or else a folder named after the time, with a number where another run began in the same second."""
    if out:
        return Path(out)
    path = Path("results") / f"{started:%Y%m%d-%H%M%S}-{name}"
    numbered = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain((path,), numbered) if not each.exists())


def warn_of_another_machine(began_on: Environment, here: Environment) -> None:
    """A run that goes on elsewhere mixes points that cannot be compared."""
    if here.fingerprint != began_on.fingerprint:
        print(
            "warning: this machine or its software differs from the one that began this run; "
            "the points of both are not comparable",
            file=sys.stderr,
        )


_interruptions: list[int] = []  # the signals that have interrupted the run


def _interrupt(signum: int, frame: object) -> NoReturn:
    del frame
    _interruptions.append(signum)
    raise KeyboardInterrupt
