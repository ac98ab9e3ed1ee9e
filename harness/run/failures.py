"""Decides whether a run goes on after trials that failed.

A setting that cannot be started is a failed setting, and the others are measured. The run ends where several
starts in a row failed, of two settings where there are several, and nothing has been measured yet; or where the load
process failed as often in a row. A mistake of the user (UserError) that shows at the first start ends the run at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import RunError, UserError
from harness.measure.trial import fail_trial, run_trial

if TYPE_CHECKING:
    from harness.measure.trial import TrialJob
    from harness.plan.knobs import Value
    from harness.plan.plan import Plan, Point
    from harness.record.run_dir import TrialRecord

    SettingKey = tuple[tuple[str, Value], ...]

MAX_FAILURES_IN_A_ROW = 3


class Failures:
    """The trials of one run that failed since the last one that did not.

    most: so many in a row end the run. of_settings: a target that dies under load is a result of its setting, as where
    it cannot be started.
    """

    def __init__(self, plan: Plan, most: int = MAX_FAILURES_IN_A_ROW, *, of_settings: bool = False) -> None:
        self._fewest_settings = min(2, len({_setting(point) for point in plan.points}))
        self._most = most
        self._of_settings = of_settings
        self._succeeded = False
        self._starts: list[TrialRecord] = []
        self._loads: list[TrialRecord] = []
        self._unstartable: dict[SettingKey, str] = {}

    def run(self, job: TrialJob) -> TrialRecord:
        """Run a trial; one of a setting that could not be started before fails at once. Raises UserError."""
        known = self.of_start(job.point)
        if known is not None:
            return fail_trial(job, known)
        try:
            return run_trial(job)
        except UserError:
            record = job.folder.read()
            if record is None or not (self._succeeded or self._unstartable):
                raise
            return record

    def of_start(self, point: Point) -> str | None:
        """Why the point's setting could not be started before; None where that is not known."""
        return self._unstartable.get(_setting(point))

    def recall(self, record: TrialRecord) -> None:
        """Learn from a trial of an earlier part of the run that is not run again."""
        if record.failure is None:
            self._succeeded = True
        elif record.load_exit_code is None:
            self._unstartable[_setting(record.point)] = record.failure

    def see(self, record: TrialRecord) -> None:
        """A trial has ended. Raises RunError where the run ends for it."""
        self.recall(record)
        if record.failure is None:
            self._starts, self._loads = [], []
        elif self._of_settings or record.load_exit_code is None:
            self._starts.append(record)
        else:
            self._loads.append(record)
        settings = {_setting(each.point) for each in self._starts}
        hopeless = not self._succeeded and len(settings) >= self._fewest_settings
        if hopeless and len(self._starts) >= self._most and len(settings) > 1:
            raise RunError(f"none of {len(settings)} settings could be started, the last: {record.failure}")
        failed = max(len(self._loads), len(self._starts) if hopeless else 0)
        if failed >= self._most:
            raise RunError(f"{failed} trials in a row failed, the last: {record.failure}")

    def require_start(self) -> None:
        """Raise RunError where every trial failed at its start."""
        if self._starts and not self._succeeded and not self._loads:
            raise RunError(str(self._starts[-1].failure))


def _setting(point: Point) -> SettingKey:
    return tuple(point.setting.items())
