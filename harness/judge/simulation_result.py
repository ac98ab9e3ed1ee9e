"""The result of a simulation, and its file `simulation.json` in the run directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.files import read_if_whole, write_whole
from harness.plan.knobs import Setting

if TYPE_CHECKING:
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
    speedup: float  # over the first setting
    efficiency: float  # speedup per process that computes


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


def read_simulation(run_dir: Path) -> Simulation | None:
    """What `simulate` wrote into the folder; None where it was never called, or the file is damaged."""
    path = run_dir / FILE
    return read_if_whole(path, Simulation)


def write_simulation(run_dir: Path, simulation: Simulation) -> None:
    """Keep it, in place of an earlier one."""
    write_whole(run_dir / FILE, msgspec.json.format(msgspec.json.encode(simulation)))
