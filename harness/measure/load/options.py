"""What a load process is told to do."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.clock import NS_PER_S
from harness.plan.arrivals import Arrivals, Closed
from harness.plan.chat_shape import ChatShape
from harness.plan.knobs import Setting
from harness.plan.request_mix import ONLY_PREDICT, ClassShare
from harness.plan.scenario import DEFAULT_MODEL


class LoadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One load process's orders. Times in seconds."""

    trial_dir: Path
    arrivals: Arrivals = Closed(users=1)
    model: str = DEFAULT_MODEL
    target: str | None = None  # a target that lives in the load process; None: requests go over the wire
    setting: Setting = {}  # its knobs
    protocol: str = "auto"
    bank: Path | None = None
    classes: tuple[ClassShare, ...] = ONLY_PREDICT
    class_banks: dict[str, Path] = {}  # by name of a request class, or by verb
    chat: ChatShape = ChatShape()  # of request classes that chat
    check: str = "all"
    tls_ca: Path | None = None
    token_file: Path | None = None  # the token itself is never an option
    timeout_s: float = 10.0
    connect_timeout_s: float | None = None  # None: as long as the whole
    first_byte_timeout_s: float | None = None
    warmup_s: float = 0.0
    measure_s: float | None = None  # None: until the run is stopped
    max_in_flight: int = 1024
    skew: float = 0.0  # Zipf exponent of the payloads' popularity
    seed: int = 0
    worker: int = 0
    workers: int = 1

    @property
    def timeouts_ns(self) -> tuple[int, int, int]:
        """From the request's start: to its answer's end, to an open connection, to the answer's first byte."""
        parts_s = (self.timeout_s, self.connect_timeout_s, self.first_byte_timeout_s)
        whole_ns, connect_ns, first_byte_ns = (round((part or self.timeout_s) * NS_PER_S) for part in parts_s)
        return whole_ns, connect_ns, first_byte_ns

    @property
    def suffix(self) -> str:
        """What tells this process's files from those of its siblings."""
        return f"-{self.worker}" if self.workers > 1 else ""
