"""Parts of the response time and resource usage per point: figures with bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.numbers.time_split import PER_REQUEST, SERVER_PARTS
from reports import units
from reports.labels import point_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from harness.judge.metrics import PointMetrics, TimeSplit, Usage

PARTS = (
    *("send", "queue", "batch_wait", "preprocess", "compute", "serialise", "rest", "client", "prefill", "decode"),
    *("read", "reach"),
)
PART_MEANING = {
    "send": "due until sent",
    "queue": "waiting in the server",
    "batch_wait": "waiting for the batch to fill",
    "preprocess": "decoding and preparing",
    "compute": "in the model",
    "serialise": "encoding the response",
    "prefill": "from sent to the first token, without the queue where the server reports it",
    "decode": "from the first token to the last",
    "rest": "not known in parts: writing and the way back; without \u201creach\u201d also the way there",
    "client": "preparing in the load process",
    "reach": "from sent until the server had read and parsed it",
    "read": "in the kernel until the load process read it",
}
_SHOWN_CORES = 64


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a bar, in percent of its whole length."""

    part: str
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class SplitRow:
    """The mean response time of one point, divided."""

    point: str
    first: bool  # of its setting, after others
    segments: tuple[Segment, ...]
    mean: str
    parts: tuple[str, ...]  # in ms, in the order of PARTS
    words: str  # for who cannot see the bar


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one point used. `cores` are percent, one per core; bars are percent of the widest in the table."""

    point: str
    first: bool  # of its setting, after others
    target_bar: float
    load_bar: float
    cores: tuple[float, ...]
    cores_text: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UsageTable:
    """Columns beside the bars that at least one point has, and the rows."""

    columns: tuple[str, ...]
    rows: tuple[UsageRow, ...]
    more_cores: int  # cores left out of the strips


def split_rows(points: Sequence[PointMetrics]) -> list[SplitRow]:
    """A row for each point that has good responses."""
    shown = [point for point in points if point.response.count and point.counts.ok]
    return [_split_row(point, first=first) for point, first in zip(shown, _firsts(shown), strict=True)]


def _firsts(points: Sequence[PointMetrics]) -> list[bool]:
    settings = [point.setting for point in points]
    return [number > 0 and setting != settings[number - 1] for number, setting in enumerate(settings)]


def parts_seen(points: Sequence[PointMetrics]) -> list[str]:
    """The parts that are known of at least one point, whoever timed them."""
    return [part for part in PARTS if any(_part(point.split, part) is not None for point in points)]


def split_sources(points: Sequence[PointMetrics]) -> str:
    """Where the server's parts come from, in a sentence; empty where there are no points."""
    sources = dict.fromkeys(point.split.source for point in points if point.split.source not in ("", PER_REQUEST))
    if not sources:
        named = set(parts_seen(points)) & set(SERVER_PARTS)
        if not points:
            return ""
        none = "The server reports no part of it: it sends no Server-Timing, and has no statistics that can be used."
        return "The server reports its parts with each response." if named else none
    return f"The server's parts are from {', '.join(sources)}: means over all requests in the measured time."


def _part(split: TimeSplit, part: str) -> float | None:
    value: float | None = getattr(split, f"{part}_ms")
    return value


def _split_row(point: PointMetrics, *, first: bool) -> SplitRow:
    values = {part: _part(point.split, part) for part in PARTS}
    drawn = {part: max(value, 0.0) for part, value in values.items() if value is not None}
    whole = sum(drawn.values()) or 1.0
    segments, start = [], 0.0
    for part, value in drawn.items():
        width = 100 * value / whole
        segments.append(Segment(part, round(start, 2), round(width, 2)))
        start += width
    texts = tuple(units.number(values[part], 2) for part in PARTS)
    words = ", ".join(f"{part.replace('_', ' ')} {units.with_unit(values[part], 'ms', 2)}" for part in drawn)
    return SplitRow(point_label(point), first, tuple(segments), units.number(point.response.mean_ms), texts, words)


_OF_MACHINE = ("Steal", "GPU", "CPU energy")
COLUMNS: Mapping[str, Callable[[Usage], str]] = {
    "CPU target, cores": lambda usage: units.number(usage.cpu_target_cores, 2),
    "CPU load, cores": lambda usage: units.number(usage.cpu_load_cores, 2),
    "Memory target, MB": lambda usage: units.number(usage.rss_target_mb),
    "of it, pages shared by its processes counted once": lambda usage: units.number(usage.pss_target_mb),
    "Memory load, MB": lambda usage: units.number(usage.rss_load_mb),
    "Threads": lambda usage: units.number(usage.threads_target, 2),
    "Context switches /s": lambda usage: units.number(usage.context_switches_per_s),
    "Steal": lambda usage: units.with_unit(usage.steal_percent, "%", 2),
    "Memory access, ns": lambda usage: units.number(usage.memory_access_ns, 3),
    "GPU use": lambda usage: units.with_unit(usage.gpu_utilization_percent, "%", 2),
    "GPU memory, MB": lambda usage: units.number(usage.gpu_memory_mb),
    "GPU power, W": lambda usage: units.number(usage.gpu_power_w),
    "GPU energy, J": lambda usage: units.number(usage.gpu_energy_j),
    "CPU energy, J": lambda usage: units.number(usage.package_energy_j),
    "GPU clock, MHz": lambda usage: units.number(usage.gpu_clock_mhz, 4),
    "Samplers, CPU": lambda usage: units.with_unit(usage.sampler_cpu_percent, "%", 2),
    "Samplers late p99, ms": lambda usage: units.number(usage.sampler_late_p99_ms, 2),
}


def known_columns(columns: Mapping[str, Callable[[Usage], str]], usages: Sequence[Usage]) -> dict[str, list[str]]:
    """The cells of each column, top to bottom; a column without any figure is left out."""
    read = {title: [cell(usage) for usage in usages] for title, cell in columns.items()}
    return {title: cells for title, cells in read.items() if any(cell != units.ABSENT for cell in cells)}


def usage_table(points: Sequence[PointMetrics]) -> UsageTable:
    """Usage per point; a column that no point has is left out."""
    known = _of_machine(known_columns(COLUMNS, [point.usage for point in points]), points) | _cost_columns(points)
    cores = [value for point in points for value in (point.usage.cpu_target_cores, point.usage.cpu_load_cores) if value]
    widest = max(cores, default=1.0)
    rows = tuple(
        UsageRow(
            point_label(point),
            first,
            round(100 * (point.usage.cpu_target_cores or 0.0) / widest, 1),
            round(100 * (point.usage.cpu_load_cores or 0.0) / widest, 1),
            tuple(round(min(core, 100.0)) for core in point.usage.cpu_machine_percent[:_SHOWN_CORES]),
            ", ".join(units.with_unit(core, "%", 2) for core in point.usage.cpu_machine_percent),
            tuple(cells[number] for cells in known.values()),
        )
        for number, (point, first) in enumerate(zip(points, _firsts(points), strict=True))
    )
    most = max((len(point.usage.cpu_machine_percent) for point in points), default=0)
    return UsageTable(tuple(known), rows, max(0, most - _SHOWN_CORES))


def _of_machine(columns: dict[str, list[str]], points: Sequence[PointMetrics]) -> dict[str, list[str]]:
    """The columns; where no target's processes are known, it may be elsewhere: those about the machine say of which."""
    if any(point.usage.cpu_target_cores is not None for point in points):
        return columns
    return {f"{title} (this machine)" if title.startswith(_OF_MACHINE) else title: columns[title] for title in columns}


def _cost_columns(points: Sequence[PointMetrics]) -> dict[str, list[str]]:
    """What a unit of output costs at each point; a column that no point has is left out."""
    costs = [point.cost for point in points]
    unit = next((cost.unit for cost in costs if cost), "")
    figures = {
        f"Core time for each {unit}, ms": "core_ms",
        f"Energy for each {unit}, J": "energy_j",
        f"Price of a million {unit}s": "price_per_million",
    }
    read = {title: [units.number(getattr(cost, name, None)) for cost in costs] for title, name in figures.items()}
    return {title: cells for title, cells in read.items() if any(cell != units.ABSENT for cell in cells)}


def gpu_words(usages: Iterable[Usage], environment: Mapping[str, Mapping[str, str]]) -> str:
    """What is to be said of the GPU in a sentence."""
    if any(usage.gpu_utilization_percent is not None for usage in usages):
        return ""
    if any(section.startswith("GPU") for section in environment):
        return "This machine has a GPU, but there are no readings of it."
    return "No GPU on this machine."
