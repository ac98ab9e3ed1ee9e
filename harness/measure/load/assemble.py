"""Puts a load together from its orders: bank, codec, engine, arrivals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.clock import NS_PER_S
from harness.errors import UserError
from harness.measure.load.chat.assemble import assemble_chat
from harness.measure.load.closed_loop import ClosedLoop
from harness.measure.load.connections.connection import Connection, resolve
from harness.measure.load.connections.grpc_connection import GrpcConnection
from harness.measure.load.connections.in_process import InProcessConnection, RawCodec
from harness.measure.load.engine import Engine, Timeouts
from harness.measure.load.generator import Load, make_folder
from harness.measure.load.open_loop import OpenLoop
from harness.measure.load.payloads.class_payloads import class_bank, in_rows
from harness.measure.load.payloads.client_preprocessing import Preparer, client_side_of
from harness.measure.load.payloads.payload_sets import PayloadSet, mixed_order, places_of, reading_of
from harness.measure.load.user_schedule import Crowd
from harness.plan.arrivals import Closed, Users, comings_and_goings, length_s, mean_rate_rps, schedule, stripe
from harness.plan.request_mix import CHAT, RequestClass
from harness.plan.target_spec import InProcessTarget, find_named
from harness.wire.credentials import Access
from harness.wire.grpc.header_blocks import HeaderBlocks
from harness.wire.protocol import DEFAULT, Transport
from harness.wire.protocols import find_protocol, make_codec
from harness.wire.server_probe import settle_protocol
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.measure.load.connections.connection import Address
    from harness.measure.load.engine import ConnectionMaker
    from harness.plan.load_settings import TrialLoad


@dataclass(frozen=True, slots=True)
class EngineDriver:
    """The engine together with its arrivals."""

    engine: Engine
    loop: ClosedLoop | OpenLoop | Crowd

    @property
    def in_flight(self) -> int:
        """How many requests are open."""
        return self.engine.in_flight

    @property
    def exhausted(self) -> bool:
        """Whether the arrivals have come to their own end."""
        return not isinstance(self.loop, ClosedLoop) and self.loop.exhausted

    def start(self, origin_ns: int) -> None:
        """A schedule counts from `origin_ns`."""
        if not isinstance(self.loop, ClosedLoop):
            self.loop.start(origin_ns)

    def add_user(self) -> int:
        """A user arrives; its number."""
        return self.loop.add_user()

    def remove_user(self, user: int) -> None:
        """A user leaves."""
        self.loop.remove_user(user)

    def stop(self) -> None:
        """Nothing is due any more."""
        self.loop.stop()

    def abort(self, now_ns: int) -> None:
        """Give up what is open."""
        self.engine.abort(now_ns)

    def close(self) -> None:
        """Give everything back."""
        self.engine.close()


def assemble(settings: TrialLoad, host: str, original: Callable[[str, str], Any]) -> tuple[Load, EngineDriver]:
    """A load against the server at `host`, or the model that `settings.target` names. Raises UserError.

    `original(module, name)` is that name of the standard library as it was before gevent replaced it.
    """
    if not settings.target and settings.classes and settings.classes[0].request_class.verb == CHAT:
        load, engine = assemble_chat(settings, host, original)
    else:
        load, engine = _assemble_payloads(settings, host, original)
    loop: ClosedLoop | OpenLoop | Crowd
    if isinstance(settings.arrivals, Closed):
        loop = ClosedLoop(engine, load.phases, round(settings.arrivals.think_time_s * 1e9))
        engine.attach(loop)
    elif isinstance(settings.arrivals, Users):
        loop = _crowd(settings.arrivals, settings, engine, load)
        engine.attach(loop)
    else:
        blocks = stripe(schedule(settings.arrivals, settings.seed), settings.worker, settings.workers)
        loop = OpenLoop(engine, load.phases, blocks, -(-settings.max_in_flight // settings.workers))
        engine.attach(loop, mean_rate_rps(settings.arrivals) / settings.workers)
    return load, EngineDriver(engine, loop)


def _assemble_payloads(settings: TrialLoad, host: str, original: Callable[[str, str], Any]) -> tuple[Load, Engine]:
    sets, make_connection = _in_process(settings, original) if settings.target else _over_http(settings, host)
    make_folder(Path(settings.trial_dir))
    load = Load(settings, sets, reading_of(sets, settings.seed))
    engine = Engine(
        make_connection,
        [request for each in sets for request in each.requests()],
        mixed_order(sets, settings),
        load.ledger,
        Timeouts(*settings.timeouts_ns),
        load.health,
        original("select", "epoll"),
    )
    if any(each.client for each in sets):
        engine.preparer = Preparer(sets, places_of(sets))
    return load, engine


def _crowd(arrivals: Users, settings: TrialLoad, engine: Engine, load: Load) -> Crowd:
    """Every `workers`-th of the users, from number `worker` on."""
    events = [event for event in comings_and_goings(arrivals.stages) if event[1] % settings.workers == settings.worker]
    closed = ClosedLoop(engine, load.phases, round(arrivals.think_time_s * NS_PER_S))
    return Crowd(closed, events, round((length_s(arrivals) or 0.0) * NS_PER_S))


def _over_http(settings: TrialLoad, host: str) -> tuple[list[PayloadSet], ConnectionMaker]:
    access = Access.find(Path(settings.tls_ca) if settings.tls_ca else None)
    url = parse_url(host, access)
    address = resolve(url)
    # Users who make their requests themselves may ask whatever they like: nothing is found out about the server.
    protocol = settle_protocol(settings.protocol, host, settings.model, access) if settings.classes else DEFAULT
    sets = []
    for share in settings.classes:
        bank = in_rows(class_bank(settings, share, url, protocol), share, protocol)
        codec = make_codec(protocol, url, bank.meta)
        sets.append(PayloadSet(share, codec, bank, settings.check, client_side_of(bank.meta)))
    return sets, _connection_maker(protocol, address)


def _connection_maker(protocol: str, address: Address) -> ConnectionMaker:
    """What answers have in common and was seen before is shared by all connections."""
    if find_protocol(protocol).transport is Transport.GRPC:
        blocks = HeaderBlocks()
        return lambda engine, user: GrpcConnection(address, engine, blocks, user)
    heads: dict[bytes, Any] = {}
    return lambda engine, user: Connection(address, engine, heads, user)


def _in_process(settings: TrialLoad, original: Callable[[str, str], Any]) -> tuple[list[PayloadSet], ConnectionMaker]:
    spec = find_named(settings.target or "")
    if not isinstance(spec, InProcessTarget):
        raise UserError(f"--target {spec.name}: it does not live in the load process; leave --target out with --host")
    if [share.request_class for share in settings.classes] != [RequestClass()]:
        raise UserError(f"--target {spec.name}: it only predicts; leave --mix out, or choose a target with a server")
    model = spec.open_model(settings.model, spec.knobs.complete(settings.setting))
    start_thread = original("_thread", "start_new_thread")
    meta = model.bank.meta
    sets = [PayloadSet(settings.classes[0], RawCodec(meta), model.bank, settings.check, client_side_of(meta))]
    return sets, partial(InProcessConnection, model, start_thread)
