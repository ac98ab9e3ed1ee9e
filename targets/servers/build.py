"""Builds the server of a target: prepares and loads the model, and connects the parts.

A new embedded server is one entry in `BUILDERS` (with a model) or `CANNED` (without).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import msgspec

from harness.plan.process_layout import CUSTOM, layout_of
from harness.wire.payload_bank import Bank
from targets import TARGETS
from targets.batching import make_policy
from targets.batching.queue import BatchQueue
from targets.cores import take_cores
from targets.explain import open_explainer
from targets.explain.prepared import explain_bank
from targets.loading import as_served, load_model
from targets.models.canned import canned_row, prepare_canned
from targets.models.catalog import find_recipe
from targets.pipeline.compute import PipelineCompute
from targets.pipeline.stages import measured_pieces, stages_of
from targets.pipeline.worker_pool import PoolOrder, WorkerPool
from targets.preparation import prepare_served
from targets.preprocessing.input_assembler import InputAssembler
from targets.preprocessing.place import preprocessing_of
from targets.servers.batched import BatchedBackend, batching_of
from targets.servers.compute import LocalCompute, PendingRequest
from targets.servers.fixed.server import FixedBackend
from targets.servers.front_ends import FRONT_ENDS
from targets.servers.http.event_server import EventServer
from targets.servers.http.guard import Guard
from targets.servers.http.head import HeadParser
from targets.servers.http.service import HttpService
from targets.servers.null import NullBackend
from targets.servers.protocols.protocol import ProtocolLayer
from targets.servers.protocols.wire_model import WireModel
from targets.servers.replicas import ReplicaOrder, Supervisor
from targets.servers.telemetry import Telemetry
from targets.servers.threaded import ThreadedServer, ThreadedService

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    from harness.plan.knobs import Setting
    from harness.plan.process_layout import Layout
    from harness.plan.target_spec import Progress
    from targets.engines import InferenceEngine
    from targets.explain import Explainer
    from targets.loading import LoadedModel
    from targets.models.preparation import PreparedModel
    from targets.server_order import ServerOrder
    from targets.servers.backend import Backend
    from targets.servers.compute import Compute

MAX_BODY_BYTES = 64 * 1024 * 1024


class Server(Protocol):
    """A server with a loaded model, ready to serve on a socket."""

    def run(self, sock: socket.socket, on_ready: Callable[[], None]) -> None:
        """Serve until stopped, send the pending responses and return. Calls `on_ready` once clients can connect."""

    def stop(self) -> None:
        """Begin to drain. From any thread."""

    def set_knobs(self, setting: Setting, done: Callable[[], None]) -> None:
        """Apply the live knobs of the complete `setting`, then call `done`. From any thread."""


@dataclass(frozen=True, slots=True)
class Built:
    """A server and its model."""

    server: Server
    prepared: PreparedModel
    class_banks: dict[str, Path] = field(default_factory=dict)  # by verb, for verbs other than predict


def build(order: ServerOrder, progress: Progress) -> Built:
    """Prepare and load the model and build its server. Raises UserError."""
    name, setting = order.target, order.setting
    if name in CANNED:
        prepared = prepare_canned(order.model)
        return Built(CANNED[name](_Parts(prepared, Bank.load(prepared.bank_path), order)), prepared)
    prepared = prepare_served(order.model, setting, progress)
    if name == CHAT:
        return Built(_agent(prepared, order, progress), prepared)
    explanations = explain_bank(prepared, setting, progress)
    banks = {"explain": explanations} if explanations else {}
    card = msgspec.structs.replace(prepared.card, piece_ms=measured_pieces(prepared))
    prepared = replace(prepared, card=card)
    layout = layout_of(setting, take_cores(int(setting.get("cores", 0))))
    if layout.fronts > 1:
        return Built(
            Supervisor(_one_front(order, layout), layout.fronts, progress), as_served(prepared, setting), banks
        )
    if layout.computes_apart:
        return _build_apart(order, prepared, layout, progress)
    loaded = load_model(prepared, setting, progress)
    parts = _Parts(loaded.prepared, loaded.bank, order)
    return Built(BUILDERS[name](parts, loaded), loaded.prepared, banks)


def _one_front(order: ServerOrder, layout: Layout) -> ReplicaOrder:
    """The parameters of one replica: a single process on its own share of the cores."""
    own: Setting = {"strategy": CUSTOM, "replicas": 1, "stages": layout.stages, "cores": 0}
    knobs = TARGETS[order.target].knobs
    return ReplicaOrder(order.target, order.model, knobs, {**order.setting, **own}, order.certificate)


def _build_apart(order: ServerOrder, prepared: PreparedModel, layout: Layout, progress: Progress) -> Built:
    """Build a batching front end in this process, with the model in other processes."""
    pool = WorkerPool(
        PoolOrder(order.model, order.setting, layout.replicas), stages_of(prepared, layout.stages, progress), progress
    )
    pool.launch()
    card = msgspec.structs.replace(prepared.card, piece_ms=measured_pieces(prepared))
    prepared = replace(prepared, card=card)
    bank = Bank.load(prepared.bank_path)
    served = as_served(prepared, order.setting)
    assembler = InputAssembler(preprocessing_of(find_recipe(order.model).pipeline, order.setting), bank.inputs)
    return Built(_batching(_Parts(served, bank, order), PipelineCompute(pool, assembler), assembler), served)


@dataclass(frozen=True, slots=True)
class _Parts:
    prepared: PreparedModel
    bank: Bank
    order: ServerOrder

    @property
    def setting(self) -> Setting:
        return self.order.setting

    def protocol(self, telemetry: Telemetry) -> ProtocolLayer:
        layer = ProtocolLayer(WireModel(self.bank.meta, self.prepared.card), telemetry)
        layer.guard = Guard(self.order.token)
        return layer

    @property
    def tls(self) -> ssl.SSLContext | None:
        return self.order.certificate.context() if self.order.certificate else None

    def explainer(self, engine: InferenceEngine) -> Explainer | None:
        return open_explainer(self.prepared.path, engine, self.bank.meta.input_shape, self.setting)


def _threaded(parts: _Parts, loaded: LoadedModel) -> Server:
    protocol = parts.protocol(Telemetry())
    protocol.explainer, protocol.assembler = parts.explainer(loaded.engine), loaded.assembler.per_request
    service = ThreadedService(protocol, loaded.engine, loaded.assembler, MAX_BODY_BYTES)
    return ThreadedServer(service, int(parts.setting["max_connections"]), parts.tls)


def _batched(parts: _Parts, loaded: LoadedModel) -> Server:
    explainer = parts.explainer(loaded.engine)
    return _batching(parts, LocalCompute(loaded.engine, loaded.assembler, explainer), loaded.assembler, explainer)


def _batching(parts: _Parts, compute: Compute, assembler: InputAssembler, explainer: Explainer | None = None) -> Server:
    batch_size, queue_limit = int(parts.setting["batch_size"]), int(parts.setting["queue_limit"])
    queue: BatchQueue[PendingRequest] = BatchQueue(make_policy(parts.setting), batch_size, queue_limit)
    protocol = parts.protocol(Telemetry(lambda: queue.rows, parts.order.replica_counts))
    protocol.batching = batching_of(parts.setting)
    protocol.explainer, protocol.assembler = explainer, assembler.per_request
    backend = BatchedBackend(protocol, compute, queue)
    order = parts.order
    fronts = [
        spec.open(protocol, backend, order.front_ends[spec.name], order.certificate, MAX_BODY_BYTES)
        for spec in FRONT_ENDS
        if spec.name in order.front_ends
    ]
    return EventServer(_service(protocol, backend), backend.apply, fronts, parts.tls)


def _agent(prepared: PreparedModel, order: ServerOrder, progress: Progress) -> Server:
    from targets.servers.chat.build import build_chat

    return build_chat(prepared, order, progress, MAX_BODY_BYTES)


def _null(parts: _Parts) -> Server:
    protocol = parts.protocol(Telemetry())
    backend = NullBackend(protocol, canned_row(parts.bank.meta.output_shape))
    return EventServer(_service(protocol, backend), _no_live_knobs, tls=parts.tls)


def _fixed(parts: _Parts) -> Server:
    protocol = parts.protocol(Telemetry())
    backend = FixedBackend(protocol, canned_row(parts.bank.meta.output_shape), parts.setting)
    return EventServer(_service(protocol, backend), _no_live_knobs, tls=parts.tls)


def _service(protocol: ProtocolLayer, backend: Backend) -> HttpService:
    return HttpService(protocol, backend, HeadParser(protocol.routes, MAX_BODY_BYTES, protocol.guard), MAX_BODY_BYTES)


def _no_live_knobs(setting: Setting) -> None:
    del setting


BUILDERS: dict[str, Callable[[_Parts, LoadedModel], Server]] = {"threaded": _threaded, "batched": _batched}
CHAT = "agent"
CANNED: dict[str, Callable[[_Parts], Server]] = {"null": _null, "fixed": _fixed}
