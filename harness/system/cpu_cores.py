"""Assigns CPU cores to the target and to the load generator, so that they do not compete for CPU time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Cores = tuple[int, ...]
MAX_LOAD_CORES = 4  # one event loop drives all users of a load process; samplers and harness need little
CPU_ROOT = Path("/sys/devices/system/cpu")
NOT_STARTED = "was not started here: its cores are not known"
NOT_SEEN = "is no process that could be found here: its cores are not known"
NOT_KEPT = "did not keep to the cores that it was given: it is no child of its command"


class Isolation(msgspec.Struct, frozen=True, kw_only=True):
    """The cores of the target, and those of load, samplers and harness; where they share, both have all cores."""

    target_cores: Cores  # none for a server that was not started here
    load_cores: Cores
    isolated: bool | None  # None: not known
    text: str  # one sentence for the report

    def of_load(self, server: str = NOT_STARTED, *, isolated: bool | None = None) -> Isolation:
        """The same beside a server that was given no cores, or does not keep to them, as `server` says."""
        text = f"Load, samplers and harness ran on {_words(self.load_cores)}; the server {server}."
        return Isolation(target_cores=(), load_cores=self.load_cores, isolated=isolated, text=text)


def plan_isolation(*, isolate: bool = True, load_processes: int = 1) -> Isolation:
    """Divide the cores that this process may use."""
    return divide_cores(usable_cores(), smt_siblings, isolate=isolate, load_processes=load_processes)


def divide_cores(
    cores: Cores, siblings: Callable[[int], Cores], *, isolate: bool, load_processes: int = 1
) -> Isolation:
    """Give the load about a quarter of `cores`, at most 4 or one per load process, and the target the rest.

    The hardware threads of one physical core (`siblings`) stay on one side, unless there is only one such core.
    """
    if not isolate:
        return _shared(cores, "isolation is off")
    if len(cores) < 2:
        return _shared(cores, "there is only one")
    groups = _physical_cores(cores, siblings)
    split_siblings = len(groups) == 1
    if split_siblings:
        groups = [(core,) for core in cores]
    wanted = min(max(1, len(cores) // 4), max(MAX_LOAD_CORES, load_processes))
    load: Cores = ()
    while len(load) < wanted and len(groups) > 1:
        load = groups.pop() + load
    target = tuple(core for group in groups for core in group)
    text = f"The target ran on {_words(target)}, load, samplers and harness on {_words(load)}"
    text += "; these are hardware threads of one physical core, which still compete." if split_siblings else "."
    return Isolation(target_cores=target, load_cores=load, isolated=True, text=text)


def pin(pid: int, cores: Iterable[int]) -> None:
    """Restrict process `pid` to `cores`, with its later threads and children. Does nothing where it is gone.

    Threads that it has already are not restricted: call this right after the process was started.
    """
    if not hasattr(os, "sched_setaffinity"):
        return  # then `usable_cores` was empty and nothing claims to be isolated
    try:
        os.sched_setaffinity(pid, cores)
    except ProcessLookupError:
        return


def is_within(pid: int, cores: Iterable[int]) -> bool | None:
    """Whether process `pid` may use none but `cores`; None where the system does not say it."""
    try:
        return os.sched_getaffinity(pid) <= set(cores)
    except (OSError, AttributeError):
        return None


def usable_cores() -> Cores:
    """The cores that this process may use, ascending; none where the system does not report them."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()


def smt_siblings(core: int, root: Path = CPU_ROOT) -> Cores:
    """The hardware threads of the physical core of `core`; `core` alone where /sys does not list them."""
    try:
        return parse_core_list((root / f"cpu{core}/topology/thread_siblings_list").read_text())
    except (OSError, ValueError):
        return (core,)


def parse_core_list(text: str) -> Cores:
    """`0-2,8` as (0, 1, 2, 8). Raises ValueError."""
    cores: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cores.extend(range(int(first), int(last or first) + 1))
    return tuple(cores)


def _physical_cores(cores: Cores, siblings: Callable[[int], Cores]) -> list[Cores]:
    groups: dict[int, list[int]] = {}
    for core in cores:
        groups.setdefault(min(siblings(core)), []).append(core)
    return [tuple(group) for group in groups.values()]


def _shared(cores: Cores, why: str) -> Isolation:
    text = f"Target, load, samplers and harness shared {_words(cores)} ({why})."
    return Isolation(target_cores=cores, load_cores=cores, isolated=False, text=text)


def _words(cores: Cores) -> str:
    return "all cores" if not cores else f"core{'s' * (len(cores) > 1)} {', '.join(map(str, cores))}"
