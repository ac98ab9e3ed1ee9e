"""Replays of searches on servers of formulas or records: what `tune` would do, second by second, without a server."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.judge.decision.chances import Limit
from harness.judge.decision.trial_history import TrialOutcome
from harness.judge.tuning.final import Final
from harness.plan.plan import TrialKind
from harness.run.tune_search import TuneRules, TuneSearch
from harness.search.observation import Observation

OWN_ERROR = 0.25  # standard error of a rate's log, as a trial itself shows it, as a part of the noise
UNDECIDED = 0.8  # nearer to the limit than so many deviations of p99's log a trial cannot say whether it is kept


@dataclass
class Tuned:
    """How a replay ended: the setting named and the level, its published figure, and the path.

    path: (seconds, settings tried, setting that was ahead) after each trial of the search.
    """

    best: tuple[int, int] | None
    figure: object
    decision: object
    path: list[tuple[float, int, int | None]]
    replay: object
    record: object = None  # the trials of its final


def tune(replay, budget_s):
    """One search of `replay` within a budget, as `run/tune_run.py` drives it."""
    served, space = replay.served, replay.space
    points: list[tuple[int, int]] = []
    final = Final(lambda point: len(space.changed(points[point][0])), replay.seed)
    rules = TuneRules(budget_s, served.trial_s, 0.0, served.restart_s, replay.seed)
    search = TuneSearch(space, served.levels, rules, final.stands, final.named)
    path, tails = [], {}  # tails: of all trials of a setting at a level, by which its limit is decided
    while (trial := search.next()) is not None:
        spent_s = replay.cost_s(trial.setting) + trial.seconds - served.trial_s
        seen = replay.trial(trial.setting, trial.level, times=trial.seconds / served.trial_s)
        place = trial.setting, trial.level
        if seen is not None:
            tails.setdefault(place, []).append(seen[1])
        keeps = kept(tails.get(place, ()), served)
        if trial.kind is TrialKind.CONFIRM:
            if place not in points:
                points.append(place)
            outcome = outcome_of(seen, keeps, spent_s, served)
            final.add(points.index(place), trial.block, trial.seconds, outcome)
            search.observe_final(trial, outcome)
        else:
            search.observe(trial, observation_of(place, seen, keeps, served), spent_s)
            best = search.search.best()
            path.append((replay.seconds, len(replay.tried), None if best is None else best[0]))
    decision = final.decision() if final.history else None
    named = None if decision is None or decision.best is None else points[final.points[decision.best]]
    return Tuned(named, decision.figure if decision else None, decision, path, replay, final.record())


def observation_of(place, seen, keeps, served):
    if seen is None:
        return Observation(*place, failure="out of memory")
    log_rate, log_tail = seen
    return Observation(*place, log_rate, OWN_ERROR * served.noise, log_tail, keeps)


def outcome_of(seen, keeps, spent_s, served):
    if seen is None:
        return TrialOutcome(None, Limit.NOT_YET, spent_s)
    limit = {True: Limit.KEPT, False: Limit.MISSED, None: Limit.NOT_YET}[keeps]
    return TrialOutcome(seen[0], limit, spent_s, 1.0, OWN_ERROR * served.noise)


def kept(log_tails, served):
    """Whether the limit is kept, by all trials of a setting at a level; None: it cannot be said."""
    if not log_tails:
        return None
    mean = sum(log_tails) / len(log_tails)
    return None if abs(mean) < UNDECIDED * served.tail_noise / math.sqrt(len(log_tails)) else mean < 0.0


def true_log_rate(served, space, place):
    """The log of the true rate of a setting at a level."""
    return math.log(served.figures(space.setting(place[0]), served.levels[place[1]])[0])
