"""The result of a simulation, and its file `simulation.json` in the run directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.files import read_if_whole, write_whole
from harness.judge.simulation.batching import BATCHING
from harness.plan.knobs import Setting, setting_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE = "simulation.json"


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated setting at one load."""

    setting: Setting
    load: str
    processes: int  # that compute
    throughput_rps: float
    p50_ms: float
    p99_ms: float
    mean_batch: float
    busy_share: float  # of the processes that compute
    speedup: float | None  # over one replica in one process, batching and fed alike; None under a rate
    efficiency: float | None  # speedup per process that computes


class Simulation(msgspec.Struct, frozen=True, kw_only=True):
    """What was simulated, and what it was taken from. Times in ms."""

    slope_ms: float
    base_ms: float
    request_ms: float
    travel_ms: float
    batches: int
    busy_trials: int
    pieces_ms: tuple[float, ...]  # of the model, measured; none: stages are taken to be equally long
    predictions: tuple[Prediction, ...]
    sentences: tuple[str, ...]
    curve_ms: tuple[float, ...] = ()  # of batches of 1, 2, ... rows; beyond, `slope_ms` more for each row


def batching_text(each: Prediction, among: Sequence[Prediction]) -> str:
    """The knobs of batching that have several values among predictions: `batch_size=8`; empty where all batch alike."""
    several = [name for name in BATCHING if len({other.setting.get(name) for other in among}) > 1]
    return setting_text({name: each.setting[name] for name in several})


def replica_series(predictions: Sequence[Prediction]) -> list[list[Prediction]]:
    """Whole models that differ in the number of replicas only, two or more, each series by that number."""
    series: dict[str, list[Prediction]] = {}
    for each in predictions:
        if each.setting["stages"] == 1:
            others = {name: value for name, value in each.setting.items() if name != "replicas"}
            series.setdefault(setting_text(others), []).append(each)
    return [sorted(found, key=lambda each: each.processes) for found in series.values() if len(found) > 1]


def read_simulation(run_dir: Path) -> Simulation | None:
    """What `simulate` wrote into the folder; None where it was never called, or the file is damaged."""
    path = run_dir / FILE
    return read_if_whole(path, Simulation)


def write_simulation(run_dir: Path, simulation: Simulation) -> None:
    """Keep it, in place of an earlier one."""
    write_whole(run_dir / FILE, msgspec.json.format(msgspec.json.encode(simulation)))
