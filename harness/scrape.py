"""Reading a server's statistics: Triton's own document, or Prometheus' text."""

from __future__ import annotations

import contextlib
import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from harness.run_folder import write_whole
from harness.server_statistics import FAMILIES, TRITON_STATISTICS, Family, Readings, ServerStatistics
from harness.wire.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT_S = 2.0
MAX_BYTES = 8 << 20
TRITON_METRICS_PORT = 8002
OK = 200
FILE = "server.json"


class Scraper:
    """Knows where one server keeps statistics that can be read."""

    def __init__(self, url: str, family: Family, model: str) -> None:
        self.url = url
        self.family = family
        self._model = model

    def read(self) -> Readings | None:
        """The family's samples, labels added up; None where there is no answer or none of them is in it."""
        body = _get(self.url)
        if body is None:
            return None
        if self.family is TRITON_STATISTICS:
            return _triton_readings(body)
        return _prometheus_readings(body, self.family, self._model)


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
    """Read before and after what is done inside, and keep both in `folder`; nothing where a reading fails."""
    before = scraper.read() if scraper else None
    yield
    after = scraper.read() if scraper and before is not None else None
    if scraper is not None and before is not None and after is not None:
        found = ServerStatistics(family=scraper.family.name, url=scraper.url, before=before, after=after)
        write_whole(folder / FILE, _encoded(found))


def read_statistics(folder: Path) -> ServerStatistics | None:
    """What `statistics_of` kept; None where it kept nothing that can be read."""
    import msgspec

    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=ServerStatistics)
    except (OSError, msgspec.DecodeError):
        return None


def _encoded(found: ServerStatistics) -> bytes:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"


def _triton_readings(body: bytes) -> Readings | None:
    try:
        statistics: dict[str, Any] = json.loads(body)["model_stats"][0]
        readings = {name: float(statistics[name]) for name in ("inference_count", "execution_count")}
        for name, duration in statistics["inference_stats"].items():
            readings |= {f"{name}.ns": float(duration["ns"]), f"{name}.count": float(duration["count"])}
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None
    return readings


def _prometheus_readings(body: bytes, family: Family, model: str) -> Readings | None:
    from prometheus_client.parser import text_string_to_metric_families

    wanted = family.samples()
    readings: Readings = {}
    try:
        for metric in text_string_to_metric_families(body.decode(errors="replace")):
            for sample in metric.samples:
                name = sample.name if sample.name in wanted else sample.name.removesuffix("_total")  # the parser's own
                if name in wanted and _counts(sample.labels, family, model):
                    readings[name] = readings.get(name, 0.0) + float(sample.value)
    except ValueError:
        return None
    return readings or None


def _counts(labels: dict[str, str], family: Family, model: str) -> bool:
    """Whether a sample is of our model, and no sum of others."""
    if any(labels.get(name) == value for name, value in family.without_labels):
        return False
    named = labels.get("model") or labels.get("model_name") or model
    return named == model


def _get(url: str) -> bytes | None:
    server = parse_url(url)
    token = {"Authorization": server.access.authorization} if server.access.token else {}
    connection = server.http_connection(TIMEOUT_S)
    try:
        connection.request("GET", server.prefix or "/", headers=token)
        answer = connection.getresponse()
        body = answer.read(MAX_BYTES)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if answer.status == OK else None
