"""The settings of a load, each declared once.

`LoadSettings` holds what a user chooses for a whole run; the plan holds it. `TrialLoad` adds what one trial decides,
and is the content of `settings.json` in the trial's folder: the harness writes it and the load process reads it.
A bearer token is never among the settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.clock import NS_PER_S
from harness.errors import UserError
from harness.plan.arrivals import Arrivals, Closed, Replay
from harness.plan.chat_shape import ChatShape
from harness.plan.knobs import Setting
from harness.plan.request_mix import ONLY_PREDICT, ClassShare
from harness.plan.scenario import DEFAULT_MODEL
from harness.wire.protocol import AUTO
from harness.wire.tolerance import Tolerance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CHECK_MODES = ("all", "sample", "off")


class LoadSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a user chooses for the load of a run. Times are in seconds."""

    protocol: str = AUTO  # a name of harness.wire.protocols
    check: str = "all"  # which responses are compared with the expected ones: one of CHECK_MODES
    tolerance: Tolerance | None = None  # of that comparison; None: that of the payloads
    expect: str = ""  # conditions on responses, as `harness.wire.own.expectation_text` reads them
    mix: str | None = None  # weights of the request classes; None: the scenario's own
    skew: float = 0.0  # Zipf exponent of the payloads' popularity; 0: all are equally popular
    timeout_s: float = 10.0  # from the start of a request to the end of its response
    connect_timeout_s: float | None = None  # to an open connection; None: `timeout_s`
    first_byte_timeout_s: float | None = None  # to the first byte of the response; None: `timeout_s`
    warmup_s: float = 0.0  # load before the measured time
    measure_s: float | None = None  # measured time; None: until the load is stopped
    max_in_flight: int = 1024  # open requests of an open loop, over all load processes
    chat: ChatShape = ChatShape()  # conversations of request classes that chat

    @property
    def timeouts_ns(self) -> tuple[int, int, int]:
        """From the start of a request: to the end of its response, to an open connection, to the first byte."""
        parts_s = (self.timeout_s, self.connect_timeout_s, self.first_byte_timeout_s)
        whole_ns, connect_ns, first_byte_ns = (round((part or self.timeout_s) * NS_PER_S) for part in parts_s)
        return whole_ns, connect_ns, first_byte_ns


class TrialLoad(LoadSettings, frozen=True, kw_only=True):
    """The settings of one trial's load, or of one worker's part of it."""

    trial_dir: str  # the folder of rows and reports
    arrivals: Arrivals = Closed(users=1)
    model: str = DEFAULT_MODEL
    target: str | None = None  # a target inside the load process; None: requests are sent to a server
    other_servers: tuple[str, ...] = ()  # URLs, over which conversations are spread as over that of `--host`
    setting: Setting = {}  # knobs of that target
    bank: str | None = None  # file of payloads and expected responses
    classes: tuple[ClassShare, ...] = ONLY_PREDICT
    class_banks: dict[str, str] = {}  # further such files, by name of a request class or by verb
    tls_ca: str | None = None  # file of the certificate authorities to trust
    seed: int = 0
    worker: int = 0
    workers: int = 1

    @property
    def suffix(self) -> str:
        """The part of this process's file names that differs from those of the other workers."""
        return f"-{self.worker}" if self.workers > 1 else ""

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that these settings name."""
        trace = self.arrivals.path if isinstance(self.arrivals, Replay) else None
        named = (self.bank, self.tls_ca, trace, self.chat.lengths, self.chat.prompts, *self.class_banks.values())
        return tuple(dict.fromkeys(path for path in named if path))

    def with_files(self, copies: Mapping[str, str]) -> TrialLoad:
        """The same settings with each file in `copies` replaced by its copy."""
        if not copies:
            return self

        def here(path: str | None) -> str | None:
            return path and copies.get(path, path)

        arrivals = self.arrivals
        if isinstance(arrivals, Replay):
            arrivals = msgspec.structs.replace(arrivals, path=copies.get(arrivals.path, arrivals.path))
        chat = msgspec.structs.replace(self.chat, lengths=here(self.chat.lengths), prompts=here(self.chat.prompts))
        banks = {name: copies.get(path, path) for name, path in self.class_banks.items()}
        return msgspec.structs.replace(
            self, arrivals=arrivals, chat=chat, class_banks=banks, bank=here(self.bank), tls_ca=here(self.tls_ca)
        )


def read_trial_load(path: Path) -> TrialLoad:
    """The settings in a file. Raises UserError where it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=TrialLoad)
    except (OSError, msgspec.DecodeError) as error:
        raise UserError(f"--settings {path}: cannot be read as the settings of a load ({error})") from error
