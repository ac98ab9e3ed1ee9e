"""What one output token, result or response costs: core time, energy, money."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.metrics import UnitCost

if TYPE_CHECKING:
    from harness.judge.metrics import PointMetrics

SECONDS_PER_HOUR, MS_PER_S = 3600.0, 1e3
MILLION = 1e6
UNITS = {"tokens/s": "output token", "results/s": "result", "req/s": "response"}


def unit_cost(point: PointMetrics, price_per_hour: float | None, *, in_process: bool = False) -> UnitCost | None:
    """The cost of one unit of the rate by which `point` is ranked; None where nothing good came.

    Only good output is paid for: what was spent on failures and on idle time is in the cost of the rest. Energy is what
    GPUs and the CPU's packages used, other processes on them included; None where neither can be read, or where the
    target may run on another machine: its processes are not known, and it is not `in_process`, within the load.
    """
    rate = point.rate.value
    if not rate:
        return None
    usage = point.usage
    here = in_process or usage.cpu_target_cores is not None
    energies_j = [energy for energy in (usage.gpu_energy_j, usage.package_energy_j) if here and energy is not None]
    units_in_trial = rate * point.seconds / max(1, point.repeats)
    return UnitCost(
        unit=UNITS[point.rate_unit],
        core_ms=None if usage.cpu_target_cores is None else MS_PER_S * usage.cpu_target_cores / rate,
        energy_j=sum(energies_j) / units_in_trial if energies_j and units_in_trial else None,
        price_per_million=None if price_per_hour is None else MILLION * price_per_hour / SECONDS_PER_HOUR / rate,
    )
