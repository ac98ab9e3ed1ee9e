"""How the processes of one target are laid out: how many replicas and stages, and which process gives them requests."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.plan.knobs import Setting

CUSTOM = "custom"
HYBRID_STAGES = 2
PORT, QUEUE = "port", "queue"


@dataclass(frozen=True, slots=True)
class Layout:
    """`replicas` whole models, each cut into `stages` processes, fed through the port or from one queue."""

    replicas: int = 1
    stages: int = 1
    dispatch: str = PORT

    @property
    def fronts(self) -> int:
        """Processes that listen at the port, each with a queue of its own."""
        return self.replicas if self.dispatch == PORT else 1

    @property
    def computes_apart(self) -> bool:
        """Whether the model runs in other processes than the one that listens."""
        return self.stages > 1 or self.dispatch == QUEUE

    @property
    def processes(self) -> int:
        """Those that compute, and beside them those that only listen."""
        return self.replicas * self.stages + (self.fronts if self.computes_apart else 0)


WHOLE = Layout()  # one process with the whole model


def layout_of(setting: Setting, cores: int) -> Layout:
    """What `setting` asks for on that many cores; a target without such knobs is one process.

    `strategy` names the corners of the space at equal cores. single: one process whose operations use all cores.
    data: a replica per core. model: a stage per core. hybrid: two stages in each replica, a process per core.
    """
    replicas, stages = int(setting.get("replicas", 1)), int(setting.get("stages", 1))
    dispatch, strategy = str(setting.get("dispatch", PORT)), str(setting.get("strategy", CUSTOM))
    if strategy == CUSTOM:
        return Layout(replicas, stages, dispatch)
    named = {
        "single": Layout(1, 1, dispatch),
        "data": Layout(cores, 1, dispatch),
        "model": Layout(1, max(2, cores), dispatch),
        "hybrid": Layout(max(2, cores // HYBRID_STAGES), HYBRID_STAGES, dispatch),
    }
    return named[strategy]


def stage_shares(pieces_ms: Sequence[float], stages: int) -> tuple[float, ...]:
    """Each stage's share of the model's time, cut as the target cuts; equal shares where the pieces are not known."""
    if len(pieces_ms) < stages or sum(pieces_ms) <= 0:
        return tuple(1 / stages for _ in range(stages))
    ends = (0, *balance(pieces_ms, stages))
    return tuple(sum(pieces_ms[start:end]) / sum(pieces_ms) for start, end in itertools.pairwise(ends))


def balance(costs: Sequence[float], parts: int) -> tuple[int, ...]:
    """Where to cut a chain so that its heaviest part is as light as possible.

    Returns the ends (exclusive, ascending, the last is len(costs)) of `parts` runs of `costs`, none of them empty.

    The largest sum is the smallest possible: dynamic programming over (pieces used, parts made).
    """
    if not 1 <= parts <= len(costs):
        raise ValueError(f"{len(costs)} pieces cannot make {parts} parts")
    before = [0.0, *itertools.accumulate(costs)]
    best = {(0, 0): (0.0, 0)}  # (pieces, parts): (largest sum, start of the last part)
    for part in range(1, parts + 1):
        for end in range(part, len(costs) - (parts - part) + 1):
            best[end, part] = min(
                (max(best[start, part - 1][0], before[end] - before[start]), start)
                for start in range(part - 1, end)
                if (start, part - 1) in best
            )
    ends = [len(costs)]
    for part in range(parts, 1, -1):
        ends.append(best[ends[-1], part][1])
    return tuple(reversed(ends))
