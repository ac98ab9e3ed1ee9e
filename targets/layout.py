"""How the processes of one target are laid out: how many replicas and stages, and which cores each gets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.isolation import usable_cores

if TYPE_CHECKING:
    from harness.isolation import Cores
    from harness.knobs import Setting

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


def take_cores(wanted: int) -> int:
    """Keep this process and its children to `wanted` of its cores (0: all) and say how many. Raises UserError.

    To be called before anything made threads.
    """
    cores = usable_cores()
    if wanted > len(cores):
        raise UserError(f"cores={wanted}: the target may use {len(cores)}; ask for fewer, or share with --no-isolate")
    if wanted and cores:
        os.sched_setaffinity(0, cores[:wanted])
    return wanted or len(cores) or os.cpu_count() or 1


def share_of(index: int, count: int) -> Cores:
    """The cores of process `index` of `count` that share this one's: equal parts, or one core in turn to each."""
    cores = usable_cores()
    if count >= len(cores):
        return cores[index % len(cores) : index % len(cores) + 1] if cores else ()
    return cores[index * len(cores) // count : (index + 1) * len(cores) // count]
