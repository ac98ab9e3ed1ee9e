"""Reads NVIDIA GPUs by NVML. Only this module imports `pynvml`, and only when a function is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.measure.samplers.reading import Reading
from harness.record.machine.environment import Gpu

if TYPE_CHECKING:
    from collections.abc import Callable


class GpuAbsentError(Exception):
    """There is no NVML or no GPU on this machine; the message says which."""


class Gpus:
    """All GPUs of this machine. Raises GpuAbsentError where there is none to be read."""

    def __init__(self, nvml: Any = None) -> None:
        self._nvml = nvml = _open() if nvml is None else nvml
        try:
            self._handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        except nvml.NVMLError as error:
            raise GpuAbsentError(f"NVML: {error}") from error
        if not self._handles:
            raise GpuAbsentError("NVML shows no GPU")

    def read(self, now_ns: int) -> list[Reading]:
        """Five metrics per GPU. Energy is the driver's own counter, since it was loaded."""
        del now_ns
        nvml = self._nvml
        readings: list[Reading] = []
        for number, handle in enumerate(self._handles):
            metrics: list[tuple[str, Callable[[Any], float]]] = [
                ("utilization_percent", lambda h: nvml.nvmlDeviceGetUtilizationRates(h).gpu),
                ("memory_bytes", lambda h: nvml.nvmlDeviceGetMemoryInfo(h).used),
                ("power_w", lambda h: nvml.nvmlDeviceGetPowerUsage(h) / 1e3),  # milliwatts
                ("energy_j", lambda h: nvml.nvmlDeviceGetTotalEnergyConsumption(h) / 1e3),  # millijoules
                ("clock_mhz", lambda h: nvml.nvmlDeviceGetClockInfo(h, nvml.NVML_CLOCK_SM)),
            ]
            readings += [self._reading(f"gpu{number}", metric, get, handle) for metric, get in metrics]
        return readings

    def _reading(self, source: str, metric: str, get: Callable[[Any], float], handle: Any) -> Reading:
        try:
            return Reading(source, metric, float(get(handle)))
        except self._nvml.NVMLError as error:
            return Reading(source, metric, None, f"NVML: {error}")

    def describe(self) -> tuple[Gpu, ...]:
        """Names and drivers, in NVML's order."""
        driver = self._nvml.nvmlSystemGetDriverVersion()
        return tuple(
            Gpu(name=self._nvml.nvmlDeviceGetName(handle), driver=driver, memory_bytes=self._memory_bytes(handle))
            for handle in self._handles
        )

    def _memory_bytes(self, handle: Any) -> int | None:
        try:
            return int(self._nvml.nvmlDeviceGetMemoryInfo(handle).total)
        except self._nvml.NVMLError:
            return None

    def close(self) -> None:
        """Shut NVML down."""
        self._nvml.nvmlShutdown()


def describe_gpus() -> tuple[Gpu, ...]:
    """The GPUs of this machine; none where NVML or they are absent."""
    try:
        gpus = Gpus()
    except GpuAbsentError:
        return ()
    try:
        return gpus.describe()
    finally:
        gpus.close()


def _open() -> Any:
    try:
        import pynvml
    except ImportError as error:
        raise GpuAbsentError("pynvml is not installed") from error
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise GpuAbsentError(f"NVML: {error}") from error
    return pynvml
