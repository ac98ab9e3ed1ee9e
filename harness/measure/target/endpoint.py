"""Where a trial's load goes, and what the load process must know to send it there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.measure.target.statistics_reader import Scraper
    from harness.plan.knobs import Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A URL, or a model inside the load process (`url` None), with its payloads and the protocol to speak."""

    url: str | None
    bank: Path | None  # None: the load process makes its own payloads
    protocol: str
    setting: Setting  # every knob of the target, complete
    known: bool = True  # whether the bank holds expected predictions
    scraper: Scraper | None = None  # reads the statistics of a server that is not ours
    class_banks: Mapping[str, Path] = field(default_factory=dict)  # by verb, for the verbs other than predict
    tls_ca: Path | None = None  # the certificate authority of the target's own certificate
