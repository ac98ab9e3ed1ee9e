"""Reads an external server's own statistics during a trial: Triton's JSON document, or Prometheus metrics."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from harness.clock import NS_PER_S, monotonic_ns, thread_cpu_ns
from harness.files import pretty, write_whole
from harness.record.server.families import FAMILIES, TRITON_STATISTICS
from harness.record.server.statistics import FILE, CounterReading, Counters, Family, ServerStatistics
from harness.wire.bounded_http import OK, NoResponseError, get
from harness.wire.bounded_json import parse_json
from harness.wire.credentials import access_to
from harness.wire.language.api_url import server_root
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from harness.wire.server_url import ServerUrl

TIMEOUT_S = 2.0
MAX_BYTES = 8 << 20
MAX_SAMPLES = 20_000  # lines of text that may belong to a family: some 3 s of parsing
MAX_COUNT = 1e18  # the nanoseconds of 30 years
LAST_READING_LIMIT_S = 3 * TIMEOUT_S  # a server may send slowly
INTERVAL_S = 0.25
CPU_SHARE = 0.01  # of a core, at most, goes into reading: a server with long statistics is asked less often
TRITON_METRICS_PORT = 8002


class StatisticsReader:
    """Reads the statistics of one family at one URL (`server` with its path), for one model.

    others: readers of further servers that share the load, of the same family. What is read is the sum of all.
    """

    def __init__(
        self, server: ServerUrl, family: Family, model: str, others: tuple[StatisticsReader, ...] = ()
    ) -> None:
        self.url: str = ",".join((str(server), *(other.url for other in others)))
        self.server = server
        self.family = family
        self._model = model
        self._others = others

    def read(self) -> Counters | None:
        """The family's samples, summed over their labels; None where a server does not respond or has none of them."""
        body = _get(self.server)
        counters = None if body is None else self.counters_in(body)
        for other in self._others:
            more = other.read() if counters is not None else None
            counters = _added(counters, more, self.family) if counters is not None and more is not None else None
        return counters

    def counters_in(self, body: bytes) -> Counters | None:
        """The family's samples in a response; None where there are none, or one cannot be true."""
        if self.family is TRITON_STATISTICS:
            return _triton_counters(body)
        return _prometheus_counters(body, self.family, self._model)


def find_statistics_readers(
    urls: Sequence[str], model: str, metrics_url: str = "", *, own_paths: bool = False
) -> StatisticsReader | None:
    """A reader for all servers that share the load; None where they are not all of one family.

    The statistics of a part of them would be taken for those of all. `metrics_url` is read alone: it was asked for.
    """
    asked = urls[:1] if metrics_url else urls
    found = [find_statistics_reader(url, model, metrics_url, own_paths=own_paths) for url in asked]
    readers = [reader for reader in found if reader is not None]
    if len(readers) < len(found) or len({reader.family.name for reader in readers}) > 1:
        return None
    first, *others = readers
    return StatisticsReader(first.server, first.family, model, tuple(others))


def find_statistics_reader(
    url: str, model: str, metrics_url: str = "", *, own_paths: bool = False
) -> StatisticsReader | None:
    """A reader for the first path that has statistics of a known family; None where there is none.

    own_paths: the server speaks no known protocol, so that it is asked for `/metrics` and nothing else: each further
    path would be a refused request in its log. What listens elsewhere than the server itself gets no credentials.
    """
    server = parse_url(url)
    url = f"{server.scheme}://{server.authority}{'' if own_paths else server.prefix}"
    if url.startswith("http") and not metrics_url and not own_paths:
        triton = StatisticsReader(parse_url(f"{url}/v2/models/{quote(model)}/stats"), TRITON_STATISTICS, model)
        if triton.read():
            return triton
    for candidate in [metrics_url] if metrics_url else _candidates(url, own_paths=own_paths):
        place = parse_url(candidate, access_to(candidate, [url]))
        body = _get(place)
        for family in FAMILIES if body else ():
            reader = StatisticsReader(place, family, model)
            if body and reader.counters_in(body):
                return reader
    return None


def _candidates(url: str, *, own_paths: bool) -> Iterator[str]:
    parts = urlsplit(url)
    if own_paths:
        yield from [f"{url}/metrics"] if parts.scheme.startswith("http") else ()
        return
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    if parts.scheme.startswith("http"):
        yield f"{url}/metrics"
        if (root := str(server_root(parse_url(url)))) != url:  # of a base URL such as http://host/v1
            yield f"{root}/metrics"
        yield f"{url}/monitoring/prometheus/metrics"  # TensorFlow Serving
        if parts.path:
            yield f"{parts.scheme}://{parts.netloc}/metrics"
    yield f"http://{host}:{TRITON_METRICS_PORT}/metrics"


@contextlib.contextmanager
def recorded_statistics(reader: StatisticsReader | None, folder: Path) -> Iterator[None]:
    """Read the statistics repeatedly until the block ends, and write them to `folder`; nothing without a reader."""
    first = _reading(reader) if reader else None
    if reader is None or first is None:
        yield
        return
    readings = [first]
    stop = threading.Event()
    thread = threading.Thread(target=_read_on, args=(reader, readings, stop), name="server-statistics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(LAST_READING_LIMIT_S)
        if len(readings) > 1:
            found = ServerStatistics(family=reader.family.name, url=reader.url, readings=tuple(readings))
            write_whole(folder / FILE, pretty(found))


def _read_on(reader: StatisticsReader, readings: list[CounterReading], stop: threading.Event) -> None:
    """Read until `stop` is set, and then once more."""
    pause_s, last = INTERVAL_S, False
    while not last:
        last = stop.wait(pause_s)
        began_ns = thread_cpu_ns()
        if (reading := _reading(reader)) is not None:
            readings.append(reading)
        pause_s = max(INTERVAL_S, (thread_cpu_ns() - began_ns) / NS_PER_S / CPU_SHARE)


def _reading(reader: StatisticsReader) -> CounterReading | None:
    samples = reader.read()
    if samples is None:
        return None
    family = reader.family
    counters = {name: value for name, value in samples.items() if name not in family.gauge_samples}
    gauges = {
        gauge.name: next(samples[name] for name in gauge.samples if name in samples)
        for gauge in family.gauges
        if any(name in samples for name in gauge.samples)
    }
    return CounterReading(at_ns=monotonic_ns(), counters=counters, gauges=gauges)


def _triton_counters(body: bytes) -> Counters | None:
    """The sum over all versions of the model: a version that stands idle adds nothing to what is done meanwhile."""
    counters: Counters = {}
    try:
        for version in parse_json(body)["model_stats"]:
            named = {name: version[name] for name in ("inference_count", "execution_count")}
            for name, duration in version["inference_stats"].items():
                named |= {f"{name}.ns": duration["ns"], f"{name}.count": duration["count"]}
            counters = {name: counters.get(name, 0.0) + float(value) for name, value in named.items()}
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None
    return _possible(counters)


def _prometheus_counters(body: bytes, family: Family, model: str) -> Counters | None:
    from prometheus_client.parser import text_string_to_metric_families

    wanted = family.samples()
    counters: Counters = {}
    try:
        for metric in text_string_to_metric_families(_lines_of(body, family)):
            for sample in metric.samples:
                name = _known_name(sample.name, wanted)
                if name in wanted and _counts(sample.labels, family, model):
                    value, known = float(sample.value), counters.get(name, 0.0)
                    counters[name] = max(known, value) if name in family.highest_samples else known + value
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):  # of a parser that expects the format
        return None
    return _possible(counters)


def _lines_of(body: bytes, family: Family) -> str:
    """The lines that may be of the family, whose names begin as its own do: what else a server counts takes no time.

    Raises ValueError where there are very many.
    """
    prefixes = tuple({name.partition(":")[0].partition("_")[0].encode() for name in family.samples()})
    comments = tuple(b"# %b %b" % (kind, prefix) for kind in (b"TYPE", b"HELP") for prefix in prefixes)
    lines = [line for line in body.split(b"\n") if line.startswith((*prefixes, *comments))]
    if len(lines) > MAX_SAMPLES:
        raise ValueError(f"{len(lines)} lines of statistics")
    return "".join(f"{line.decode(errors='replace')}\n" for line in lines)


def _added(counters: Counters, more: Counters, family: Family) -> Counters:
    """The counters of two servers as those of one: sums, but for samples of which the highest counts.

    What only one of them has is not known of both.
    """
    highest, both = family.highest_samples, counters.keys() & more.keys()
    return {name: max(counters[name], more[name]) if name in highest else counters[name] + more[name] for name in both}


def _known_name(name: str, wanted: Collection[str]) -> str:
    """The name under which a sample is looked for: without `_total`, which the parser adds, or with a colon.

    Versions and relays of SGLang and vLLM write `sglang_token_usage` for `sglang:token_usage`.
    """
    plain = name.removesuffix("_total")
    parts = (name, plain, name.replace("_", ":", 1), plain.replace("_", ":", 1))
    return next((each for each in parts if each in wanted), name)


def _possible(counters: Counters) -> Counters | None:
    """The counters where there are any and all are numbers that a counter can reach, else None."""
    return counters if counters and all(abs(value) < MAX_COUNT for value in counters.values()) else None


def _counts(labels: dict[str, str], family: Family, model: str) -> bool:
    """Whether a sample belongs to `model`, and is not a sum of other samples."""
    if any(labels.get(name) == value for name, value in family.without_labels):
        return False
    named = labels.get("model") or labels.get("model_name") or model
    return named == model


def _get(server: ServerUrl) -> bytes | None:
    try:
        response = get(server, timeout_s=TIMEOUT_S, limit_bytes=MAX_BYTES)
    except NoResponseError:
        return None
    return response.body if response.status == OK else None
