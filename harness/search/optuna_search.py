"""The same search with Optuna's tree-structured Parzen estimator in place of the model.

TPE: Bergstra, Bardenet, Bengio and Kégl, *Algorithms for Hyper-Parameter Optimization*, 2011. The loads of the default,
the settings that lie far apart and the finalists are those of `SettingSearch`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.search.choice import Choice, Reason
from harness.search.setting_search import SettingSearch

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from harness.search.choice import Costs
    from harness.search.space import Dimension

ASKS = 40  # in a row for settings that are impossible or were tried, after which the search ends
LEAST_GAIN = 0.03  # of the log of the objective, by more load


class OptunaSearch(SettingSearch):
    """One search. Optuna gets all observations anew for each choice, so that a search that was stopped goes on."""

    def _promising(self, costs: Costs, left_s: float) -> Choice | None:
        """More load for the best setting while that gives more, else what Optuna asks for."""
        if not self.beliefs.measured():
            return super()._promising(costs, left_s)
        best = self.best()
        if best is not None and self._rises(*best):
            return Choice(best[0], best[1] + 1, Reason.IMPROVE)
        number = self._asked()
        level = len(self.levels) // 2 if best is None else best[1]
        return None if number is None else Choice(number, level, Reason.ENGINE)

    def _rises(self, setting: int, level: int) -> bool:
        """Whether the next load was not tried and the last one gave more than the one before."""
        tried = {each.level: each.log_value for each in self.beliefs.observations if each.setting == setting}
        if level + 1 >= len(self.levels) or level + 1 in tried:
            return False
        now, before = tried.get(level), tried.get(level - 1)
        return now is None or before is None or now - before > LEAST_GAIN

    def _asked(self) -> int | None:
        """The number of a possible setting that was not tried."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        seed = int(self._rng().integers(2**31))
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True)
        )
        distributions = {each.name: _distribution(each) for each in self.space.dimensions}
        study.add_trials([self._trial(number, distributions) for number in self._tried()])
        numbers = {tuple(code): number for number, code in enumerate(self.space.codes.tolist())}
        tried = set(self._tried())
        for _ in range(ASKS):
            trial = study.ask(distributions)
            number = numbers.get(tuple(trial.params[each.name] for each in self.space.dimensions))
            if number is not None and number not in tried:
                return number
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        left = np.array([number for number in range(len(self.space)) if number not in tried])
        return int(self._rng().choice(left)) if len(left) else None

    def _tried(self) -> list[int]:
        return list(dict.fromkeys(each.setting for each in self.beliefs.observations))

    def _trial(self, number: int, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
        """The best figure of a setting that keeps the limit; a failed trial where there is none."""
        import optuna

        own = [each for each in self.beliefs.measured() if each.setting == number and each.kept is not False]
        value = max((each.log_value for each in own if each.log_value is not None), default=None)
        codes = self.space.codes[number].tolist()
        return optuna.trial.create_trial(
            params=dict(zip(distributions, codes, strict=True)),
            distributions=distributions,
            value=value,
            state=optuna.trial.TrialState.FAIL if value is None else optuna.trial.TrialState.COMPLETE,
        )


def _distribution(dimension: Dimension) -> BaseDistribution:
    """Indices of the values: in order where the values are numbers."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    last = len(dimension.values) - 1
    if dimension.places is None:
        return CategoricalDistribution(tuple(range(last + 1)))
    return IntDistribution(0, last)
