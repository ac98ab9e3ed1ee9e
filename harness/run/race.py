"""A race: within a budget of seconds, which point is the best, and what does it reach?

Pure: it says which trial comes next and is told what came of it. Points are run in blocks of short interleaved trials
(a drift of the machine favours none). After each block those that are hardly the best drop out; the last part of the
budget goes to fresh trials of the finalists, and only those make the published figure, since the trials by which a
point was chosen flatter it. (Successive elimination and fresh confirmation: Maron and Moore, *Hoeffding Races*, 1994;
Karnin, Koren and Somekh, *Almost Optimal Exploration*, 2013.)

A trial that was harmed says nothing of its point: it is run again, and a point without a usable trial stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.answers.chances import Chances, Limit, chances
from harness.judge.answers.decision import Candidate, Decision, Stand, decide, published_figure
from harness.judge.stats.levels import Levels, Look, estimate
from harness.run.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

LEAST_USABLE = 0.3  # share of a trial that must be unharmed for it to count
FAILURES = 2  # trials that could not be run, after which a point is out
COVER = 0.9  # the points that explored further hold the best with this probability
ROUNDS_LEFT = 3  # the next block takes at most this part of the time that is left for exploring
SURE = 0.95  # probability of being within TOLERANCE of the best at which a race ends early
TOLERANCE = 0.02
TIGHT = 0.05  # half-width of the published figure at which a race ends early, as a share
LEAST_DF = 10  # degrees of freedom of the run noise at which a race may end early: fewer make it look small by luck
CONFIRMING = 3  # fresh trials of each finalist
FINALISTS = 3
FINALIST_CHANCE = 0.05  # a third finalist must be the best with this probability
LONGEST = 4  # times the length of a trial, where it is undecided whether the limit is kept
START = -1


class Phase(StrEnum):
    """What a trial is for."""

    EXPLORE = "explore"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a race may spend. `overhead_s`: of a trial beside its `seconds`, warm-up included, until it is learnt."""

    budget_s: float
    seconds: float
    overhead_s: float
    restart_s: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class RaceTrial:
    """A trial to be run: which point, for how long, what for, and in which block."""

    point: int
    seconds: float
    phase: Phase
    block: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial.

    log_value: of throughput or goodput; None where the trial could not be run or brought no good response.
    limit: whether the point keeps the limit by all its trials so far. usable: share that noise left usable.
    spent_s: all that the trial took, start of the target included.
    """

    log_value: float | None
    limit: Limit
    spent_s: float
    usable: float = 1.0
    standard_error: float = 0.0

    @property
    def harmed(self) -> bool:
        """Whether noise spoiled it: it says nothing of its point."""
        return self.usable < LEAST_USABLE


class Race:
    """A race between `candidates`, whose numbers are their places. The same outcomes give the same race again."""

    def __init__(self, candidates: Sequence[Candidate], rules: Rules) -> None:
        self._candidates = tuple(candidates)
        self._rules = rules
        self._pace = Pace(rules.overhead_s, rules.restart_s)
        self._history: list[tuple[RaceTrial, Outcome]] = []
        self._queue: list[RaceTrial] = []
        self._blocks = 0
        self._start = START  # of the target that runs now
        self._limits = [Limit.NOT_YET] * len(self._candidates)
        self._known: tuple[int, Levels, Chances] | None = None  # after how many trials, and what
        self.spent_s = 0.0

    @property
    def left_s(self) -> float:
        """What is left of the budget."""
        return max(self._rules.budget_s - self.spent_s, 0.0)

    @property
    def first_block_s(self) -> float:
        """What one look at every point takes."""
        starts = len({candidate.start for candidate in self._candidates})
        return len(self._candidates) * self._pace.trial_s(self._rules.seconds) + starts * self._pace.restart_s

    def next(self) -> RaceTrial | None:
        """The next trial; None: the answer stands, or the budget does not last for another."""
        if not self._queue:
            self._queue = self._next_block()
        if not self._queue or self._cost_s(self._queue[0]) > self.left_s:
            return None
        return self._queue[0]

    def observe(self, trial: RaceTrial, outcome: Outcome) -> None:
        """Take what came of `trial`: the one that `next` gave, or one on record when a race is taken up again."""
        planned = next((other for other in self._queue if other.point == trial.point), None)
        if planned is not None:
            self._queue.remove(planned)
        start = self._candidates[trial.point].start
        self._pace.learn(trial.seconds, outcome.spent_s, restarted=start != self._start)
        self._start = start
        self.spent_s += outcome.spent_s
        self._blocks = max(self._blocks, trial.block + 1)
        self._history.append((trial, outcome))
        if not outcome.harmed and outcome.log_value is not None:
            self._limits[trial.point] = outcome.limit

    def standings(self) -> list[float]:
        """For each point the probability that it is the best, as far as is known."""
        if not self._looks():
            return [1.0 / len(self._candidates)] * len(self._candidates)
        return [float(chance) for chance in self._so_far()[1].of_being_best()]

    def leader(self) -> int | None:
        """The point that is ahead; None: none is known to keep the limit."""
        if not self._looks():
            return None
        levels, _ = self._so_far()
        kept = [number for number in self._measured() if self._limits[number] is Limit.KEPT]
        return max(kept, key=lambda number: levels.mean[number], default=None)

    def decision(self) -> Decision:
        """What can be said by now."""
        return decide(self._stand())

    def _stand(self) -> Stand:
        return Stand(
            candidates=self._candidates,
            known=self._so_far() if self._looks() else None,
            looks=tuple(self._looks()),
            fresh=tuple(self._looks(Phase.CONFIRM)),
            limits=tuple(self._limits),
            failed=frozenset(np.flatnonzero(self._out()).tolist()),
            harmed=tuple(trial.point for trial, outcome in self._history if outcome.harmed),
            spent_s=self.spent_s,
            trial_s=self._trial_s(),
        )

    def _next_block(self) -> list[RaceTrial]:
        """The trials of the next block in their order; none where the answer stands."""
        if self._blocks == 0:
            return self._ordered(range(len(self._candidates)), Phase.EXPLORE)
        if not self._looks():
            return self._ordered(self._unmeasured(), Phase.EXPLORE)
        exploring = not any(trial.phase is Phase.CONFIRM for trial, _ in self._history)
        points = self._to_explore() if exploring else []
        if points:
            return self._ordered(points, Phase.EXPLORE)
        return [] if self._stands() else self._ordered(self._finalists(), Phase.CONFIRM)

    def _to_explore(self) -> list[int]:
        """The points of the next exploring block; none where the finalists' turn has come."""
        affordable = int((self.left_s - self._reserve_s()) / self._trial_s())
        missing = self._unmeasured()
        leader = self.leader()
        sure = leader is not None and self._so_far()[1].within(leader, TOLERANCE) >= SURE
        if (sure and not missing) or affordable < 2:
            return []
        chance = self._so_far()[1].of_being_best()
        order = sorted(np.flatnonzero(chance).tolist(), key=lambda number: -chance[number])
        needed = int(np.searchsorted(np.cumsum(chance[order]), COVER * chance.sum())) + 1
        size = max(min(needed, affordable // ROUNDS_LEFT), 2)
        return list(dict.fromkeys([*missing, *order[:size]]))[:affordable]

    def _finalists(self) -> list[int]:
        """The points of the next confirming block: the leader, its likeliest rival, and a third that may be better.

        The rival runs even where it is hardly the best: two points in a block show the run noise, one does not.
        """
        levels, found = self._so_far()
        chance, leader = found.of_being_best(), self.leader()
        out = self._out()
        rivals = [number for number, limit in enumerate(self._limits) if limit is not Limit.MISSED and not out[number]]
        rivals = sorted({*rivals} - {leader}, key=lambda number: (-chance[number], -levels.mean[number]))
        first = [] if leader is None else [leader]
        third = [number for number in rivals[1:] if chance[number] >= FINALIST_CHANCE]
        return [*first, *rivals[:1], *third][:FINALISTS]

    def _stands(self) -> bool:
        """Whether nothing is left that a further trial would decide."""
        leader = self.leader()
        levels, found = self._so_far()
        if leader is None:
            return not found.of_being_best().any()
        fresh = [look for look in self._looks(Phase.CONFIRM) if look.point == leader]
        if len(fresh) < CONFIRMING or levels.df < LEAST_DF or found.within(leader, TOLERANCE) < SURE:
            return False
        return published_figure(fresh, levels).half_width <= TIGHT

    def _reserve_s(self) -> float:
        """What the finalists' fresh trials will take."""
        return 2 * CONFIRMING * self._trial_s()

    def _trial_s(self) -> float:
        """What a trial takes on average, its share of starts of the target included."""
        starts = len({candidate.start for candidate in self._candidates})
        return self._pace.trial_s(self._rules.seconds, restarts=0.0 if starts == 1 else starts / len(self._candidates))

    def _cost_s(self, trial: RaceTrial) -> float:
        changed = self._candidates[trial.point].start != self._start
        return self._pace.trial_s(trial.seconds, restarts=float(changed))

    def _ordered(self, points: Iterable[int], phase: Phase) -> list[RaceTrial]:
        """One trial of each point, those of one start of the target together, beginning with the one that runs."""
        rng = np.random.default_rng((self._rules.seed, self._blocks))
        shuffled = [int(number) for number in rng.permutation(sorted(points))]
        starts = dict.fromkeys(self._candidates[number].start for number in shuffled)
        rank = {start: place for place, start in enumerate(sorted(starts, key=lambda start: start != self._start))}
        shuffled.sort(key=lambda number: rank[self._candidates[number].start])
        return [RaceTrial(number, self._seconds(number), phase, self._blocks) for number in shuffled]

    def _seconds(self, number: int) -> float:
        """Longer where the trials so far could not say whether the limit is kept."""
        undecided = sum(
            trial.point == number and not outcome.harmed and outcome.limit is Limit.NOT_YET
            for trial, outcome in self._history
        )
        longer = undecided if self._limits[number] is Limit.NOT_YET else 0
        return float(self._rules.seconds * min(2**longer, LONGEST))

    def _looks(self, phase: Phase | None = None) -> list[Look]:
        return [
            Look(trial.point, trial.block, outcome.log_value, outcome.standard_error)
            for trial, outcome in self._history
            if outcome.log_value is not None and not outcome.harmed and phase in (None, trial.phase)
        ]

    def _measured(self) -> set[int]:
        return {look.point for look in self._looks()}

    def _unmeasured(self) -> list[int]:
        known, out = self._measured(), self._out()
        return [number for number in range(len(self._candidates)) if number not in known and not out[number]]

    def _out(self) -> NDArray[np.bool_]:
        """Which points cannot be run: their trials failed again and again, and noise was not the reason."""
        failures = [0] * len(self._candidates)
        for trial, outcome in self._history:
            failures[trial.point] += outcome.log_value is None and not outcome.harmed
        return np.array([count >= FAILURES for count in failures]) & ~np.isin(
            np.arange(len(failures)), list(self._measured())
        )

    def _so_far(self) -> tuple[Levels, Chances]:
        if self._known is None or self._known[0] != len(self._history):
            levels = estimate(self._looks(), len(self._candidates))
            found = chances(levels, self._limits, self._out(), self._rules.seed)
            self._known = (len(self._history), levels, found)
        return self._known[1:]
