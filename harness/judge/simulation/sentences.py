"""Conclusions from the predictions, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import figure, grouped, milliseconds, percent
from harness.judge.simulation_result import batching_text, replica_series
from harness.plan.knobs import format_value
from harness.plan.process_layout import PORT, QUEUE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judge.simulation.fit import ServiceFit
    from harness.judge.simulation_result import Prediction

PAYS_FROM = 0.5  # of each process added: below, more of them are mostly idle
FULL = 0.9
KEEPS_UP = 0.95  # of the rate that is asked for
MS_PER_S = 1e3


def sentences(
    predictions: Sequence[Prediction],
    calibration: ServiceFit,
    pieces_ms: Sequence[float],
    cores: int,
    rate_rps: float | None = None,
) -> Iterator[str]:
    """When more replicas or stages pay, what ends it, and which cannot keep up with `rate_rps`.

    cores: of the machine that is predicted for.
    """
    line = f"{figure(calibration.service.slope_ms)} b + {figure(calibration.service.base_ms)} ms"
    yield (
        f"For a machine with {cores} core{'s' if cores > 1 else ''} as fast as that of the run, one for each process. "
        f"A batch of b takes about {line} "
        f"({grouped(calibration.batches)} batches measured), and a request {figure(calibration.request_ms)} ms besides."
    )
    most_rows = calibration.largest_batch
    if any(each.mean_batch > most_rows / 2 and int(each.setting["batch_size"]) > most_rows for each in predictions):
        yield (
            f"Too few batches of more than {most_rows} rows were measured: each row beyond is taken to add "
            f"{figure(calibration.service.slope_ms)} ms."
        )
    if not calibration.busy_trials:
        yield "No trial kept the process busy: the time of a request outside the model is not known and taken as zero."
    for series in replica_series(predictions):
        yield _how_far(series, predictions, calibration)
    yield from _stages(predictions, pieces_ms)
    yield from _port_against_queue(predictions)
    if rate_rps is not None:
        yield from _behind(predictions, rate_rps)


def _behind(predictions: Sequence[Prediction], rate_rps: float) -> Iterator[str]:
    behind = [each for each in predictions if each.throughput_rps < KEEPS_UP * rate_rps]
    if behind:
        most_rps = max(each.throughput_rps for each in behind)
        yield (
            f"{len(behind)} of {len(predictions)} settings cannot keep up with {grouped(rate_rps)} req/s (they serve "
            f"{grouped(most_rps)} at most): there the queue grows without end, and the times are those of the first "
            "requests only."
        )


def _how_far(series: Sequence[Prediction], among: Sequence[Prediction], calibration: ServiceFit) -> str:
    first, last = series[0], series[-1]
    if last.speedup is None or last.efficiency is None:  # under a rate more of them can only respond sooner
        return (
            f"At {last.load}, {_fed(last, among)}: a p99 of {milliseconds(first.p99_ms)} with {_replicas(first)}, of "
            f"{milliseconds(last.p99_ms)} with {_replicas(last)}."
        )
    batching = batching_text(last, among)
    where = f"Behind one {last.setting['dispatch']}{f' with {batching},' if batching else ''}"
    said = f"{where} {_replicas(last)} give {figure(last.speedup, 3)}\u00d7 of one"
    paying = [each for each in series if (each.efficiency or 0.0) >= PAYS_FROM]
    if last in paying or not paying:
        return f"{said}, {percent(last.efficiency)} of each."
    most = max(int(each.setting["replicas"]) for each in paying)
    ceiling_rps = MS_PER_S / calibration.request_ms if calibration.request_ms else None
    full = last.setting["dispatch"] == QUEUE and ceiling_rps is not None and last.throughput_rps > FULL * ceiling_rps
    why = f": the one process that listens is full at {grouped(ceiling_rps or 0)} req/s" if full else ""
    return f"{said}; beyond {most} each adds less than half of itself{why}."


def _replicas(each: Prediction) -> str:
    count = int(each.setting["replicas"])
    return f"{grouped(count)} replica{'s' if count > 1 else ''}"


def _fed(each: Prediction, among: Sequence[Prediction]) -> str:
    """Its dispatch, and its batching where that differs among those."""
    return ", ".join(filter(None, (f"dispatch={each.setting['dispatch']}", batching_text(each, among))))


def _stages(predictions: Sequence[Prediction], pieces_ms: Sequence[float]) -> Iterator[str]:
    cut = [each for each in predictions if int(each.setting["stages"]) > 1 and int(each.setting["replicas"]) == 1]
    for each in cut:
        if each.speedup is not None and each.efficiency is not None:
            yield (
                f"{each.setting['stages']} stages ({_fed(each, predictions)}) give "
                f"{figure(each.speedup, 3)}\u00d7 of the whole model in one process, "
                f"{percent(each.efficiency)} of each process."
            )
    if cut and not pieces_ms:
        yield "The model was never cut here, so its stages are taken to be equally long: the best that can be."


def _port_against_queue(predictions: Sequence[Prediction]) -> Iterator[str]:
    def key(each: Prediction) -> tuple[str, ...]:
        return tuple(format_value(value) for name, value in each.setting.items() if name != "dispatch")

    queue = {key(each): each for each in predictions if each.setting["dispatch"] == QUEUE}
    ports = [each for each in predictions if each.setting["dispatch"] == PORT]
    pairs = [(each, queue[key(each)]) for each in ports if key(each) in queue]
    several = [(port, one) for port, one in pairs if int(port.setting["replicas"]) > 1]
    if several:
        port, one = max(several, key=lambda pair: abs(pair[0].p99_ms / pair[1].p99_ms - 1))
        batching = batching_text(port, predictions)
        worse = port.p99_ms > one.p99_ms
        uneven, single = (
            (", where connections fall on replicas unevenly,", "") if worse else ("", ", where one listens")
        )
        yield (
            f"They differ most at {_replicas(port)}{f' with {batching}' if batching else ''}: a p99 of "
            f"{milliseconds(port.p99_ms)} behind the port{uneven} and of {milliseconds(one.p99_ms)} behind the "
            f"queue{single}."
        )
