"""Users whose requests come from Python tasks of their own, over the same connections, checks and rows.

    class Shopper(SweepspotUser):
        @task
        def ask(self):
            result = self.infer()                   # the next payload of the load, checked
            self.client.get("/v2/health/ready")     # any other request

`LeanHttpUser` is the same without `infer`, for servers of any kind. See scenarios/README.md.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from gevent import get_hub, getcurrent
from locust.exception import StopUser

from harness.errors import UserError
from harness.measure.load.locust.current_run import run_of
from harness.measure.load.locust.users.http_client import LeanClient
from harness.measure.load.locust.users.scenario_user import PREDICT, ScenarioUser
from harness.measure.load.payloads.response_check import unchecked
from harness.measure.load.task_calls import Call, Caller
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locust.env import Environment
    from numpy.typing import NDArray

    from harness.measure.load.locust.load_run import LoadRun
    from harness.measure.load.task_calls import CallResult
    from harness.plan.request_mix import RequestClass
    from harness.record.rows import Outcome
    from harness.wire.codec import Codec
    from harness.wire.server_url import ServerUrl

_numbers = count()


class Inference(NamedTuple):
    """The result of `infer`."""

    result: CallResult
    codec: Codec

    @property
    def ok(self) -> bool:
        """Whether the response is a success, and right where that is known."""
        return self.result.ok

    @property
    def outcome(self) -> Outcome:
        """The outcome of its row."""
        return self.result.outcome

    @property
    def output(self) -> NDArray[np.float64]:
        """The numbers of the response, flat. Raises WireError where there are none."""
        return self.codec.decode(self.result.response.body)


class LeanHttpUser(ScenarioUser):
    """A user with `self.client`, an HTTP client with one connection to the host."""

    abstract = True

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.client = LeanClient(self)
        self._number = next(_numbers)
        self._caller: Caller | None = None

    def run(self) -> None:
        """Run the user's tasks; its connection is closed at the end."""
        try:
            super().run()
        finally:
            self._hang_up()

    def call(self, call: Call) -> CallResult:
        """Send a request, which has a row like any other, and wait for its result. Ends the user when the test ends."""
        run = self._running
        if run.ending:
            raise StopUser
        caller = self._caller = self._caller or Caller(run.load.engine, self._number)
        result = caller.begin(call)
        if result is not None:
            return result
        caller.on_end(getcurrent().switch)
        try:
            get_hub().switch()
        except BaseException:  # the greenlet was killed, or timed out: the call goes on, and its result is ignored
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
        run = self._running
        return parse_url(run.host, run.load.access)

    def place(self, name: str, method: str) -> int:
        """The place of requests of that name in the load's `RequestClassTable`."""
        return self._running.load.classes.place(name, method)

    @property
    def _running(self) -> LoadRun:
        run = run_of(self.environment)
        if run is None:
            raise StopUser  # the test could not begin, or has ended
        return run


class SweepspotUser(LeanHttpUser):
    """A user with `self.infer` too, which asks the server's model for an inference and checks the response."""

    abstract = True
    request_classes: ClassVar[Mapping[str, RequestClass]] = PREDICT

    def infer(self, payload: int | NDArray[Any] | None = None) -> Inference:
        """Ask for one inference.

        `payload` is None for the next payload of the load, the number of a payload, or an item of the model's input
        shape; the response to an item is not checked. Raises UserError for a number that does not exist.
        """
        run = self._running
        codec = run.load.codec
        if codec is None:
            raise UserError("infer: this user has no request_classes; keep those of SweepspotUser")
        return Inference(self.call(self._call(run, codec, payload)), codec)

    def _call(self, run: LoadRun, codec: Codec, payload: int | NDArray[Any] | None) -> Call:
        if payload is None:
            number, request = run.load.engine.next_payload()
            return Call(request, number)
        if isinstance(payload, np.ndarray):
            return Call(codec.encode(payload), self.place("infer, own payload", "POST"), unchecked)
        try:
            return Call(run.load.engine.request(payload), payload)
        except IndexError as error:
            raise UserError(f"infer({payload}): the load has fewer payloads") from error
