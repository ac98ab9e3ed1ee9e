"""The exercises of a calibration: which server, which load, and which figures must be right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import unknown_name
from harness.plan.arrivals import Arrivals, Closed, Constant, Poisson

if TYPE_CHECKING:
    from collections.abc import Collection

    from harness.plan.knobs import Setting

FIXED, NULL = "fixed", "null"
LATENCY = ("p50_ms", "p99_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """One server driven in one way (`null`: in several, one after the other).

    seconds: measured, in a full and in a quick calibration; None: left out of the quick one.
    figures: names of the figures (`harness.calibration.claims`) that are compared with the true values.
    """

    name: str
    doc: str
    loads: tuple[Arrivals, ...]
    seconds: float
    quick_seconds: float | None = None
    target: str = FIXED
    setting: Setting = field(default_factory=dict)
    timeout_seconds: float = 2.0
    figures: tuple[str, ...] = ("rows",)

    @property
    def load(self) -> Arrivals:
        """The only load of an exercise that has one."""
        return self.loads[0]

    def lasting(self, *, quick: bool) -> float:
        """Seconds that are measured."""
        return self.quick_seconds or self.seconds if quick else self.seconds


_RATE = Constant(rate_rps=200)
_EIGHT = Closed(users=8)

FIXED_EXERCISES = (
    Exercise(
        name="constant-open",
        doc="5 ms service, 200 requests/s (Poisson)",
        loads=(Poisson(rate_rps=200),),
        seconds=10,
        quick_seconds=3,
        setting={"delay_ms": 5.0},
        figures=("rows", "throughput_rps", *LATENCY),
    ),
    Exercise(
        name="constant-closed",
        doc="5 ms service, 8 users",
        loads=(_EIGHT,),
        seconds=5,
        setting={"delay_ms": 5.0},
        figures=("rows", "throughput_rps", *LATENCY),
    ),
    Exercise(
        name="queue-closed",
        doc="one server at 5 ms, 16 users: 200 requests/s at 80 ms",
        loads=(Closed(users=16),),
        seconds=5,
        quick_seconds=2,
        setting={"delay_ms": 5.0, "servers": 1},
        figures=("rows", "throughput_rps", *LATENCY),
    ),
    Exercise(
        name="stall-open",
        doc="5 ms service, stalls 1 s in every 10 s (quick: 3 s), 200 requests/s",
        loads=(_RATE,),
        seconds=20,
        quick_seconds=6,
        setting={"delay_ms": 5.0, "stall_every_s": 10.0, "stall_s": 1.0},
        figures=("rows", "throughput_rps", *LATENCY, "max_ms"),
    ),
    Exercise(
        name="stall-closed",
        doc="5 ms service, stalls 1 s in every 10 s (quick: 3 s), 8 users",
        loads=(_EIGHT,),
        seconds=20,
        setting={"delay_ms": 5.0, "stall_every_s": 10.0, "stall_s": 1.0},
        figures=("rows", *LATENCY, "max_ms"),
    ),
    Exercise(
        name="hang-open",
        doc="sends no response after a third of the time, 200 requests/s",
        loads=(_RATE,),
        seconds=10,
        quick_seconds=3,
        setting={"delay_ms": 5.0, "hang_after_s": 3.0},
        timeout_seconds=1.0,
        figures=("rows", "failed_share"),
    ),
    Exercise(
        name="hang-closed",
        doc="sends no response after a third of the time, 8 users",
        loads=(_EIGHT,),
        seconds=10,
        setting={"delay_ms": 5.0, "hang_after_s": 3.0},
        timeout_seconds=1.0,
        figures=("rows", "failed_share"),
    ),
    Exercise(
        name="slow-open",
        doc="200 ms service, 200 requests/s: 40 in flight",
        loads=(_RATE,),
        seconds=5,
        quick_seconds=2,
        setting={"delay_ms": 200.0},
        figures=("rows", "throughput_rps", *LATENCY),
    ),
    Exercise(
        name="drip-open",
        doc="5 ms service, then the response in 8 pieces over 40 ms, 200 requests/s",
        loads=(_RATE,),
        seconds=5,
        quick_seconds=2,
        setting={"delay_ms": 5.0, "drip_ms": 40.0},
        figures=("rows", "throughput_rps", *LATENCY),
    ),
    Exercise(
        name="lying-closed",
        doc="1 ms service, every prediction wrong, 8 users",
        loads=(_EIGHT,),
        seconds=4,
        quick_seconds=2,
        setting={"delay_ms": 1.0, "wrong_share": 1.0},
        figures=("rows", "wrong_share"),
    ),
    Exercise(
        name="faults-open",
        doc="10 % of the connections reset, 10 % status 500, 10 % wrong numbers, 200 requests/s",
        loads=(_RATE,),
        seconds=10,
        quick_seconds=3,
        setting={"delay_ms": 5.0, "reset_share": 0.1, "error_share": 0.1, "wrong_share": 0.1},
        figures=("rows", "throughput_rps", "failed_share", "wrong_share"),
    ),
    Exercise(
        name="faults-closed",
        doc="10 % of the connections reset, 10 % status 500, 10 % wrong numbers, 8 users",
        loads=(_EIGHT,),
        seconds=5,
        setting={"delay_ms": 5.0, "reset_share": 0.1, "error_share": 0.1, "wrong_share": 0.1},
        figures=("rows", "throughput_rps", "failed_share", "wrong_share"),
    ),
)
FASTEST = Closed(users=64)
ALONE = Closed(users=1)
NULL_EXERCISE = Exercise(
    name="null",
    doc="responds at once: what the generator itself can do",
    loads=(FASTEST, ALONE, Poisson(rate_rps=100), Poisson(rate_rps=1000), Poisson(rate_rps=5000)),
    seconds=5,
    quick_seconds=1.5,
    target=NULL,
)
EXERCISES = (*FIXED_EXERCISES, NULL_EXERCISE)


def chosen(*, quick: bool, only: Collection[str] = ()) -> list[Exercise]:
    """The exercises of a calibration, with the faults that happen once fitted into a quick one's shorter time.

    `only`: those of these names, whether or not they are part of a quick one. Raises UserError for an unknown name.
    """
    by_name = {exercise.name: exercise for exercise in EXERCISES}
    for name in only:
        if name not in by_name:
            raise unknown_name("--only", name, by_name)
    wanted = [by_name[name] for name in by_name if not only or name in only]
    if not quick:
        return wanted
    return [_shortened(exercise) for exercise in wanted if only or exercise.quick_seconds is not None]


def _shortened(exercise: Exercise) -> Exercise:
    from dataclasses import replace

    setting = dict(exercise.setting)
    if "stall_every_s" in setting:
        setting["stall_every_s"] = 3.0
    if "hang_after_s" in setting:
        setting["hang_after_s"] = 1.5
    return replace(exercise, setting=setting)
