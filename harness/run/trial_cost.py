"""What a trial takes in seconds, learnt from what the trials so far took."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median


@dataclass(slots=True)
class TrialCost:
    """Expected costs: `overhead_s` of a trial beside its measured seconds, `restart_s` of a start of the target."""

    overhead_s: float
    restart_s: float
    _overheads_s: list[float] = field(default_factory=list)
    _restarts_s: list[float] = field(default_factory=list)

    def learn(self, measured_s: float, spent_s: float, *, restarted: bool) -> None:
        """Take what one trial took in all."""
        beside_s = max(spent_s - measured_s, 0.0)
        if restarted:
            self._restarts_s.append(beside_s)
        else:
            self._overheads_s.append(beside_s)
        if self._overheads_s:
            self.overhead_s = median(self._overheads_s)
        if self._restarts_s:
            self.restart_s = max(median(self._restarts_s) - self.overhead_s, 0.0)

    def trial_s(self, measured_s: float, *, restarts: float = 0.0) -> float:
        """What a trial is expected to take with that many starts of the target."""
        return measured_s + self.overhead_s + restarts * self.restart_s
