"""Splits the mean response time into its parts, by `Server-Timing` of each response or by the server's statistics."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from harness.clock import NS_PER_MS
from harness.judge.metrics import Steps, TimeSplit
from harness.record.rows import ABSENT
from harness.record.server.families import FAMILIES, TRITON_STATISTICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from harness.judge.metrics import TrialMetrics
    from harness.judge.numbers.trial_rows import RowColumns
    from harness.record.rows import Window
    from harness.record.server.statistics import CounterReading, Counters, Family, Part, ServerStatistics

SERVER_PARTS = ("queue", "batch_wait", "preprocess", "compute", "serialise")
PER_REQUEST = "Server-Timing"
ROUNDING_SHARE, ROUNDING_MS = 0.01, 0.01  # by which durations may be off that a server has rounded
STEPS = ("clean", "transform", "normalise", "augment")


def trial_split(good: RowColumns, said: ServerMeans | None, stream_ms: Mapping[str, float] | None = None) -> TimeSplit:
    """Means over good responses; a server's part over those that carry it, and what is left in `rest`.

    Where no answer carries any, or they are longer than the response times (`overlong_parts_ms`), what the server
    `said` of itself as a whole stands in; not where that says that requests took longer than they did. With
    `stream_ms`, the time from sent to the first token and from that to the last, answers are divided at their tokens
    instead, and the server is asked only how long it let them wait.
    """
    if not len(good):
        return TimeSplit(send_ms=0.0)
    send_ms = float((good["sent_ns"] - good["due_ns"]).mean()) / NS_PER_MS
    mean_ms = float((good["done_ns"] - good["due_ns"]).mean()) / NS_PER_MS
    client_ms = mean_ms_of(good["client_ns"])
    send_ms -= client_ms or 0.0
    parts_ms = {name: part for name in SERVER_PARTS if (part := mean_ms_of(good[f"{name}_ns"])) is not None}
    if overlong_parts_ms(good) is not None:
        parts_ms = {}
    source = PER_REQUEST if parts_ms else ""
    if not parts_ms and said is not None and said.parts_ms and send_ms + sum(said.parts_ms.values()) <= mean_ms:
        parts_ms, source = said.parts_ms, said.source
    if stream_ms:
        parts_ms = {name: part for name, part in parts_ms.items() if name == "queue"}
        prefill_ms = stream_ms["first_token"] - sum(parts_ms.values())
        parts_ms |= {"prefill": prefill_ms, "decode": stream_ms["decode"]}
    rest_ms = mean_ms - send_ms - (client_ms or 0.0) - sum(parts_ms.values())
    reach_ms = read_ms = None
    if not stream_ms:
        reach_ms = _reach_ms(good) if source == PER_REQUEST else None
        read_ms = _read_ms(good, rest_ms - (reach_ms or 0.0))
        rest_ms -= (reach_ms or 0.0) + (read_ms or 0.0)
    named: dict[str, float | None] = {f"{name}_ms": part for name, part in parts_ms.items()}
    named |= {"client_ms": client_ms, "reach_ms": reach_ms, "read_ms": read_ms}
    return TimeSplit(send_ms=send_ms, rest_ms=rest_ms, source=source, **named)


def _reach_ms(good: RowColumns) -> float | None:
    """How long requests took from sent to the server's queue; None where it said no instant, or by another clock."""
    queued_ns, sent_ns = good["queued_at_ns"], good["sent_ns"]
    plausible = (queued_ns >= sent_ns) & (queued_ns <= good["done_ns"])
    return float((queued_ns - sent_ns).mean()) / NS_PER_MS if plausible.all() else None


def _read_ms(good: RowColumns, room_ms: float) -> float | None:
    """How long responses lay in the kernel until the load process read them; None where no connection recorded it.

    Only some connections tell, so that by chance it may be longer than there is room for.
    """
    waited_ms = mean_ms_of(good["read_wait_ns"])
    return None if waited_ms is None else min(waited_ms, max(room_ms, 0.0))


def overlong_parts_ms(good: RowColumns) -> tuple[float, float] | None:
    """What `Server-Timing` says of a response, and how long it took, on average, where the former is the longer.

    None where it may be true. A server cannot have spent more time on a request than there was.
    """
    known = [name for name in SERVER_PARTS if good.knows(f"{name}_ns")]
    if not known:
        return None
    parts_ns = np.zeros(len(good), dtype=np.int64)
    for name in known:
        parts_ns += good[f"{name}_ns"].clip(min=0)  # ABSENT is below 0
    carries = parts_ns > 0
    took_ns = good["done_ns"] - good["sent_ns"]
    said_ms, took_ms = mean_ms_of(parts_ns[carries]), mean_ms_of(took_ns[carries])
    if said_ms is None or took_ms is None or said_ms <= took_ms * (1 + ROUNDING_SHARE) + ROUNDING_MS:
        return None
    return said_ms, took_ms


def trial_batch(good: RowColumns, said: ServerMeans | None) -> float | None:
    """Requests per batch. Each of a batch's b requests says b: it stands for 1 / b batches."""
    sizes = good["batch_size"]
    sizes = sizes[sizes > 0]
    if sizes.size:
        return float(sizes.size / (1.0 / sizes).sum())
    return said.mean_batch if said else None


def pooled_split(trials: Sequence[TrialMetrics]) -> TimeSplit:
    """The mean over repeats, each weighing as many good responses as it has."""
    names = [name for name in TimeSplit.__struct_fields__ if name.endswith("_ms")]
    means = {
        name: mean
        for name in names
        if (mean := weighted([(getattr(trial.split, name), trial.counts.ok) for trial in trials])) is not None
    }
    source = next((trial.split.source for trial in trials if trial.split.source), "")
    return msgspec.structs.replace(TimeSplit(send_ms=0.0, source=source), **means)


def weighted(values: Sequence[tuple[float | None, int]]) -> float | None:
    """The mean of those that are known, by weight; None where none is."""
    known = [(value, weight) for value, weight in values if value is not None and weight]
    return sum(value * weight for value, weight in known) / sum(weight for _, weight in known) if known else None


def mean_ms_of(durations_ns: NDArray[np.int64]) -> float | None:
    """The mean of those that are known; None where none is."""
    present = durations_ns[durations_ns != ABSENT]
    return float(present.mean()) / NS_PER_MS if present.size else None


def trial_steps(good: RowColumns) -> Steps | None:
    """Means over good responses of each step of preprocessing; None where no step was timed."""
    steps_ms = {f"{name}_ms": mean_ms_of(good[f"{name}_ns"]) for name in STEPS} if len(good) else {}
    return Steps(**steps_ms) if any(ms is not None for ms in steps_ms.values()) else None


def pooled_steps(trials: Sequence[TrialMetrics]) -> Steps | None:
    """The mean over repeats, each weighing as many good responses as it has."""
    timed = [trial for trial in trials if trial.steps]
    means = {
        name: weighted([(getattr(trial.steps, name), trial.counts.ok) for trial in timed])
        for name in Steps.__struct_fields__
    }
    return Steps(**means) if timed else None


class ServerMeans(NamedTuple):
    """Means over one window, in milliseconds; None where the server did not say, or did nothing."""

    source: str
    parts_ms: dict[str, float]
    mean_batch: float | None


def family_of(statistics: ServerStatistics) -> Family | None:
    """The names that the server uses; None where they are not known here."""
    return next((each for each in (TRITON_STATISTICS, *FAMILIES) if each.name == statistics.family), None)


def means_of(statistics: ServerStatistics, window: Window) -> ServerMeans | None:
    """The window's own share of the readings.

    None where there are none, of a family that is not known here, or where the server was started again meanwhile.
    """
    family = family_of(statistics)
    if family is None or not statistics.readings:
        return None
    first, last = statistics.over(window)
    between = [reading for reading in statistics.readings if first.at_ns <= reading.at_ns <= last.at_ns]
    if any(_fell(earlier, later) for earlier, later in itertools.pairwise(between)):
        return None
    grown = {name: value - first.counters.get(name, 0.0) for name, value in last.counters.items()}
    parts_ms = {part.name: mean for part in family.parts if (mean := _mean_ms(grown, part)) is not None}
    batched, batches = grown.get(family.batched), grown.get(family.batches)
    return ServerMeans(family.name, parts_ms, batched / batches if batched and batches else None)


def _fell(earlier: CounterReading, later: CounterReading) -> bool:
    return any(value < earlier.counters.get(name, 0.0) for name, value in later.counters.items())


def _mean_ms(grown: Counters, part: Part) -> float | None:
    totals = [grown[name] for name in part.totals if name in grown]
    count = grown.get(part.per)
    return part.to_ms * sum(totals) / count if totals and count else None
