"""A made-up server with four knobs, 288 settings, and a search that is driven by its figures."""

import math

from harness.plan.knobs import Apply, Knob, KnobSet
from harness.search.choice import Costs
from harness.search.observation import Observation
from harness.search.space import make_space

LEVELS = (8, 16, 32, 64, 128)
KNOBS = KnobSet("server", (
    Knob(name="engine", doc="", default="a", swept=("a", "b", "c", "d"), choices=("a", "b", "c", "d")),
    Knob(name="batch", doc="", default=1, swept=(1, 2, 4, 8, 16, 32), apply=Apply.LIVE),
    Knob(name="wait", doc="", default=0.0, swept=(0.0, 1.0, 2.0, 4.0), apply=Apply.LIVE),
    Knob(name="replicas", doc="", default=1, swept=(1, 2, 4)),
))  # fmt: skip
SPACE = make_space(KNOBS, {knob.name: knob.swept for knob in KNOBS}, {})
COSTS = Costs(trial_s=4.0, restart_s=8.0)
LIMIT_MS = 20.0


def figures(setting, users):
    """(requests/s, p99 in ms) of a made-up server; engine d with 4 replicas does not start."""
    if (setting["engine"], setting["replicas"]) == ("d", 4):
        return None
    batch = min(setting["batch"], users)
    cycle_ms = {"a": 1.0, "b": 0.7, "c": 0.5, "d": 0.3}[setting["engine"]] + 0.05 * batch + 0.3 * setting["wait"]
    most = 1e3 * batch / cycle_ms * {1: 1.0, 2: 1.7, 4: 1.5}[setting["replicas"]]
    rate = 1.0 / (1.0 / most + 2e-3 / users)
    return rate, 1.6e3 * users / rate


def capacity(setting):
    found = [figures(setting, users) for users in LEVELS]
    return max((rate for rate, p99 in filter(None, found) if p99 <= LIMIT_MS), default=0.0)


def observed(choice, seen):
    if seen is None:
        return Observation(choice.setting, choice.level, failure="it ran out of memory")
    rate, p99_ms = seen
    tail = math.log(p99_ms / LIMIT_MS)
    return Observation(choice.setting, choice.level, math.log(rate), 0.01, tail, tail < 0.0)


def run(search, left_s, look=figures):
    choices = []
    while (choice := search.next(COSTS, left_s)) is not None:
        choices.append(choice)
        restart = len(choices) == 1 or SPACE.starts[choice.setting] != SPACE.starts[choices[-2].setting]
        left_s -= COSTS.trial_s + COSTS.restart_s * restart
        search.observe(observed(choice, look(SPACE.setting(choice.setting), LEVELS[choice.level])))
    return choices
