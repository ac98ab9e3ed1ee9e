"""Builds the load of one process from its settings: payloads, codec, connections, engine and arrivals."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.clock import NS_PER_S
from harness.errors import UserError
from harness.measure.load.chat.chat_assembly import assemble_chat
from harness.measure.load.closed_loop import ClosedLoop
from harness.measure.load.connections.connection import Connection
from harness.measure.load.connections.grpc_connection import GrpcConnection
from harness.measure.load.connections.in_process import InProcessConnection, RawCodec
from harness.measure.load.connections.server_address import resolve
from harness.measure.load.engine import Engine, Timeouts
from harness.measure.load.load_generator import Load
from harness.measure.load.open_loop import OpenLoop
from harness.measure.load.payloads.class_payloads import class_bank, in_rows, with_tolerance
from harness.measure.load.payloads.client_preprocessing import ClientPreprocessor, client_side_of
from harness.measure.load.payloads.payload_sets import PayloadSet, mixed_order, response_reader
from harness.measure.load.payloads.request_classes import places_of
from harness.measure.load.user_schedule import UserSchedule
from harness.plan.arrivals import Closed, Shape, Users, stripe, user_events
from harness.plan.request_mix import CHAT, RequestClass
from harness.plan.target_spec import InProcessTarget, find_named
from harness.wire.credentials import Access
from harness.wire.grpc.header_blocks import HeaderBlocks
from harness.wire.own.expectation_text import expectation_of
from harness.wire.protocol import DEFAULT, Transport
from harness.wire.protocols import find_protocol, make_codec
from harness.wire.server_probe import settle_protocol
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.measure.load.connections.server_address import ServerAddress
    from harness.measure.load.engine import ConnectionMaker
    from harness.plan.load_settings import TrialLoad


def assemble(settings: TrialLoad, host: str, original: Callable[[str, str], Any]) -> Load:
    """A load against the server at `host`, or the model that `settings.target` names. Raises UserError.

    `original(module, name)` is that name of the standard library as it was before gevent replaced it.
    """
    if not settings.target and settings.classes and settings.classes[0].request_class.verb == CHAT:
        load, engine = assemble_chat(settings, host, original)
    else:
        load, engine = _assemble_payloads(settings, host, original)
    arrivals = settings.arrivals
    if isinstance(arrivals, Closed | Shape):
        think_s = arrivals.think_time_s if isinstance(arrivals, Closed) else 0.0
        load.attach(engine, ClosedLoop(engine, load.phases, round(think_s * NS_PER_S)))
    elif isinstance(arrivals, Users):
        load.attach(engine, _user_schedule(arrivals, settings, engine, load))
    else:
        blocks = stripe(arrivals.schedule(settings.seed), settings.worker, settings.workers)
        loop = OpenLoop(engine, load.phases, blocks, -(-settings.max_in_flight // settings.workers))
        load.attach(engine, loop, arrivals.max_rate_rps / settings.workers)
    return load


def _assemble_payloads(settings: TrialLoad, host: str, original: Callable[[str, str], Any]) -> tuple[Load, Engine]:
    sets, make_connection = _in_process(settings, original) if settings.target else _over_http(settings, host)
    load = Load(settings, sets, response_reader(sets, settings.seed))
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
        engine.preprocessor = ClientPreprocessor(sets, places_of(sets))
    return load, engine


def _user_schedule(arrivals: Users, settings: TrialLoad, engine: Engine, load: Load) -> UserSchedule:
    """Every `workers`-th of the users, from number `worker` on."""
    events = [event for event in user_events(arrivals.stages) if event[1] % settings.workers == settings.worker]
    closed = ClosedLoop(engine, load.phases, round(arrivals.think_time_s * NS_PER_S))
    return UserSchedule(closed, events, round((arrivals.length_s or 0.0) * NS_PER_S))


def _over_http(settings: TrialLoad, host: str) -> tuple[list[PayloadSet], ConnectionMaker]:
    access = Access.find(Path(settings.tls_ca) if settings.tls_ca else None)
    url = parse_url(host, access)
    address = resolve(url)
    # Users who make their own requests may send anything, so the server is not asked for its protocol.
    protocol = settle_protocol(settings.protocol, host, settings.model, access) if settings.classes else DEFAULT
    sets = []
    for share in settings.classes:
        bank = with_tolerance(in_rows(class_bank(settings, share, url, protocol), share, protocol), settings.tolerance)
        codec = make_codec(protocol, url, bank.meta)
        expected = expectation_of(settings.expect, bank.meta.request)
        sets.append(PayloadSet(share, codec, bank, settings.check, client_side_of(bank.meta), expected))
    return sets, _connection_maker(protocol, address)


def _connection_maker(protocol: str, address: ServerAddress) -> ConnectionMaker:
    """Makes connections that share what one of them has learned about response heads."""
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
    bank = with_tolerance(model.bank, settings.tolerance)
    sets = [PayloadSet(settings.classes[0], RawCodec(bank.meta), bank, settings.check, client_side_of(bank.meta))]
    return sets, partial(InProcessConnection, model, start_thread)
