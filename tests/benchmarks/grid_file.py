"""A recorded grid: every setting of a real server at every number of users, each measured several times.

A file is gzipped JSON lines: a head (what was asked, the values of the knobs, the default, the users), then a line for
each setting that was measured. A sample is [users, responses/s, p99 in ms, share of the machine that others took, ns of
a random access to memory on the server's cores]; rate and p99 are None where the server could not be started or did not
answer. All statistics are of logs. Neighbours on the host slow memory, and the server with it, for minutes; rates and
p99s are corrected to the median access, along the lines that repeats within cells show.
"""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import dataclass, field

import numpy as np

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
        entry["samples"] += [
            [users, *(None if each is None else float(f"{each:.4g}") for each in seen)] for users, *seen in samples
        ]

    @property
    def passes(self):
        """How often each setting was measured: the fewest and the most."""
        counts = [len(entry["start_s"]) for entry in self.settings.values()]
        return (min(counts), max(counts)) if counts else (0, 0)

    def cells(self):
        """By (values, users): (repeats, 2) of the logs of rate and p99, corrected, of the repeats that have both."""
        found = {}
        for values, entry in self.settings.items():
            for users, rate, tail, _, *access_ns in entry["samples"]:
                repeats = found.setdefault((values, users), [])
                if rate and tail:
                    access = math.log(access_ns[0]) if access_ns and access_ns[0] else math.nan
                    repeats.append((math.log(rate), math.log(tail), access))
        return corrected({place: np.array(repeats).reshape(-1, 3) for place, repeats in found.items()})

    def noise(self):
        """Deviation of one repeat's logs of rate and p99 within a cell, pooled; None where no cell has two."""
        pairs = [repeats - repeats.mean(axis=0) for repeats in self.cells().values() if len(repeats) > 1]
        if not pairs:
            return None
        freedom = sum(len(each) - 1 for each in pairs)
        return np.sqrt(sum((each**2).sum(axis=0) for each in pairs) / freedom)

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
        off = math.expm1(Z95 * noise[0] / math.sqrt(max(fewest, 1)))
        needed = math.ceil((Z95 * noise[0] / WANTED) ** 2)
        known = f"one repeat differs by {100 * noise[0]:.1f} % (p99 by {100 * noise[1]:.0f} %)"
        return f"{said}; {known}, so that a rate is known within {100 * off:.1f} %; 3 % takes {needed} passes"

    @property
    def size(self):
        return math.prod(len(values) for values in self.head["knobs"].values())


def corrected(cells):
    """Cells of logs (repeats, 3) of rate, p99 and access without what the access explains: (repeats, 2).

    One line for rates and one for p99s, by least squares of what repeats differ by from their cells' means.
    """
    known = [each[np.isfinite(each[:, 2])] for each in cells.values()]
    differences = np.concatenate([each - each.mean(axis=0) for each in known if len(each) > 1] or [np.zeros((0, 3))])
    spread = float((differences[:, 2] ** 2).sum())
    if not spread:
        return {place: logs[:, :2] for place, logs in cells.items()}
    slopes = differences[:, :2].T @ differences[:, 2] / spread
    usual = np.median(np.concatenate(known)[:, 2])
    return {place: logs[:, :2] - np.outer(np.nan_to_num(logs[:, 2] - usual), slopes) for place, logs in cells.items()}
