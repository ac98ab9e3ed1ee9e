"""Users whose requests come from Python tasks of their own, over the same connections, checks and books.

    class Shopper(SweepspotUser):
        @task
        def ask(self):
            answer = self.infer()                   # the next payload of the load, checked
            self.client.get("/v2/health/ready")     # any other request

`LeanHttpUser` is the same without `infer`, for servers of any kind. See scenarios/README.md.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from gevent import get_hub, getcurrent
from locust import User
from locust.exception import StopUser

from harness.errors import UserError
from harness.measure.load.locust.http_client import LeanClient
from harness.measure.load.locust.master import run_of
from harness.measure.load.locust.mixed_classes import PREDICT
from harness.measure.load.payloads.response_check import unchecked
from harness.measure.load.task_calls import Call, Caller
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locust.env import Environment
    from numpy.typing import NDArray

    from harness.measure.load.locust.load_run import LoadRun
    from harness.measure.load.task_calls import Reply
    from harness.plan.request_mix import RequestClass
    from harness.record.rows import Outcome
    from harness.wire.codec import Codec
    from harness.wire.server_url import ServerUrl

_numbers = count()


class Inference(NamedTuple):
    """What came of `infer`."""

    reply: Reply
    codec: Codec

    @property
    def ok(self) -> bool:
        """Whether it is a good answer, and the right one where that is known."""
        return self.reply.ok

    @property
    def outcome(self) -> Outcome:
        """The row's outcome."""
        return self.reply.outcome

    @property
    def output(self) -> NDArray[np.float64]:
        """The numbers of the answer, flat. Raises WireError where there are none."""
        return self.codec.decode(self.reply.answer.body)


class LeanHttpUser(User):
    """A user with `self.client`: a lean HTTP client with one connection to the host."""

    abstract = True
    request_classes: ClassVar[Mapping[str, RequestClass]] = {}

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.client = LeanClient(self)
        self._number = next(_numbers)
        self._caller: Caller | None = None

    def run(self) -> None:
        """The user's life; its connection ends with it."""
        try:
            super().run()
        finally:
            self._hang_up()

    def call(self, call: Call) -> Reply:
        """Send, and wait for the answer; written down like any request. Ends the user where the test is ending."""
        run = self._running
        if run.ending:
            raise StopUser
        caller = self._caller = self._caller or Caller(run.engine, self._number)
        reply = caller.begin(call)
        if reply is not None:
            return reply
        caller.on_end(getcurrent().switch)
        try:
            get_hub().switch()
        except BaseException:  # killed, or out of a time of its own: the call goes on, and nobody waits for it
            self._hang_up()
            raise
        return caller.end()

    def _hang_up(self) -> None:
        if self._caller is not None:
            self._caller.leave()
            self._caller = None

    @property
    def url(self) -> ServerUrl:
        """The server under test."""
        return parse_url(self.environment.host or "", self._running.load.access)

    def place(self, name: str, method: str) -> int:
        """Where requests of that name stand in the books."""
        return self._running.load.classes.place(name, method)

    @property
    def _running(self) -> LoadRun:
        run = run_of(self.environment)
        if run is None:
            raise StopUser  # the test could not begin, or has ended
        return run


class SweepspotUser(LeanHttpUser):
    """A user with `self.infer` too: it asks the server's model, and the answer is checked."""

    abstract = True
    request_classes: ClassVar[Mapping[str, RequestClass]] = PREDICT

    def infer(self, payload: int | NDArray[Any] | None = None) -> Inference:
        """Ask for one inference.

        `payload`: None for the next one of the load's own; its number; or an item of the model's input shape, whose
        answer nobody knows beforehand and which is not checked. Raises UserError for one that does not exist.
        """
        run = self._running
        codec = run.load.codec
        if codec is None:
            raise UserError("infer: this user has no request_classes; leave the attribute as SweepspotUser has it")
        return Inference(self.call(self._call(run, codec, payload)), codec)

    def _call(self, run: LoadRun, codec: Codec, payload: int | NDArray[Any] | None) -> Call:
        if payload is None:
            number, request = run.engine.next_payload()
            return Call(request, number)
        if isinstance(payload, np.ndarray):
            return Call(codec.encode(payload.astype(np.float32)), self.place("infer, own payload", "POST"), unchecked)
        try:
            return Call(run.engine.request(payload), payload)
        except IndexError as error:
            raise UserError(f"infer({payload}): the load has fewer payloads") from error
