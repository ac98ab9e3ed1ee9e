"""Resource usage over a window, from samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from harness.clock import NS_PER_MS
from harness.judge.metrics import Usage
from harness.judge.stats.quantiles import quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.judge.numbers.sample_series import SampleSeries, Series
    from harness.record.rows import Window

BYTES_PER_MB = 1e6


def usage(samples: SampleSeries, window: Window) -> Usage:
    """Means of gauges and rates of counters over `window`; None where nothing was read in it."""

    def mean(source: str, metric: str) -> float | None:
        return samples.series(source, metric).within(window).mean()

    def rate(source: str, metric: str) -> float | None:
        return samples.series(source, metric).within(window).rate()

    def over_window(source: str, metric: str) -> float | None:
        """What a counter gains in the whole window: its first and last reading lie up to one tick within."""
        return _times(rate(source, metric), window.seconds)

    cores, gpus = samples.numbered("cpu"), samples.numbered("gpu")
    late_ns = np.sort(samples.late_ns[window.holds(samples.t_ns)])
    return Usage(
        cpu_target_cores=rate("target", "cpu_s"),
        cpu_load_cores=rate("load", "cpu_s"),
        cpu_machine_percent=tuple(_each(cores, "cpu_percent", mean)),
        rss_target_mb=_times(mean("target", "rss_bytes"), 1 / BYTES_PER_MB),
        pss_target_mb=_times(_latest(samples.series("target", "pss_bytes"), window), 1 / BYTES_PER_MB),
        rss_load_mb=_times(mean("load", "rss_bytes"), 1 / BYTES_PER_MB),
        threads_target=mean("target", "threads"),
        context_switches_per_s=_sum(_each(("target", "load"), "context_switches", rate)),
        steal_percent=_times(rate("machine", "steal_s"), 100 / len(cores)) if cores else None,
        memory_access_ns=samples.series("memory", "access_ns").within(window).median(),
        gpu_utilization_percent=_mean(_each(gpus, "utilization_percent", mean)),
        gpu_memory_mb=_times(_sum(_each(gpus, "memory_bytes", mean)), 1 / BYTES_PER_MB),
        gpu_power_w=_sum(_each(gpus, "power_w", mean)),
        gpu_energy_j=_sum(_each(gpus, "energy_j", over_window)),
        package_energy_j=over_window("packages", "energy_j"),
        gpu_clock_mhz=_mean(_each(gpus, "clock_mhz", mean)),
        sampler_cpu_percent=_times(rate("sampler", "cpu_s"), 100),
        sampler_late_p99_ms=quantile(late_ns, 0.99) / NS_PER_MS if late_ns.size else None,
    )


def mean_usage(usages: list[Usage]) -> Usage:
    """Usage over several trials: the mean of each figure over the trials that have it."""
    means = {
        name: _mean([value for each in usages if (value := getattr(each, name)) is not None])
        for name in Usage.__struct_fields__
        if name != "cpu_machine_percent"
    }
    cores = zip(*(each.cpu_machine_percent for each in usages), strict=False)
    return msgspec.structs.replace(Usage(cpu_machine_percent=tuple(sum(core) / len(core) for core in cores)), **means)


def _latest(series: Series, window: Window) -> float | None:
    """The mean over the window, or what was read last before it: of a large process it is read once."""
    before = series.values[series.t_ns < window.start_ns]
    return series.within(window).mean() or (float(before[-1]) if before.size else None)


def _each(sources: Iterable[str], metric: str, read: Callable[[str, str], float | None]) -> list[float]:
    return [value for source in sources if (value := read(source, metric)) is not None]


def _sum(values: list[float]) -> float | None:
    return sum(values) if values else None


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
