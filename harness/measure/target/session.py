"""A session starts the target, keeps it ready over many trials, and changes its knobs, live or by a restart.

`open_session` is called once for a run (`cli/parts/serving_run.py`), `Session.serve` before each trial
(`measure/trial.py`). A server of ours is started by `EmbeddedServer.start`, an external one by `RecipeServer.start`:
both make a `ChildProcess` (`system/child_process.py`). `reached_target.py` has the sessions of targets that are only
reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from harness.errors import RunError
from harness.measure.target.embedded_server import EmbeddedServer
from harness.measure.target.endpoint import Endpoint
from harness.measure.target.external_payloads import ExternalPayloads
from harness.measure.target.first_requests import FirstRequests
from harness.measure.target.prepared_model import prepare_bank
from harness.measure.target.reached_target import InProcessSession, OwnRequestsSession, UrlSession, protocols_of
from harness.measure.target.recipe_server import RecipeServer
from harness.measure.target.statistics_reader import find_statistics_reader
from harness.plan.knobs import Apply
from harness.plan.target_spec import EmbeddedTarget, InProcessTarget, RecipeTarget, UrlTarget, find_target
from harness.wire.protocol import AUTO
from harness.wire.protocols import find_protocol
from harness.wire.server_probe import settle_protocol

if TYPE_CHECKING:
    from pathlib import Path

    from harness.measure.target.statistics_reader import StatisticsReader
    from harness.plan.knobs import Setting
    from harness.plan.plan import Plan, TargetRequest
    from harness.plan.target_spec import Progress, StartedTarget
    from harness.record.model_card import ModelCard
    from harness.system.cpu_cores import Cores, Isolation


class Session(Protocol):
    """What a trial needs of a target."""

    cards: dict[str, ModelCard]  # of the models that were served, by name

    def serve(self, request: TargetRequest, log: Path) -> Endpoint:
        """Make the target serve `request`, with a restart where that is needed, and return its endpoint.

        Raises UserError where the target does not speak the protocol.
        """

    @property
    def pid(self) -> int | None:
        """The target's process; None where the harness did not start one."""

    def died(self) -> bool:
        """Whether a process that the harness started has ended by itself."""

    def close(self) -> None:
        """Stop what was started."""


def open_session(plan: Plan, isolation: Isolation, progress: Progress) -> Session:
    """The session that the plan's target needs. Raises UserError where a URL does not answer.

    `progress(stage, done, total)` is called before long steps, and with `done` equal to `total` after them.
    """
    if plan.pairing is not None and len(plan.pairing.targets) > 1:
        return SessionOfTwo({target: open_session(_of_target(plan, target), isolation, progress)
                             for target in plan.pairing.targets})  # fmt: skip
    match find_target(plan.target):
        case UrlTarget() as target:
            return OwnRequestsSession(target) if plan.own_requests else UrlSession(target, plan)
        case InProcessTarget() as target:
            for number, model in enumerate(plan.models):
                progress(f"preparing {model}", number, 0)
                prepare_bank(model)
            progress("preparing", 1, 1)
            return InProcessSession(target)
        case target:
            return ManagedTargetSession(target, plan, isolation, progress)


def _of_target(plan: Plan, target: str) -> Plan:
    """The part of a paired plan that is about one of its targets."""
    variant = next(each for each in plan.pairing.variants if each.target == target) if plan.pairing else None
    points = tuple(point for point in plan.points if plan.target_request(point).target == target)
    pairing = msgspec.structs.replace(plan.pairing, variants=(variant, variant)) if plan.pairing and variant else None
    model = variant.model if variant else plan.model
    return msgspec.structs.replace(plan, target=target, model=model, points=points, pairing=pairing)


def server_of(
    target: StartedTarget,
    model: str,
    setting: Setting,
    *,
    cores: Cores = (),
    log: Path | None = None,
    progress: Progress | None = None,
) -> EmbeddedServer | RecipeServer:
    """A server of `target`, yet to be started; arguments as those of EmbeddedServer."""
    match target:
        case EmbeddedTarget():
            return EmbeddedServer(target, model, setting, cores=cores, log=log, progress=progress)
        case RecipeTarget(recipe=recipe):
            return RecipeServer(recipe, model, setting, cores=cores, log=log, progress=progress)


class ManagedTargetSession:
    """A target whose server the harness starts and stops: an embedded one, or a recipe's."""

    def __init__(self, target: StartedTarget, plan: Plan, isolation: Isolation, progress: Progress) -> None:
        self._target = target
        self._model = ""
        # One start serves all protocols, so that a sweep compares protocols and not two servers.
        self._base = target.setting_for(protocols_of(plan))
        self._isolation = isolation
        self._progress = progress
        self._server: EmbeddedServer | RecipeServer | None = None
        self._setting: Setting = {}
        self._payloads = ExternalPayloads(plan) if isinstance(target, RecipeTarget) else None
        self._first = FirstRequests(plan)
        self._asks_tokens = self._first.needs_vocabulary  # an embedded target takes all other fields of ours
        self._metrics_url = plan.metrics
        self._statistics_reader: StatisticsReader | None = None
        self.cards: dict[str, ModelCard] = {}

    def serve(self, request: TargetRequest, log: Path) -> Endpoint:
        """Start the server, or change its knobs: live ones over the control channel, any other by a restart."""
        complete = self._target.knobs.complete({**self._base, **request.setting})
        changed = {name: value for name, value in complete.items() if self._setting.get(name) != value}
        if self._server is not None and (request.fresh or request.model != self._model or not self._server.alive()):
            self.stop_server()
        if self._server is None or any(self._target.knobs[name].apply is Apply.RESTART for name in changed):
            self._server = self._start(request.model, complete, log)
        elif changed:
            try:
                self._server.set_knobs(changed)
            except RunError:
                if self._server.alive():  # a late reply would be taken for that to the next change
                    self.stop_server()
                raise
        self._setting = complete
        return self._endpoint(self._server, request.protocol)

    def _start(self, model: str, setting: Setting, log: Path) -> EmbeddedServer | RecipeServer:
        self.stop_server()
        starting = f"starting {self._target.name}"
        self._progress(starting, 0, 0)
        cores = self._isolation.target_cores
        server = server_of(self._target, model, setting, cores=cores, log=log, progress=self._progress)
        ready = server.start()
        self._server, self._model = server, model  # before progress is reported: Ctrl-C may arrive during the report
        self._progress(starting, 1, 1)
        self._statistics_reader = None  # the last one read another process
        if self._payloads is not None:
            self._payloads.forget()
        if ready.model is not None:
            self.cards[model] = ready.model
        return server

    def _endpoint(self, server: EmbeddedServer | RecipeServer, protocol: str) -> Endpoint:
        ready = server.ready
        spoken = self._target.protocol if protocol == AUTO else protocol
        spoken = settle_protocol(AUTO, ready.url, self._model) if spoken == AUTO else spoken
        url, bank, known = ready.url_for(spoken), ready.bank, True
        accepted = None
        if self._payloads is not None or self._asks_tokens:
            accepted = self._first.accepted_by(url, spoken, self._model)
        if self._payloads is not None:
            requests = max(1, self._target.recipe.warmup_requests) if isinstance(self._target, RecipeTarget) else 1
            bank, known = self._payloads.bank_for(url, spoken, self._model, ready.bank, requests)
            # Some servers have no statistics before their first response, which the payloads have just asked for.
            metrics_url = self._metrics_url or ready.metrics_url or ""
            self._statistics_reader = self._statistics_reader or find_statistics_reader(
                ready.url, self._model, metrics_url, own_paths=find_protocol(spoken).own_paths
            )
        return Endpoint(
            url=url,
            bank=bank,
            protocol=spoken,
            setting=self._setting,
            known=known,
            class_banks=ready.class_banks,
            tls_ca=ready.tls_ca,
            accepted=accepted,
            statistics_reader=self._statistics_reader,
            first_response_s=self._payloads.take_first_response_s() if self._payloads else None,
        )

    @property
    def pid(self) -> int | None:
        """The server's process id; None while none runs."""
        return self._server.pid if self._server else None

    def died(self) -> bool:
        """Whether the server was started and has ended."""
        return self._server is not None and not self._server.alive()

    def close(self) -> None:
        """Drain and stop the server; remove the payload files."""
        self.stop_server()
        if self._payloads is not None:
            self._payloads.close()

    def stop_server(self) -> None:
        """Drain and stop the server until it is needed again."""
        if self._server is not None:
            self._server.stop()
            self._server = None


class SessionOfTwo:
    """The sessions of two targets that are measured in turn. A server that the harness starts runs in its turn only."""

    def __init__(self, sessions: dict[str, Session]) -> None:
        self.cards: dict[str, ModelCard] = {}
        self._sessions = sessions
        self._current = next(iter(sessions.values()))

    def serve(self, request: TargetRequest, log: Path) -> Endpoint:
        """Make the target of the request serve; stop a server of the other target that the harness started."""
        wanted = self._sessions[request.target]
        if wanted is not self._current and isinstance(self._current, ManagedTargetSession):
            self._current.stop_server()
        self._current = wanted
        endpoint = wanted.serve(request, log)
        self.cards.update(wanted.cards)
        return endpoint

    @property
    def pid(self) -> int | None:
        """The process of the target whose turn it is; None where the harness did not start it."""
        return self._current.pid

    def died(self) -> bool:
        """Whether that process has ended by itself."""
        return self._current.died()

    def close(self) -> None:
        """Stop what was started."""
        for session in self._sessions.values():
            session.close()
