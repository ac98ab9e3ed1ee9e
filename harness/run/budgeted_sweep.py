"""A budgeted sweep: it finds the best point and its figure within a budget of seconds.

Pure: it chooses the next trial and gets its outcome. Points are run in blocks of short interleaved trials
(a drift of the machine favours none). After each block those that are hardly the best drop out; the last part of the
budget goes to fresh trials of the finalists, and only those make the published figure, since the trials by which a
point was chosen overstate it. (Successive elimination and fresh confirmation: Maron and Moore, *Hoeffding Races*, 1994;
Karnin, Koren and Somekh, *Almost Optimal Exploration*, 2013.)

A trial that was harmed says nothing of its point: it is run again, and a point without a usable trial stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.decision.chances import WITHIN_2, Limit
from harness.judge.decision.trial_history import FRESH_TRIALS, RANKED_TRIALS, SURE, CandidateTrial, TrialHistory
from harness.plan.plan import TrialKind
from harness.run.trial_cost import TrialCost

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.judge.decision.decision import Candidate, Decision
    from harness.judge.decision.trial_history import TrialOutcome

COVER = 0.9  # the points that explored further hold the best with this probability
ROUNDS_LEFT = 3  # the next block takes at most a third of the time that is left for exploring
LEAST_DF = 10  # degrees of freedom of the trial noise for an early end: with fewer it looks small by luck
FINALISTS = 3
FINALIST_CHANCE = 0.05  # a third finalist must be the best with this probability
LONGEST = 4  # times the length of a trial, where it is undecided whether the limit is kept


@dataclass(frozen=True, slots=True)
class SweepRules:
    """What a sweep may spend.

    `overhead_s` is a first guess of what a trial takes beyond its `seconds`, warm-up included; what is measured
    replaces it.
    """

    budget_s: float
    seconds: float
    overhead_s: float
    restart_s: float = 0.0
    seed: int = 0


class BudgetedSweep:
    """A sweep over `candidates`, whose numbers are their places. The same outcomes lead to the same trials again."""

    def __init__(self, candidates: Sequence[Candidate], rules: SweepRules) -> None:
        self._candidates = tuple(candidates)
        self._rules = rules
        self._trial_cost = TrialCost(rules.overhead_s, rules.restart_s)
        self._starts = len({candidate.start for candidate in candidates})
        self._queue: list[CandidateTrial] = []
        self._blocks = 0
        self._start: int | None = None  # of the target that runs now
        self.history = TrialHistory(self._candidates, rules.seed, self._trial_s())

    @property
    def left_s(self) -> float:
        """What is left of the budget."""
        return max(self._rules.budget_s - self.history.spent_s, 0.0)

    @property
    def short_by_s(self) -> float:
        """By how much the budget is too short for a first trial of each point, by what trials took so far; else 0."""
        tried = {trial.point for trial, _ in self.history.trials}
        missing = [each for number, each in enumerate(self._candidates) if number not in tried]
        starts = len({each.start for each in missing} - {self._start})
        looks_s = self._trial_cost.trial_s(self._rules.seconds) * len(missing) + self._trial_cost.restart_s * starts
        return max(self.history.spent_s + looks_s - self._rules.budget_s, 0.0) if missing else 0.0

    def next(self) -> CandidateTrial | None:
        """The next trial; None: the best point is decided, or the budget does not last for another."""
        if not self._queue:
            self._queue = self._next_block()
        if not self._queue or self._cost_s(self._queue[0]) > self.left_s:
            return None
        return self._queue[0]

    def observe(self, trial: CandidateTrial, outcome: TrialOutcome) -> None:
        """Take what came of `trial`: the one that `next` gave, or one on record when a sweep is resumed."""
        planned = next((other for other in self._queue if other.point == trial.point), None)
        if planned is not None:
            self._queue.remove(planned)
        start = self._candidates[trial.point].start
        self._trial_cost.learn(trial.seconds, outcome.spent_s, restarted=start != self._start)
        self._start = start
        self._blocks = max(self._blocks, trial.block + 1)
        self.history.add(trial, outcome)
        self.history.trial_s = self._trial_s()

    def contenders(self) -> list[int]:
        """The points that the next block would be drawn from: those that may be the best, the likeliest first."""
        if not self.history.looks():
            return self.history.running()
        chance = self.history.so_far()[1].of_being_best()
        running = [number for number in self.history.running() if chance[number]]
        order = sorted(running, key=lambda number: -chance[number])
        needed = max(int(np.searchsorted(np.cumsum(chance[order]), COVER * chance[order].sum())) + 1, 2)
        return list(dict.fromkeys([*order[:needed], *self.history.unmeasured()]))

    def planned_points(self) -> list[int]:
        """The points of the block that is being run, as far as they are still to be run."""
        return [trial.point for trial in self._queue]

    def decision(self) -> Decision:
        """The decision from the trials so far."""
        return self.history.decision()

    def _next_block(self) -> list[CandidateTrial]:
        """The trials of the next block in their order; none where the best point is decided."""
        if self._blocks == 0:
            return self._ordered(range(len(self._candidates)), TrialKind.EXPLORE)
        if not self.history.looks():
            return self._ordered(self._likely_if_harmed(), TrialKind.EXPLORE)
        exploring = not any(trial.kind is TrialKind.CONFIRM for trial, _ in self.history.trials)
        points = self._to_explore() if exploring else []
        if points:
            return self._ordered(points, TrialKind.EXPLORE)
        return [] if self._stands() else self._ordered(self._finalists(), TrialKind.CONFIRM)

    def _likely_if_harmed(self) -> list[int]:
        """The points of the next block where disturbances spoiled every trial: after two blocks the likeliest only.

        Where the budget does not last for a block, those with the fewest trials.
        """
        tried = self.history.answered_trials()
        points = sorted(self._not_ruled_out(), key=tried.__getitem__)
        return points[: max(int(self.left_s / self._trial_s()), 1)]

    def _not_ruled_out(self) -> list[int]:
        """The points that may be the best though disturbances spoiled every trial; none where their order is sure."""
        ranking = self.history.ranking()
        if self._blocks < RANKED_TRIALS or ranking is None:
            return self.history.unmeasured()
        if ranking.near is not None and ranking.near >= SURE and not self.history.unmeasured():
            return []
        order = sorted(np.flatnonzero(~self.history.out()).tolist(), key=lambda number: -ranking.chance[number])
        needed = int(np.searchsorted(np.cumsum(ranking.chance[order]), COVER)) + 1
        return order[: max(needed, 2)]

    def _to_explore(self) -> list[int]:
        """The points of the next exploring block; none where the finalists' turn has come."""
        affordable = int((self.left_s - self._reserve_s()) / self._trial_s())
        missing, leader = self.history.unmeasured(), self.history.leader()
        sure = leader is not None and self.history.so_far()[1].certainty(leader, WITHIN_2) >= SURE
        if (sure and not missing) or affordable < 2:
            return []
        likely = [number for number in self.contenders() if number not in missing]
        size = max(affordable // ROUNDS_LEFT, 2)
        return [*missing, *likely[:size]][:affordable]

    def _finalists(self) -> list[int]:
        """The points of the next confirming block: the leader, its likeliest rival, and a third that may be better.

        The rival runs even where it is hardly the best: two points in a block show the trial noise, one does not.
        """
        levels, found = self.history.so_far()
        chance, leader = found.of_being_best(), self.history.leader()
        others = [number for number in self.history.running() if number != leader]
        rivals = sorted(others, key=lambda number: (-chance[number], -levels.mean[number]))
        first = [] if leader is None else [leader]
        third = [number for number in rivals[1:] if chance[number] >= FINALIST_CHANCE]
        return [*first, *rivals[:1], *third][:FINALISTS]

    def _stands(self) -> bool:
        """Whether nothing is left that a further trial would decide."""
        if self.history.leader() is None:
            return not self.history.so_far()[1].of_being_best().any()
        return self.history.settled(LEAST_DF)

    def _reserve_s(self) -> float:
        """What the finalists' fresh trials will take."""
        return 2 * FRESH_TRIALS * self._trial_s()

    def _trial_s(self) -> float:
        """What a trial takes on average, its share of starts of the target included."""
        restarts = 0.0 if self._starts == 1 else self._starts / len(self._candidates)
        return self._trial_cost.trial_s(self._rules.seconds, restarts=restarts)

    def _cost_s(self, trial: CandidateTrial) -> float:
        changed = self._candidates[trial.point].start != self._start
        return self._trial_cost.trial_s(trial.seconds, restarts=float(changed))

    def _ordered(self, points: Iterable[int], kind: TrialKind) -> list[CandidateTrial]:
        """One trial of each point, those of one start of the target together, beginning with the one that runs."""
        rng = np.random.default_rng((self._rules.seed, self._blocks))
        shuffled = [int(number) for number in rng.permutation(sorted(points))]
        starts = dict.fromkeys(self._candidates[number].start for number in shuffled)
        rank = {start: place for place, start in enumerate(sorted(starts, key=lambda start: start != self._start))}
        shuffled.sort(key=lambda number: rank[self._candidates[number].start])
        return [CandidateTrial(number, self._seconds(number), kind, self._blocks) for number in shuffled]

    def _seconds(self, number: int) -> float:
        """Longer where the trials so far could not say whether the limit is kept."""
        limits = [
            outcome.limit
            for trial, outcome in self.history.trials
            if trial.point == number and not outcome.harmed and outcome.log_value is not None
        ]
        longer = limits.count(Limit.NOT_YET) if limits and limits[-1] is Limit.NOT_YET else 0
        return float(self._rules.seconds * min(2**longer, LONGEST))
