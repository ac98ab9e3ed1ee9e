"""Decides whether a run goes on after trials that failed.

A setting that cannot be started is a failed setting, and the others are measured. The run is past saving where three
starts in a row failed, of two settings where there are several, and nothing has been measured yet; or where the load
process failed three times in a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import RunError

if TYPE_CHECKING:
    from harness.plan.knobs import Value
    from harness.plan.plan import Plan, Point
    from harness.record.run_dir import TrialRecord

    SettingKey = tuple[tuple[str, Value], ...]

MAX_FAILURES_IN_A_ROW = 3


class Failures:
    """The trials of one run that failed since the last one that did not."""

    def __init__(self, plan: Plan) -> None:
        self._fewest_settings = min(2, len({_setting(point) for point in plan.points}))
        self._succeeded = False
        self._starts: list[TrialRecord] = []
        self._loads: list[TrialRecord] = []
        self._unstartable: dict[SettingKey, str] = {}

    def of_start(self, point: Point) -> str | None:
        """Why the point's setting could not be started before; None where that is not known."""
        return self._unstartable.get(_setting(point))

    def see(self, record: TrialRecord) -> None:
        """A trial has ended. Raises RunError where the run is past saving."""
        if record.failure is None:
            self._succeeded = True
            self._starts, self._loads = [], []
        elif record.load_exit_code is None:
            self._unstartable[_setting(record.point)] = record.failure
            self._starts.append(record)
        else:
            self._loads.append(record)
        settings = {_setting(each.point) for each in self._starts}
        hopeless = not self._succeeded and len(settings) >= self._fewest_settings
        if len(self._loads) >= MAX_FAILURES_IN_A_ROW or (hopeless and len(self._starts) >= MAX_FAILURES_IN_A_ROW):
            many = len(self._loads) if len(self._loads) >= MAX_FAILURES_IN_A_ROW else len(self._starts)
            raise RunError(f"{many} trials in a row failed, the last: {record.failure}")

    def require_start(self) -> None:
        """Raise RunError where every trial failed at its start."""
        if self._starts and not self._succeeded and not self._loads:
            raise RunError(str(self._starts[-1].failure))


def _setting(point: Point) -> SettingKey:
    return tuple(point.setting.items())
