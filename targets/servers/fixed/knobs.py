"""The knobs of `fixed`: known delays and injected faults. Importing this imports nothing heavy."""

from __future__ import annotations

from harness.plan.knobs import Knob


def _share(name: str, doc: str) -> Knob:
    return Knob(name=name, doc=doc, default=0.0, swept=(0.0, 0.01, 0.1), minimum=0, maximum=1)


def _seconds(name: str, doc: str, swept: tuple[float, ...]) -> Knob:
    return Knob(name=name, doc=doc, default=0.0, swept=swept, unit="s", minimum=0, maximum=86_400)


FIXED_KNOBS = (
    Knob(
        name="delay_ms",
        doc="Service time of a request; its mean where service is exponential.",
        default=5.0,
        swept=(1.0, 5.0, 20.0),
        unit="ms",
        minimum=0,
        maximum=600_000,
    ),
    Knob(
        name="servers",
        doc="Servers of the FIFO queue: requests served at the same time; 0: no limit.",
        default=0,
        swept=(0, 1, 4),
        minimum=0,
        maximum=100_000,
    ),
    Knob(
        name="service",
        doc="Distribution of the service time.",
        default="constant",
        swept=("constant", "exponential"),
        choices=("constant", "exponential"),
    ),
    Knob(name="seed", doc="Seed of the drawn service times and faults.", default=1, swept=(1, 2, 3), minimum=0),
    _seconds("stall_every_s", "Period of the stalls, during which no response leaves; 0: no stalls.", (0.0, 10.0)),
    _seconds("stall_s", "Duration of each stall.", (0.0, 1.0)),
    _seconds("hang_after_s", "Time after the first request from which no response leaves; 0: never.", (0.0, 3.0)),
    Knob(
        name="drip_ms",
        doc="Duration over which a response leaves in 8 pieces, from the end of its service; 0: at once.",
        default=0.0,
        swept=(0.0, 40.0),
        unit="ms",
        minimum=0,
        maximum=600_000,
    ),
    _share("error_share", "Share of requests that get status 500."),
    _share("wrong_share", "Share of requests that get a prediction other than the expected one."),
    _share("reset_share", "Share of requests whose connection is reset instead of a response."),
    Knob(
        name="log_path",
        doc="CSV file for the true instants of every request; empty: no file.",
        default="",
        swept=("",),
    ),
)
