"""Where the mean response time goes: from what the server says with each answer, or else of itself as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.clock import NS_PER_MS
from harness.judge.metrics import Split
from harness.record.rows import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from harness.judge.metrics import TrialMetrics
    from harness.judge.numbers.trial_rows import RowColumns
    from harness.record.server_statistics import ServerMeans

SERVER_PARTS = ("queue", "batch_wait", "preprocess", "compute", "serialise")
PER_REQUEST = "Server-Timing"


def trial_split(good: RowColumns, said: ServerMeans | None, stream_ms: Mapping[str, float] | None = None) -> Split:
    """Means over good answers; a server's part over those that carry it, and what is left in `rest`.

    Where no answer carries any, what the server `said` of itself as a whole stands in; not where that says that
    requests took longer than they did. With `stream_ms`, the time from sent to the first token and from that
    to the last, answers are divided at their tokens instead, and the server is asked only how long it let them wait.
    """
    if not len(good):
        return Split(send_ms=0.0)
    send_ms = float((good["sent_ns"] - good["due_ns"]).mean()) / NS_PER_MS
    mean_ms = float((good["done_ns"] - good["due_ns"]).mean()) / NS_PER_MS
    client_ms = mean_ms_of(good["client_ns"])
    send_ms -= client_ms or 0.0
    parts_ms = {name: part for name in SERVER_PARTS if (part := mean_ms_of(good[f"{name}_ns"])) is not None}
    source = PER_REQUEST if parts_ms else ""
    if not parts_ms and said is not None and said.parts_ms and send_ms + sum(said.parts_ms.values()) <= mean_ms:
        parts_ms, source = said.parts_ms, said.source
    if stream_ms:
        parts_ms = {name: part for name, part in parts_ms.items() if name == "queue"}
        prefill_ms = stream_ms["first_token"] - sum(parts_ms.values())
        parts_ms |= {"prefill": prefill_ms, "decode": stream_ms["decode"]}
    rest_ms = mean_ms - send_ms - (client_ms or 0.0) - sum(parts_ms.values())
    named = {f"{name}_ms": part for name, part in parts_ms.items()}
    return Split(send_ms=send_ms, client_ms=client_ms, rest_ms=rest_ms, source=source, **named)


def trial_batch(good: RowColumns, said: ServerMeans | None) -> float | None:
    """Requests per batch. Each of a batch's b requests says b: it stands for 1 / b batches."""
    sizes = good["batch_size"]
    sizes = sizes[sizes > 0]
    if sizes.size:
        return float(sizes.size / (1.0 / sizes).sum())
    return said.mean_batch if said else None


def pooled_split(trials: Sequence[TrialMetrics]) -> Split:
    """The mean over repeats, each weighing as many good answers as it has."""
    names = [name for name in Split.__struct_fields__ if name.endswith("_ms")]
    means = {
        name: mean
        for name in names
        if (mean := weighted([(getattr(trial.split, name), trial.counts.ok) for trial in trials])) is not None
    }
    source = next((trial.split.source for trial in trials if trial.split.source), "")
    return msgspec.structs.replace(Split(send_ms=0.0, source=source), **means)


def weighted(values: Sequence[tuple[float | None, int]]) -> float | None:
    """The mean of those that are known, by weight; None where none is."""
    known = [(value, weight) for value, weight in values if value is not None and weight]
    return sum(value * weight for value, weight in known) / sum(weight for _, weight in known) if known else None


def mean_ms_of(durations_ns: NDArray[np.int64]) -> float | None:
    """The mean of those that are known; None where none is."""
    present = durations_ns[durations_ns != ABSENT]
    return float(present.mean()) / NS_PER_MS if present.size else None
