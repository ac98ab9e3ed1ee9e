"""Puts a load together from its orders: bank, codec, engine, arrivals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.arrivals import Closed, mean_rate_rps, schedule, stripe
from harness.bank import Bank
from harness.errors import UserError
from harness.load.closed_loop import ClosedLoop
from harness.load.connection import resolve
from harness.load.engine import Engine, Timeouts
from harness.load.load import Load, make_folder
from harness.load.open_loop import OpenLoop
from harness.load.payload_order import payload_order
from harness.wire.codec import make_codec
from harness.wire.detect import detect_protocol, read_meta
from harness.wire.payloads import random_bank
from harness.wire.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.load.options import LoadOptions


@dataclass(frozen=True, slots=True)
class HttpDriver:
    """The engine together with its arrivals."""

    engine: Engine
    loop: ClosedLoop | OpenLoop

    @property
    def in_flight(self) -> int:
        """How many requests are open."""
        return self.engine.in_flight

    @property
    def exhausted(self) -> bool:
        """Whether the arrivals have come to their own end."""
        return isinstance(self.loop, OpenLoop) and self.loop.exhausted

    def start(self, origin_ns: int) -> None:
        """An open loop's due times count from `origin_ns`."""
        if isinstance(self.loop, OpenLoop):
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


def assemble(options: LoadOptions, host: str, epoll: Callable[[], Any]) -> tuple[Load, HttpDriver]:
    """A load against the server at `host`. Raises UserError."""
    url = parse_url(host)
    address = resolve(url)
    protocol = options.protocol if options.protocol != "auto" else detect_protocol(host, options.model)
    bank = _bank(options, host, protocol)
    codec = make_codec(protocol, url, bank.meta)
    make_folder(options.trial_dir)
    load = Load(options, codec, bank, protocol)
    engine = Engine(
        address,
        [codec.encode(item) for item in bank.inputs],
        payload_order(len(bank.inputs), options.seed, options.worker),
        load.ledger,
        Timeouts(options.timeout_ns),
        load.health,
        epoll,
    )
    loop: ClosedLoop | OpenLoop
    if isinstance(options.arrivals, Closed):
        loop = ClosedLoop(engine, load.phases, round(options.arrivals.think_time_s * 1e9))
        engine.attach(loop)
    else:
        blocks = stripe(schedule(options.arrivals, options.seed), options.worker, options.workers)
        loop = OpenLoop(engine, load.phases, blocks, options.max_in_flight)
        engine.attach(loop, mean_rate_rps(options.arrivals) / options.workers)
    return load, HttpDriver(engine, loop)


def _bank(options: LoadOptions, host: str, protocol: str) -> Bank:
    if options.bank is not None:
        return Bank.load(options.bank)
    if options.check != "off":
        raise UserError("--check needs --bank, a file of payloads with their right answers; or say --check off")
    return random_bank(read_meta(host, options.model, protocol), options.seed)
