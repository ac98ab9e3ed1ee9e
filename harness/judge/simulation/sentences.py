"""Conclusions from the predictions, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import figure, grouped, milliseconds, percent
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
    for dispatch in (PORT, QUEUE):
        several = [each for each in predictions if each.setting["dispatch"] == dispatch and each.setting["stages"] == 1]
        if len(several) > 1:
            yield _how_far(several, dispatch, calibration)
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


def _how_far(several: Sequence[Prediction], dispatch: str, calibration: ServiceFit) -> str:
    first, last = several[0], several[-1]
    if last.load == first.load:  # the same for all: more of them can only respond sooner
        return (
            f"At {last.load}, dispatch={dispatch}: a p99 of {milliseconds(first.p99_ms)} with "
            f"{first.setting['replicas']} replicas, of {milliseconds(last.p99_ms)} with {last.setting['replicas']}."
        )
    where = "Behind one port" if dispatch == PORT else "Behind one queue"
    said = f"{where} {last.setting['replicas']} replicas give {figure(last.speedup, 3)}\u00d7 of one"
    paying = [each for each in several if each.efficiency >= PAYS_FROM]
    if last in paying:
        return f"{said}, {percent(last.efficiency)} of each."
    most = max((int(each.setting["replicas"]) for each in paying), default=1)
    ceiling_rps = MS_PER_S / calibration.request_ms if calibration.request_ms else None
    full = dispatch == QUEUE and ceiling_rps is not None and last.throughput_rps > FULL * ceiling_rps
    why = f": the one process that listens is full at {grouped(ceiling_rps or 0)} req/s" if full else ""
    return f"{said}; beyond {most} each adds less than half of itself{why}."


def _stages(predictions: Sequence[Prediction], pieces_ms: Sequence[float]) -> Iterator[str]:
    cut = [each for each in predictions if int(each.setting["stages"]) > 1 and int(each.setting["replicas"]) == 1]
    for each in cut:
        yield (
            f"{each.setting['stages']} stages (dispatch={each.setting['dispatch']}) give {figure(each.speedup, 3)}"
            f"\u00d7 of the whole model in one process, {percent(each.efficiency)} of each process."
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
        worse = port.p99_ms > one.p99_ms
        uneven, single = (
            (", where connections fall on replicas unevenly,", "") if worse else ("", ", where one listens")
        )
        yield (
            f"They differ most at {port.setting['replicas']} replicas: a p99 of {milliseconds(port.p99_ms)} behind the "
            f"port{uneven} and of {milliseconds(one.p99_ms)} behind the queue{single}."
        )
