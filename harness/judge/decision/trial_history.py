"""The history of a budgeted sweep: its trials with the outcome of each, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.decision.chances import WITHIN_2, WITHIN_5, Limit, chances
from harness.judge.decision.decision import Candidate, Decision, Stand, decide, published_figure
from harness.judge.stats.speeds.level_draws import HARM, level_draws
from harness.judge.stats.speeds.point_speeds import Look, estimate
from harness.plan.plan import TrialKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from harness.judge.decision.chances import Chances
    from harness.judge.stats.speeds.point_speeds import PointSpeeds

LEAST_USABLE = 0.3  # share of a trial that must be unharmed for it to count
FAILURES = 2  # trials that could not be run, after which a point is out
SURE = 0.95  # probability of being within 2 % of the best at which a search ends early
TIGHT = 0.05  # half-width of the published figure at which it ends early, as a share
FRESH_TRIALS = 3  # of the leader, before a search ends early
RANKED_TRIALS = 2  # of each point, before harmed trials say how sure their order is
HARMED_TRIALS = 4  # after so many, none of them usable, a point is run again only where it may well be the best
HARDLY_BEST = 0.05  # probability below which it hardly is
LIMITED_TRIALS = 2  # after so many in which the load generator was the limit, a point is not run again


@dataclass(frozen=True, slots=True)
class CandidateTrial:
    """A trial of a candidate: which point, for how long, what for, and in which block."""

    point: int
    seconds: float
    kind: TrialKind
    block: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """Which point is ahead by all trials, harmed ones too. Its level is that of a busy machine; the order may stand.

    near: probability that it is within 5 % of the best; None where a point had fewer than RANKED_TRIALS trials, since
    a single one that was held up looks like a slow setting. chance: of being the best, for each point.
    """

    best: int
    log_value: float
    near: float | None
    keeps_limit: bool
    chance: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """What came of a trial.

    log_value: of throughput or goodput; None where the trial could not be run or got no good response.
    limit: whether the point keeps the limit by all its trials so far. usable: share that disturbances left usable.
    spent_s: all that the trial took, start of the target included. limited: another trial would be harmed as well,
    since the load generator is the limit.
    """

    log_value: float | None
    limit: Limit
    spent_s: float
    usable: float = 1.0
    standard_error: float = 0.0
    limited: bool = False

    @property
    def harmed(self) -> bool:
        """Whether disturbances spoiled it: it says nothing of its point."""
        return self.usable < LEAST_USABLE


@dataclass
class TrialHistory:
    """Everything that was measured of `candidates`, whose numbers are their places."""

    candidates: tuple[Candidate, ...]
    seed: int
    trial_s: float  # what a trial takes on average, for estimates of what is still needed
    trials: list[tuple[CandidateTrial, TrialOutcome]] = field(default_factory=list)
    _known: tuple[int, tuple[PointSpeeds, Chances]] | None = None  # after how many trials, and what

    def add(self, trial: CandidateTrial, outcome: TrialOutcome) -> None:
        """Take what came of a trial."""
        self.trials.append((trial, outcome))

    @property
    def spent_s(self) -> float:
        """What all trials took."""
        return sum(outcome.spent_s for _, outcome in self.trials)

    def looks(self, kind: TrialKind | None = None) -> list[Look]:
        """The usable trials, of one kind or of all."""
        return [
            Look(trial.point, trial.block, outcome.log_value, outcome.standard_error)
            for trial, outcome in self.trials
            if outcome.log_value is not None and not outcome.harmed and kind in (None, trial.kind)
        ]

    def limits(self) -> list[Limit]:
        """For each point whether it keeps the limit: as its latest usable trial left it, by all trials up to it.

        Of a point without one: what keeps the limit on a busy machine keeps it on a quiet one.
        """
        found, measured = [Limit.NOT_YET] * len(self.candidates), self._measured()
        for trial, outcome in self.trials:
            told = not outcome.harmed or (trial.point not in measured and outcome.limit is Limit.KEPT)
            if told and outcome.log_value is not None:
                found[trial.point] = outcome.limit
        return found

    def out(self) -> NDArray[np.bool_]:
        """Which points cannot be run: their trials failed again and again, and disturbances were not the reason."""
        failures = np.zeros(len(self.candidates), np.int64)
        for trial, outcome in self.trials:
            failures[trial.point] += outcome.log_value is None and not outcome.harmed
        return (failures >= FAILURES) & ~np.isin(np.arange(len(failures)), list(self._measured()))

    def answered_trials(self) -> list[int]:
        """How many trials of each point brought a good response."""
        points = [trial.point for trial, outcome in self.trials if outcome.log_value is not None]
        return [points.count(number) for number in range(len(self.candidates))]

    def running(self) -> list[int]:
        """The points that are worth another trial: they may keep the limit, and something may come of it."""
        out = self.out() | self._given_up()
        return [n for n, limit in enumerate(self.limits()) if limit is not Limit.MISSED and not out[n]]

    def unmeasured(self) -> list[int]:
        """The points that have no usable trial yet, though they can be run."""
        known, out = self._measured(), self.out() | self._given_up()
        return [number for number in range(len(self.candidates)) if number not in known and not out[number]]

    def leader(self) -> int | None:
        """The point that is ahead; None: none is known to keep the limit."""
        kept = self._measured() & {number for number, limit in enumerate(self.limits()) if limit is Limit.KEPT}
        return max(sorted(kept), key=lambda number: self.so_far()[0].mean[number], default=None)

    def so_far(self) -> tuple[PointSpeeds, Chances]:
        """Speeds and chances of all points, where there is a usable trial."""
        if self._known is None or self._known[0] != len(self.trials):
            looks, hints, points = self.looks(), list(self._hints()), len(self.candidates)
            draws = level_draws(looks, points, self.seed, _floors(hints))
            found = chances(draws, self.limits(), self.out(), self.seed)
            self._known = len(self.trials), (estimate(looks, points, hints), found)
        return self._known[1]

    def ranking(self) -> Ranking | None:
        """What all trials say, though disturbances spoiled them; None where none brought a good response.

        A point that kept the limit on a busy machine keeps it on a quiet one; of the others it is not known.
        """
        measured = [(trial, outcome) for trial, outcome in self.trials if outcome.log_value is not None]
        if not measured:
            return None
        looks = [Look(trial.point, trial.block, outcome.log_value or 0.0, outcome.standard_error)
                 for trial, outcome in measured]  # fmt: skip
        limits = {trial.point: outcome.limit for trial, outcome in measured}
        kept = {point for point, limit in limits.items() if limit is Limit.KEPT}
        levels = estimate(looks, len(self.candidates), [])
        best = max(sorted(kept or limits), key=lambda number: levels.mean[number])
        assumed = [Limit.KEPT if number in (kept or limits) else Limit.MISSED for number in range(len(self.candidates))]
        found = chances(level_draws(looks, len(self.candidates), self.seed), assumed, self.out(), self.seed)
        tried = self.answered_trials()
        known = all(count >= RANKED_TRIALS for count, out in zip(tried, self.out(), strict=True) if not out)
        near = found.certainty(best, WITHIN_5) if known else None
        return Ranking(best, float(levels.mean[best]), near, best in kept, found.of_being_best())

    def settled(self, least_df: int = 0) -> bool:
        """Whether a further trial would hardly change which point is named and its figure.

        least_df: degrees of freedom that the trial noise must have.
        """
        leader = self.leader()
        if leader is None:
            return False
        levels, found = self.so_far()
        fresh = [look for look in self.looks(TrialKind.CONFIRM) if look.point == leader]
        if len(fresh) < FRESH_TRIALS or levels.df < least_df or found.certainty(leader, WITHIN_2) < SURE:
            return False
        return published_figure(fresh, levels).half_width <= TIGHT

    def decision(self) -> Decision:
        """The decision from the trials so far."""
        looks = tuple(self.looks())
        return decide(
            Stand(
                candidates=self.candidates,
                known=self.so_far() if looks else None,
                looks=looks,
                fresh=tuple(self.looks(TrialKind.CONFIRM)),
                limits=tuple(self.limits()),
                failed=frozenset(np.flatnonzero(self.out()).tolist()),
                harmed=tuple(self._harmed()),
                spent_s=self.spent_s,
                trial_s=self.trial_s,
            )
        )

    def _measured(self) -> set[int]:
        return {look.point for look in self.looks()}

    def _hints(self) -> Iterator[Look]:
        """What harmed trials reached, of points that have nothing better: it says little, but more than nothing."""
        measured = self._measured()
        for trial, outcome in self.trials:
            if outcome.harmed and outcome.log_value is not None and trial.point not in measured:
                yield Look(trial.point, trial.block, outcome.log_value, HARM)

    def _given_up(self) -> NDArray[np.bool_]:
        """The points whose trials were all harmed and that are not worth another."""
        points = np.arange(len(self.candidates))
        harmed = np.bincount(np.array([*self._harmed()], np.int64), minlength=len(points))
        limited = [trial.point for trial, outcome in self.trials if outcome.harmed and outcome.limited]
        chance = self.so_far()[1].of_being_best() if self.looks() else np.ones(len(points))
        hopeless = (harmed >= HARMED_TRIALS) & (chance < HARDLY_BEST)
        hopeless |= np.bincount(np.array(limited, np.int64), minlength=len(points)) >= LIMITED_TRIALS
        return hopeless & ~np.isin(points, list(self._measured()))

    def _harmed(self) -> Iterator[int]:
        return (trial.point for trial, outcome in self.trials if outcome.harmed)


def _floors(hints: Sequence[Look]) -> dict[int, float]:
    """What the harmed trials of each point reached on average; the machine's drift between blocks is left in."""
    return {
        point: float(np.mean([look.log_value for look in hints if look.point == point]))
        for point in {look.point for look in hints}
    }
