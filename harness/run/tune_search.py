"""A search for the best setting within a budget, and its final.

Pure: it chooses the next trial and gets what came of it. The first part of the budget finds settings that may be the
best (`harness.search`), by short trials; the rest goes to the final. Where a budget that was raised lasts for it, the
search goes on after its final, and ends with another one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from harness.judge.decision.chances import Limit
from harness.plan.plan import TrialKind
from harness.run.budgeted_sweep import SweepRules
from harness.run.trial_cost import TrialCost
from harness.search.choice import Costs, Reason
from harness.search.optuna_search import OptunaSearch
from harness.search.setting_search import SettingSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.judge.decision.trial_history import TrialOutcome
    from harness.search.choice import Choice
    from harness.search.observation import Observation
    from harness.search.space import Space

# Of the final, each with a trial of every finalist; more where nothing is decided and nothing is left to search.
LEAST_ROUNDS, MOST_ROUNDS = 3, 8
PATIENCE = 4  # trials of a final at a load of which it is not yet known whether it keeps the limit, before a lower one
FINAL_SHARE = 0.3  # of the budget that the final may keep for itself
SCREEN_SHARE = 0.3  # of the budget that settings which lie far apart may take


class FinalSize(NamedTuple):
    """What time is kept for: settings, the default among them, rounds, and how many times as long a trial measures."""

    settings: int
    rounds: int
    times: float


# Where the budget is short, a longer search is worth more than longer fresh trials.
FINALS = (FinalSize(4, 3, 2.0), FinalSize(3, 3, 2.0), FinalSize(2, 2, 1.0))


@dataclass(frozen=True, slots=True)
class TuneRules(SweepRules):
    """What a search may spend, and how it chooses."""

    closed: bool = True
    search: str = "model"
    limited: bool = True


@dataclass(frozen=True, slots=True)
class TuneTrial:
    """The next trial: numbers of setting and level, what for, and how long it measures."""

    setting: int
    level: int
    kind: TrialKind
    block: int
    seconds: float
    reason: Reason
    gain: float | None = None


@dataclass
class FinalStand:
    """What the final knows: its finalists, and of each (setting, level) whether it keeps the limit, and its trials.

    blocks: those of finals before it. rounds: those that have begun, each a block. times: how many times as long as one
    of the search a trial of it measures.
    """

    finalists: list[tuple[int, int]] = field(default_factory=list)
    limits: dict[tuple[int, int], Limit] = field(default_factory=dict)
    trials: Counter[tuple[int, int]] = field(default_factory=Counter)
    blocks: int = 0
    rounds: int = 0
    times: float = 1.0
    queue: list[tuple[int, int]] = field(default_factory=list)


class TuneSearch:
    """One search with its final.

    stands: says whether a further round of the final would hardly change anything. named: whether it names a setting.
    """

    def __init__(
        self,
        space: Space,
        levels: Sequence[float],
        rules: TuneRules,
        stands: Callable[[], bool] = lambda: False,
        named: Callable[[], bool] = lambda: True,
    ) -> None:
        self.space = space
        self._rules = rules
        self._stands = stands
        self._named = named
        self._trial_cost = TrialCost(rules.overhead_s, rules.restart_s)
        screen = int(SCREEN_SHARE * rules.budget_s / (self._trial_s(1.0) + rules.restart_s))
        search = OptunaSearch if rules.search == "optuna" else SettingSearch
        self.search = search(space, levels, closed=rules.closed, limited=rules.limited, seed=rules.seed, screen=screen)
        self._running: int | None = None  # the start that the target has
        self._final: FinalStand | None = None
        self._blocks = 0  # of all finals so far
        self.spent_s = 0.0

    @property
    def left_s(self) -> float:
        """What is left of the budget."""
        return max(self._rules.budget_s - self.spent_s, 0.0)

    def next(self) -> TuneTrial | None:
        """The next trial; None: nothing is left to find out, or the budget does not last for another."""
        if self._final is not None:
            fresh = self._confirming(self._final)
            if fresh is not None or self._final.queue:
                return fresh
        others = any(each.setting for each in self.search.beliefs.measured())
        reserve_s = self._reserve_s() if others else 0.0  # the default alone needs no final
        choice = self.search.next(Costs(self._trial_s(1.0), self._trial_cost.restart_s), self.left_s - reserve_s)
        if choice is not None:
            return self._exploring(choice)
        if self._final is None:
            return self._confirming(self._begun_final())
        return None if self._named() else self._confirming(self._final, further=True)

    def observe(self, trial: TuneTrial, observation: Observation, spent_s: float) -> None:
        """Take what came of a trial: of the one that `next` gave, or of one on record."""
        self._final = None  # of a search that has gone on
        self._account(trial, spent_s, failed=observation.failure is not None)
        self.search.observe(observation)

    def observe_final(self, trial: TuneTrial, outcome: TrialOutcome) -> None:
        """Take what came of a trial of the final: of the one that `next` gave, or of one on record."""
        final = self._final or self._begun_final()
        if not final.queue:
            self._confirming(final, further=True)  # a search that is resumed plans what it planned then
        self._account(trial, outcome.spent_s, failed=outcome.log_value is None and not outcome.harmed)
        place = trial.setting, trial.level
        self._blocks = max(self._blocks, trial.block)
        final.rounds = max(final.rounds, trial.block - final.blocks)
        final.times = trial.seconds / self._rules.seconds
        final.trials[place] += 1
        if place in final.queue:
            final.queue.remove(place)
        if place not in final.finalists:
            final.finalists.append(place)
        if outcome.log_value is None and not outcome.harmed:
            final.limits[place] = Limit.MISSED
        elif not outcome.harmed:
            final.limits[place] = outcome.limit

    def _begun_final(self) -> FinalStand:
        self._final = FinalStand(blocks=self._blocks)
        return self._final

    def _account(self, trial: TuneTrial, spent_s: float, *, failed: bool) -> None:
        start = int(self.space.starts[trial.setting])
        if not failed:
            self._trial_cost.learn(trial.seconds, spent_s, restarted=start != self._running)
        self._running = None if failed else start
        self.spent_s += spent_s

    def _exploring(self, choice: Choice) -> TuneTrial:
        return TuneTrial(
            choice.setting, choice.level, TrialKind.EXPLORE, 0, self._rules.seconds, choice.reason, choice.gain
        )

    def _confirming(self, final: FinalStand, *, further: bool = False) -> TuneTrial | None:
        """The next trial of the final: round by round, each with every finalist; `further` rounds than usual too."""
        if not final.queue:
            finalists = self._places(final)
            alone = len({setting for setting, _ in finalists}) == 1
            usual = not further and final.rounds >= (LEAST_ROUNDS if alone else MOST_ROUNDS)
            if not finalists or usual or (final.rounds >= LEAST_ROUNDS and self._stands()):
                return None
            final.rounds += 1
            final.queue = self._ordered(finalists)
        setting, level = final.queue[0]
        seconds = final.times * self._rules.seconds
        if self._cost_s(setting, final.times) > self.left_s:
            return None
        return TuneTrial(setting, level, TrialKind.CONFIRM, final.blocks + final.rounds, seconds, Reason.CONFIRM)

    def _places(self, final: FinalStand) -> list[tuple[int, int]]:
        """The settings and levels of the next round; one that does not keep the limit goes on at a lower load.

        So does one of which that is not known, unless there is time to ask again.
        """
        if not final.finalists:
            found = self.search.finalists()
            default = found[-1:] if found and not found[-1][0] else []
            others = found[: len(found) - len(default)]
            size = self._affordable()
            final.times = size.times
            final.finalists = [*others[: size.settings - len(default)], *default]
            return list(final.finalists)
        places: dict[int, tuple[int, int]] = {}
        size = FinalSize(len({setting for setting, _ in final.finalists}), LEAST_ROUNDS, final.times)
        patient = self.left_s > 2.0 * self._final_s(size)  # there is time for a whole final at lower loads after it
        for place in sorted(final.finalists, key=lambda place: -place[1]):
            limit = final.limits.get(place, Limit.KEPT)
            again = limit is Limit.NOT_YET and patient and final.trials[place] < PATIENCE
            if limit is Limit.KEPT or again:
                places.setdefault(place[0], place)
        for setting, level in final.finalists:
            lowest = min(other for number, other in final.finalists if number == setting)
            if setting not in places and level == lowest and level > 0:
                places[setting] = (setting, level - 1)
        return list(places.values())

    def _ordered(self, places: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Those of one start together, beginning with the one that runs."""
        return sorted(places, key=lambda place: (self.space.starts[place[0]] != self._running,
                                                 int(self.space.starts[place[0]])))  # fmt: skip

    def _affordable(self) -> FinalSize:
        """The largest final that the rest of the budget lasts for."""
        return next((size for size in FINALS if self._final_s(size) <= self.left_s), FINALS[-1])

    def _reserve_s(self) -> float:
        """What the final will take: the largest that its share of the budget lasts for, or the smallest."""
        most_s = FINAL_SHARE * self._rules.budget_s
        found = [self._final_s(size) for size in FINALS]
        return next((whole_s for whole_s in found if whole_s <= most_s), most_s)

    def _final_s(self, size: FinalSize) -> float:
        """What a final takes; each round begins with the setting that the one before ended with."""
        restarts = self._restart_share() * (1 + size.rounds * (size.settings - 1))
        return size.rounds * size.settings * self._trial_s(size.times) + restarts * self._trial_cost.restart_s

    def _restart_share(self) -> float:
        return 1.0 if len(set(self.space.starts.tolist())) > 1 else 0.0

    def _trial_s(self, times: float) -> float:
        return self._trial_cost.trial_s(times * self._rules.seconds)

    def _cost_s(self, setting: int, times: float) -> float:
        changed = int(self.space.starts[setting]) != self._running
        return self._trial_cost.trial_s(times * self._rules.seconds, restarts=float(changed))
