"""Predicts layouts that were not run, by simulation with the service times that a run measured."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.simulation.simulated_run import simulate
from harness.judge.simulation.system import SimulatedSystem
from harness.judge.simulation_result import Prediction
from harness.judge.stats.quantiles import quantile
from harness.plan.arrivals import Closed, Poisson
from harness.plan.knobs import Apply, Knob, KnobSet, Setting, setting_text
from harness.plan.process_layout import PORT, QUEUE, stage_shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.judge.simulation.fit import ServiceFit
    from harness.judge.simulation.simulated_run import SimulatedTimes
    from harness.plan.knobs import Value

REQUESTS = 20_000
REQUESTS_PER_USER = 20


def _count(name: str, doc: str, swept: tuple[int, ...], maximum: int) -> Knob:
    return Knob(name=name, doc=doc, default=1, swept=swept, minimum=1, maximum=maximum)


SIMULATED = KnobSet(
    "the simulation",
    (
        _count("replicas", "Whole models, each in processes of its own.", (1, 2, 4, 8, 16, 64, 256), 4096),
        _count("stages", "Processes that each replica's model is cut over.", (1, 2, 3, 4), 64),
        Knob(
            name="dispatch",
            doc="One port that the replicas share, or one queue before them.",
            default=PORT,
            swept=(PORT, QUEUE),
            choices=(PORT, QUEUE),
        ),
        _count("batch_size", "The most rows in a batch.", (1, 4, 16, 64), 4096),
        Knob(
            name="batch_wait_ms",
            doc="How long an incomplete batch waits.",
            default=0.0,
            swept=(0.0, 1.0, 5.0),
            minimum=0,
            maximum=10_000,
            apply=Apply.LIVE,
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Offered:
    """The load on one setting: users of a closed loop per replica, or a rate for all together."""

    users_per_replica: int | None = None
    rate_rps: float | None = None

    def arrivals(self, replicas: int) -> Closed | Poisson:
        """For so many replicas."""
        if self.rate_rps is not None:
            return Poisson(rate_rps=self.rate_rps)
        return Closed(users=replicas * (self.users_per_replica or 1))

    def words(self, replicas: int) -> str:
        """For people."""
        if self.rate_rps is not None:
            return f"{self.rate_rps:g} req/s"
        users = replicas * (self.users_per_replica or 1)
        return f"{users} user{'s' if users > 1 else ''}"


def settings_of(swept: Mapping[str, Sequence[Value]], batching: Setting) -> Iterator[Setting]:
    """Every combination, over the batching that was measured; the knobs' own defaults for what neither says."""
    base = {**SIMULATED.defaults(), **batching}
    for combination in itertools.product(*swept.values()):
        yield {**base, **dict(zip(swept, combination, strict=True))}


def system_of(calibration: ServiceFit, setting: Setting, pieces_ms: Sequence[float]) -> SimulatedSystem:
    """The system that `setting` makes of what was measured, with the knobs' defaults for what it leaves out.

    Raises UserError where the model has too few parts.
    """
    complete = {**SIMULATED.defaults(), **setting}
    shares = stage_shares(pieces_ms, int(complete["stages"]))
    return SimulatedSystem(
        stages=tuple(calibration.service.scaled(share) for share in shares),
        replicas=int(complete["replicas"]),
        dispatch=str(complete["dispatch"]),
        batch_size=int(complete["batch_size"]),
        batch_wait_ms=float(complete["batch_wait_ms"]),
        request_ms=calibration.request_ms,
        travel_ms=calibration.travel_ms,
    )


def predict(
    calibration: ServiceFit, settings: Iterable[Setting], offered: Offered, pieces_ms: Sequence[float], seed: int
) -> Iterator[Prediction]:
    """Simulate each setting in turn; under users also one replica in one process, by which it is measured.

    That one has the dispatch and the batching of the setting, and the users of one replica.
    """

    def run(setting: Setting) -> SimulatedTimes:
        arrivals = offered.arrivals(int(setting["replicas"]))
        users = arrivals.users if isinstance(arrivals, Closed) else 0
        system = system_of(calibration, setting, pieces_ms)
        return simulate(system, arrivals, max(REQUESTS, REQUESTS_PER_USER * users), seed)

    rates_of_one: dict[str, float] = {}
    for setting in settings:
        outcome, speedup = run(setting), None
        if offered.rate_rps is None:  # of a rate, all that keep up with it serve the same
            one = {**setting, "replicas": 1, "stages": 1}
            name = setting_text(one)
            rates_of_one[name] = rates_of_one.get(name) or run(one).throughput_rps
            speedup = outcome.throughput_rps / rates_of_one[name]
        yield _prediction(setting, offered, outcome, speedup)


def _prediction(setting: Setting, offered: Offered, outcome: SimulatedTimes, speedup: float | None) -> Prediction:
    ordered_ms = np.sort(outcome.responses_ms)
    replicas = int(setting["replicas"])
    computing = replicas * int(setting["stages"])
    return Prediction(
        setting=setting,
        load=offered.words(replicas),
        processes=computing,
        throughput_rps=outcome.throughput_rps,
        p50_ms=float(quantile(ordered_ms, 0.5)),
        p99_ms=float(quantile(ordered_ms, 0.99)),
        mean_batch=float(outcome.batch_sizes.mean()),
        busy_share=outcome.busy_share,
        speedup=speedup,
        efficiency=None if speedup is None else speedup / computing,
    )
