"""A recorded grid as a server of replays: `tune_spaces.Served`."""

import math
from functools import cached_property

import numpy as np
from tune_spaces import Served

from harness.plan.knobs import Apply, Knob, KnobSet

TRIAL_S = 4.0  # what a trial of a search is taken to last


class RecordedServer(Served):
    """A server whose true figures are the means of what was recorded. Its noise is that of one repeat.

    The limit is the middle of the recorded p99, so that it binds about half of the cells.
    """

    trial_s = TRIAL_S

    def __init__(self, file):
        self._file = file
        head = file.head
        self.knobs = KnobSet("grid", tuple(
            Knob(name=name, doc=name, default=head["default"][name], swept=tuple(values),
                 choices=tuple(values) if isinstance(values[0], str) else (),
                 apply=Apply.LIVE if name in head["live"] else Apply.RESTART)
            for name, values in head["knobs"].items()
        ))  # fmt: skip
        self.levels = tuple(head["users"])
        self._true = {place: repeats.mean(axis=0) for place, repeats in file.cells().items() if len(repeats)}
        self.limit_ms = math.exp(float(np.median([tail for _, tail in self._true.values()])))
        starts = [each for entry in file.settings.values() for each in entry["start_s"] if each is not None]
        self.restart_s = float(np.median(starts))
        noise = file.noise()
        self.noise, self.tail_noise = (0.0, 0.0) if noise is None else map(float, noise)

    @cached_property
    def residuals(self):
        """(repeats, 2): what repeats differ by from the mean of their cell, widened to the noise of one repeat."""
        cells = [each for each in self._file.cells().values() if len(each) > 1]
        return np.concatenate([
            (each - each.mean(axis=0)) * math.sqrt(len(each) / (len(each) - 1)) for each in cells
        ])  # fmt: skip

    def fails(self, setting):
        values = tuple(setting[name] for name in self._file.head["knobs"])
        return not any((values, users) in self._true for users in self.levels)

    def figures(self, setting, users):
        place = tuple(setting[name] for name in self._file.head["knobs"]), users
        if place not in self._true:
            return 1e-9, 1e9  # no response at this load
        rate, tail = self._true[place]
        return math.exp(rate), math.exp(tail)

    def noises(self, rng):
        return self.residuals[rng.integers(len(self.residuals))]
