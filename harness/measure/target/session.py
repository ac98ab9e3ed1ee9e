"""A target session: one target kept ready over many trials, its knobs turned live or by a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from harness.errors import UserError
from harness.measure.load_command import Endpoint
from harness.measure.target.foreign_payloads import ForeignPayloads
from harness.measure.target.prepared_model import prepare_bank
from harness.measure.target.statistics_reader import find_scraper
from harness.measure.target.target_process import target_process
from harness.plan.knobs import Apply
from harness.plan.target_spec import GRPC_PORT, find_target
from harness.run.events import Prepared, Preparing
from harness.wire.protocols import AUTO, GRPC, OPENAI
from harness.wire.server_probe import settle_protocol

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cpu_cores import Isolation
    from harness.judge.metrics import ModelCard
    from harness.measure.target.embedded import EmbeddedTarget
    from harness.measure.target.recipe_server import ServerProcess
    from harness.measure.target.statistics_reader import Scraper
    from harness.plan.knobs import Setting
    from harness.plan.plan import Plan, Wanted
    from harness.plan.target_spec import TargetSpec
    from harness.run.events import Listener


class Session(Protocol):
    """What a trial needs of a target."""

    cards: dict[str, ModelCard]  # of the models that were served, by name

    def apply(self, wanted: Wanted, log: Path) -> Endpoint:
        """Have the target be as `wanted` (started again where that is needed) and say where it is.

        Raises UserError where the target does not speak the protocol.
        """

    @property
    def pid(self) -> int | None:
        """The target's process, None where it is not ours or lives in the load process."""

    def died(self) -> bool:
        """Whether a process of ours that should answer is gone."""

    def close(self) -> None:
        """Stop what was started."""


class EmbeddedSession:
    """A target that the harness starts as a process of its own, whether its server is ours or a recipe's."""

    def __init__(self, spec: TargetSpec, plan: Plan, isolation: Isolation, listener: Listener) -> None:
        self._spec = spec
        self._model_name = ""
        # One start serves all protocols: what is compared is the protocol, and not another server.
        wants_grpc = GRPC in protocols_of(plan) and any(knob.name == GRPC_PORT for knob in spec.knobs)
        self._base: Setting = {GRPC_PORT: 0} if wants_grpc else {}
        self._isolation = isolation
        self._listener = listener
        self._target: EmbeddedTarget | ServerProcess | None = None
        self._setting: Setting = {}
        self._payloads = ForeignPayloads(plan) if spec.server is not None else None
        self._metrics_url = plan.metrics
        self._scraper: Scraper | None = None
        self.cards: dict[str, ModelCard] = {}

    def apply(self, wanted: Wanted, log: Path) -> Endpoint:
        """Live knobs are sent over the control channel; any other change restarts the target."""
        complete = self._spec.knobs.complete({**self._base, **wanted.setting})
        changed = {name: value for name, value in complete.items() if self._setting.get(name) != value}
        if self._target is not None and not self._target.alive():
            self.close()
        if self._target is not None and wanted.model != self._model_name:
            self.close()
        self._model_name = wanted.model
        if self._target is None or any(self._spec.knobs[name].apply is Apply.RESTART for name in changed):
            self._start(complete, log)
        elif changed:
            self._target.set_knobs(changed)
        self._setting = complete
        ready = self._running.ready
        spoken = self._spec.protocol if wanted.protocol == AUTO else wanted.protocol
        if spoken == AUTO:
            spoken = settle_protocol(AUTO, ready.url, self._model_name)
        url, bank, known = ready.url_for(spoken), ready.bank, True
        if self._payloads is not None:
            bank, known = self._payloads.bank_for(url, spoken, ready.bank)
            # Only now: some servers have no statistics before their first answer.
            metrics_url = self._metrics_url or ready.metrics_url or ""
            self._scraper = self._scraper or find_scraper(ready.url, self._model_name, metrics_url)
        return Endpoint(
            url=url,
            bank=bank,
            protocol=spoken,
            setting=complete,
            known=known,
            class_banks=ready.class_banks,
            tls_ca=ready.tls_ca,
            scraper=self._scraper,
        )

    def _start(self, setting: Setting, log: Path) -> None:
        self.close()
        self._listener(Preparing(f"starting {self._spec.name}"))
        target = target_process(
            self._spec,
            self._model_name,
            setting,
            cores=self._isolation.target_cores,
            log=log,
            progress=lambda stage, done, total: self._listener(Preparing(stage, done, total)),
        )
        target.start()
        self._target = target  # before anything is told: an interrupt may come with the telling
        self._listener(Prepared())
        self._scraper = None  # the last one read another process
        if target.ready.model is not None:
            self.cards[self._model_name] = target.ready.model

    @property
    def _running(self) -> EmbeddedTarget | ServerProcess:
        if self._target is None:
            raise RuntimeError("apply() comes first")
        return self._target

    @property
    def pid(self) -> int | None:
        """The target's process id."""
        return self._target.pid if self._target else None

    def died(self) -> bool:
        """Whether the target's process is gone."""
        return self._target is not None and not self._target.alive()

    def close(self) -> None:
        """Drain and stop the target."""
        if self._target is not None:
            self._target.stop()
            self._target = None


def open_session(plan: Plan, isolation: Isolation, listener: Listener) -> Session:
    """The session that the plan's target needs. Raises UserError where a URL does not answer."""
    if "://" in plan.target:
        return ForeignSession(plan)
    spec = find_target(plan.target)
    if spec.command is None:
        for model in plan.models:
            listener(Preparing(f"preparing {model}"))
            prepare_bank(model)
        listener(Prepared())
        return InProcessSession(spec)
    return EmbeddedSession(spec, plan, isolation, listener)


def protocols_of(plan: Plan) -> set[str]:
    """All that the plan's trials speak."""
    return {plan.protocol_at(point) for point in plan.points}


class InProcessSession:
    """A model that lives in the load process: nothing to start."""

    pid: int | None = None

    def __init__(self, spec: TargetSpec) -> None:
        self.cards: dict[str, ModelCard] = {}
        self._spec = spec

    def apply(self, wanted: Wanted, log: Path) -> Endpoint:
        """The knobs that the load process is to use."""
        del log
        setting = self._spec.knobs.complete(wanted.setting)
        return Endpoint(url=None, bank=None, protocol=wanted.protocol, setting=setting)

    def died(self) -> bool:
        """It lives and dies with the load process."""
        return False

    def close(self) -> None:
        """Nothing was started."""


class ForeignSession:
    """A server that runs already, known by its URL."""

    pid: int | None = None

    def __init__(self, plan: Plan) -> None:
        self.cards: dict[str, ModelCard] = {}
        self._url = plan.target
        self._spoken = {name: settle_protocol(name, plan.target, plan.model) for name in protocols_of(plan)}
        if OPENAI in self._spoken.values() and OPENAI not in self._spoken:
            raise UserError(f"--target {plan.target}: it speaks OpenAI's chat completions; add --scenario agent")
        self._payloads = ForeignPayloads(plan)
        for protocol in self._spoken.values():
            self._payloads.bank_for(self._url, protocol)
        # Only now: some servers have no statistics before their first answer.
        self._scraper = find_scraper(plan.target, plan.model, plan.metrics)

    def apply(self, wanted: Wanted, log: Path) -> Endpoint:
        """Where it is; it has no knobs that could be turned."""
        del log
        spoken = self._spoken.get(wanted.protocol, wanted.protocol)
        bank = self._payloads.bank_for(self._url, spoken)
        return Endpoint(
            url=self._url,
            bank=bank.path,
            protocol=spoken,
            setting=wanted.setting,
            known=bank.known,
            scraper=self._scraper,
        )

    def died(self) -> bool:
        """A process that is not ours cannot be watched."""
        return False

    def close(self) -> None:
        """Forget the payloads."""
        self._payloads.close()
