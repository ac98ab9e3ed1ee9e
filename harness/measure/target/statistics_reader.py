"""Reading a server's statistics: Triton's own document, or Prometheus' text."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from harness.clock import NS_PER_S, monotonic_ns, thread_cpu_ns
from harness.files import pretty, write_whole
from harness.record.server_statistics import (
    FAMILIES,
    FILE,
    TRITON_STATISTICS,
    Counters,
    Family,
    Reading,
    ServerStatistics,
)
from harness.wire.bounded_http import OK, NoResponseError, get
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT_S = 2.0
MAX_BYTES = 8 << 20
LAST_READING_LIMIT_S = 3 * TIMEOUT_S  # a server may drip
INTERVAL_S = 0.25
CPU_SHARE = 0.01  # of a core, at most, goes into reading: a server with long statistics is asked less often
TRITON_METRICS_PORT = 8002


class Scraper:
    """Knows where one server keeps statistics that can be read."""

    def __init__(self, url: str, family: Family, model: str) -> None:
        self.url = url
        self.family = family
        self._model = model

    def read(self) -> Counters | None:
        """The family's samples, labels added up; None where there is no answer or none of them is in it."""
        body = _get(self.url)
        if body is None:
            return None
        if self.family is TRITON_STATISTICS:
            return _triton_counters(body)
        return _prometheus_counters(body, self.family, self._model)


def find_scraper(url: str, model: str, metrics_url: str = "") -> Scraper | None:
    """The first place that offers statistics of a known family; None where there is none. Asks a few paths."""
    if url.startswith("http") and not metrics_url:
        triton = Scraper(f"{url}/v2/models/{quote(model)}/stats", TRITON_STATISTICS, model)
        if triton.read():
            return triton
    for candidate in [metrics_url] if metrics_url else _candidates(url):
        for family in FAMILIES:
            scraper = Scraper(candidate, family, model)
            if scraper.read():
                return scraper
    return None


def _candidates(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    if parts.scheme.startswith("http"):
        yield f"{url}/metrics"
        yield f"{url}/monitoring/prometheus/metrics"  # TensorFlow Serving
    yield f"http://{host}:{TRITON_METRICS_PORT}/metrics"


@contextlib.contextmanager
def statistics_of(scraper: Scraper | None, folder: Path) -> Iterator[None]:
    """Read again and again while what is inside is done, and keep that in `folder`; nothing where none is to be had."""
    first = _reading(scraper) if scraper else None
    if scraper is None or first is None:
        yield
        return
    readings = [first]
    stop = threading.Event()
    reader = threading.Thread(target=_read_on, args=(scraper, readings, stop), name="server-statistics", daemon=True)
    reader.start()
    try:
        yield
    finally:
        stop.set()
        reader.join(LAST_READING_LIMIT_S)
        if len(readings) > 1:
            found = ServerStatistics(family=scraper.family.name, url=scraper.url, readings=tuple(readings))
            write_whole(folder / FILE, pretty(found))


def _read_on(scraper: Scraper, readings: list[Reading], stop: threading.Event) -> None:
    """Until told to stop, and then once more."""
    pause_s, last = INTERVAL_S, False
    while not last:
        last = stop.wait(pause_s)
        began_ns = thread_cpu_ns()
        if (reading := _reading(scraper)) is not None:
            readings.append(reading)
        pause_s = max(INTERVAL_S, (thread_cpu_ns() - began_ns) / NS_PER_S / CPU_SHARE)


def _reading(scraper: Scraper) -> Reading | None:
    counters = scraper.read()
    return None if counters is None else Reading(at_ns=monotonic_ns(), counters=counters)


def _triton_counters(body: bytes) -> Counters | None:
    try:
        statistics: dict[str, Any] = json.loads(body)["model_stats"][0]
        counters = {name: float(statistics[name]) for name in ("inference_count", "execution_count")}
        for name, duration in statistics["inference_stats"].items():
            counters |= {f"{name}.ns": float(duration["ns"]), f"{name}.count": float(duration["count"])}
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None
    return counters


def _prometheus_counters(body: bytes, family: Family, model: str) -> Counters | None:
    from prometheus_client.parser import text_string_to_metric_families

    wanted = family.samples()
    counters: Counters = {}
    try:
        for metric in text_string_to_metric_families(body.decode(errors="replace")):
            for sample in metric.samples:
                name = sample.name if sample.name in wanted else sample.name.removesuffix("_total")  # the parser's own
                if name in wanted and _counts(sample.labels, family, model):
                    counters[name] = counters.get(name, 0.0) + float(sample.value)
    except ValueError:
        return None
    return counters or None


def _counts(labels: dict[str, str], family: Family, model: str) -> bool:
    """Whether a sample is of our model, and no sum of others."""
    if any(labels.get(name) == value for name, value in family.without_labels):
        return False
    named = labels.get("model") or labels.get("model_name") or model
    return named == model


def _get(url: str) -> bytes | None:
    try:
        response = get(parse_url(url), timeout_s=TIMEOUT_S, limit_bytes=MAX_BYTES)
    except NoResponseError:
        return None
    return response.body if response.status == OK else None
