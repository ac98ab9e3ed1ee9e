"""The final of a search: fresh, interleaved trials of the finalists and of the default, and what they decide.

Only these trials make the published figures: those by which a setting was found flatter it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.judge.decision.chances import Limit
from harness.judge.decision.decision import Candidate, Status
from harness.judge.decision.trial_history import CandidateTrial, TrialHistory
from harness.plan.plan import TrialKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.judge.decision.decision import Decision
    from harness.judge.decision.trial_history import TrialOutcome


@dataclass
class Final:
    """A final between points, by their numbers. `changes(point)`: in how many knobs its setting is not the default.

    The settings are ranked by their changes, so that of those that cannot be told from the best the one that changes
    least is offered beside it, and the default is the baseline.
    """

    changes: Callable[[int], int]
    seed: int = 0
    history: list[tuple[int, int, float, TrialOutcome]] = field(default_factory=list)

    def add(self, point: int, block: int, seconds: float, outcome: TrialOutcome) -> None:
        """Take what came of a trial."""
        self.history.append((point, block, seconds, outcome))

    @property
    def points(self) -> list[int]:
        """The points that have had a trial, the default's first, then those that change least."""
        return sorted(
            dict.fromkeys(point for point, *_ in self.history), key=lambda point: (self.changes(point), point)
        )

    @property
    def trial_s(self) -> float:
        """What a trial of it took on average; 0 before the first."""
        return sum(outcome.spent_s for *_, outcome in self.history) / max(len(self.history), 1)

    def record(self) -> TrialHistory:
        """The record, whose candidates are numbered by their place in `points`."""
        points = self.points
        candidates = tuple(Candidate(rank) for rank in self._ranks(points))
        record = TrialHistory(candidates, self.seed, self.trial_s)
        for point, block, seconds, outcome in self.history:
            record.add(CandidateTrial(points.index(point), seconds, TrialKind.CONFIRM, block), outcome)
        return record

    def decision(self) -> Decision:
        """What is decided by the trials so far, by places in `points`; at least one trial was made."""
        return self.record().decision()

    def limit_of(self, point: int) -> Limit:
        """Whether the point keeps the limit, by its latest usable trial."""
        return self.record().limits()[self.points.index(point)] if point in self.points else Limit.NOT_YET

    def stands(self) -> bool:
        """Whether a further trial would hardly change what is decided."""
        return self.record().settled()

    def named(self) -> bool:
        """Whether it names a setting."""
        return self.decision().status is Status.NAMED

    def _ranks(self, points: list[int]) -> list[int]:
        """Places of the settings: the default, if it takes part, is 0, and no other setting is."""
        changes = [self.changes(point) for point in points]
        return [0 if not change else place + 1 for place, change in enumerate(changes)]
