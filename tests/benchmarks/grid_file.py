"""A recorded grid: every setting of a real server at every number of users, each measured several times.

A file is gzipped JSON lines: a head (what was asked, the values of the knobs, the default, the users), then a line for
each setting that was measured. A sample is [users, responses/s, p99 in ms, share of the machine that others took, Unix
time in seconds at its end]; rate and p99 are None where the server could not be started or did not
answer. All statistics are of logs. Neighbours on the host slow a machine for seconds to minutes, all settings alike:
rates and p99s are those of a machine that is always as fast as it was on the whole (`steadied`).
"""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import dataclass, field

import numpy as np

STRETCH_S = 2.0  # in which the machine is taken to be as fast as at any other instant of it
SWEEPS = 50  # of the solution
WANTED = 0.03  # half-width of the 95 % interval of a cell's mean, as a share
Z95 = 1.96


@dataclass
class GridFile:
    """The samples of a grid. settings: by the values of its knobs, {"start_s": [...], "samples": [[...], ...]}."""

    head: dict
    settings: dict[tuple, dict] = field(default_factory=dict)

    @classmethod
    def read(cls, path):
        with gzip.open(path, "rt") as file:
            head, *lines = map(json.loads, file)
        return cls(head, {tuple(line["values"]): {"start_s": line["start_s"], "samples": line["samples"]}
                          for line in lines})  # fmt: skip

    def write(self, path):
        """Replace the file: it is whole at any time, and the same samples give the same bytes."""
        lines = [self.head, *({"values": values, **self.settings[values]} for values in sorted(self.settings, key=str))]
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        part = path.with_name(path.name + ".part")
        part.write_bytes(gzip.compress(text.encode(), mtime=0))
        part.replace(path)

    def add(self, values, start_s, samples):
        entry = self.settings.setdefault(tuple(values), {"start_s": [], "samples": []})
        entry["start_s"].append(None if start_s is None else round(start_s, 2))
        for users, *seen, at_s in samples:
            entry["samples"].append([users, *(None if each is None else float(f"{each:.4g}") for each in seen),
                                     round(at_s, 1)])  # fmt: skip

    @property
    def passes(self):
        """How often each setting was measured: the fewest and the most."""
        counts = [len(entry["start_s"]) for entry in self.settings.values()]
        return (min(counts), max(counts)) if counts else (0, 0)

    @property
    def repeats(self):
        """How many samples the cell with the fewest has; cells without any response are left out."""
        return min((len(each) for each in self.cells().values()), default=0)

    def _answered(self):
        """Of all samples with responses: their places, (n, 2) logs of rate and p99, their stretches."""
        places, logs, instants = [], [], []
        for values, entry in self.settings.items():
            for users, rate, tail, _, at_s in entry["samples"]:
                if rate and tail:
                    places.append((values, users))
                    logs.append((math.log(rate), math.log(tail)))
                    instants.append(at_s)
        return places, np.reshape(logs, (-1, 2)), np.array(instants) // STRETCH_S

    def cells(self):
        """By (values, users): (repeats, 2) of the logs of rate and p99, steadied, of the repeats that have both."""
        found = {}
        places, *seen = self._answered()
        for place, each in zip(places, steadied(places, *seen), strict=True):
            found.setdefault(place, []).append(each)
        return {place: np.array(repeats) for place, repeats in found.items()}

    def noise(self):
        """Deviation of one repeat's logs of rate and p99 within a cell, pooled; None where no cell has two."""
        cells = self.cells()
        freedom = sum(len(each) - 1 for each in cells.values()) - len(np.unique(self._answered()[2])) + 1
        if freedom < 1:
            return None
        return np.sqrt(sum(((each - each.mean(axis=0)) ** 2).sum(axis=0) for each in cells.values()) / freedom)

    def state(self):
        """One line: passes, noise, how far the rates are from being known well enough, what is missing for that."""
        fewest, most = self.passes
        noise = self.noise()
        samples = [sample for entry in self.settings.values() for sample in entry["samples"]]
        others = [sample[3] for sample in samples if sample[3] is not None]
        said = f"{len(self.settings)} of {self.size} settings, {fewest} to {most} passes"
        if others:
            said += f", others took {100 * np.median(others):.0f} % of the machine"
        if noise is None:
            return f"{said}; the noise is not known before the second pass"
        off = math.expm1(Z95 * noise[0] / math.sqrt(max(self.repeats, 1)))
        needed = math.ceil((Z95 * noise[0] / WANTED) ** 2 * fewest / max(self.repeats, 1))
        known = f"one repeat differs by {100 * noise[0]:.1f} % (p99 by {100 * noise[1]:.0f} %)"
        known += f", the fewest are {self.repeats}, so that a rate is known within {100 * off:.1f} %"
        return f"{said}; {known}; 3 % takes {needed} passes"

    @property
    def size(self):
        return math.prod(len(values) for values in self.head["knobs"].values())


def steadied(places, logs, stretches):
    """Logs (n, 2) without what the machine was slower or faster by in the stretch of each: (n, 2).

    The model: a figure is that of its cell times one of its stretch; least squares, by turns (the two-way layout).
    """
    if not len(logs):
        return logs
    cell = np.unique([repr(place) for place in places], return_inverse=True)[1]
    stretch = np.unique(stretches, return_inverse=True)[1]
    of_stretch = np.zeros((stretch.max() + 1, logs.shape[1]))
    for _ in range(SWEEPS):
        of_cell = means_by(cell, logs - of_stretch[stretch])
        of_stretch = means_by(stretch, logs - of_cell[cell])
        of_stretch -= of_stretch.mean(axis=0)
    return logs - of_stretch[stretch]


def means_by(group, values):
    """(groups, columns): the means of the rows of each group."""
    return np.array([np.bincount(group, column) for column in values.T]).T / np.bincount(group)[:, None]
