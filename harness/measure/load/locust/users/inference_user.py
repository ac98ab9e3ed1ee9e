"""Users of Locust as users of the engine: each is a parked greenlet that stands for one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gevent.event import Event
from locust import task

from harness.errors import UserError
from harness.measure.load.locust.current_run import run_of
from harness.measure.load.locust.users.scenario_user import PREDICT, ScenarioUser

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from locust import User
    from locust.env import Environment

    from harness.measure.load.locust.load_run import LoadRun
    from harness.plan.request_mix import RequestClass


def refuse_wait_time(users: Iterable[type[User]]) -> None:
    """Raise UserError where an InferenceUser has a `wait_time`: its requests do not come from tasks that could wait."""
    for user in users:
        if issubclass(user, InferenceUser) and user.wait_time is not InferenceUser.wait_time:
            raise UserError(
                f"{user.__name__}.wait_time: an InferenceUser sends by the arrivals of the load and never waits; give "
                "--think-time, for example --think-time 0.5s, or derive it from SweepspotUser"
            )


class InferenceUser(ScenarioUser):
    """Sends inference requests through the one event loop of the load process, not through its own greenlet.

    Options on the command line set arrivals, payloads and checks; `request_classes` declares the kinds of requests. In
    a closed loop each user has a connection and sends its next request after its last response. In an open loop the
    schedule alone decides, and users only keep the test running.
    """

    abstract = True
    request_classes: ClassVar[Mapping[str, RequestClass]] = PREDICT

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._released = Event()
        self._run: LoadRun | None = None
        self._number = 0

    def on_start(self) -> None:
        """Join the load."""
        self._run = run_of(self.environment)
        if self._run is not None:
            self._number = self._run.add_user()

    @task
    def be_present(self) -> None:
        """Wait until the user is stopped; the engine sends its requests."""
        self._released.wait()

    def stop(self, force: bool = False) -> Any:
        """Stop the user; the engine still waits for its open request."""
        killed = super().stop(force)
        self._released.set()
        return killed

    def on_stop(self) -> None:
        """Leave the load."""
        if self._run is not None:
            self._run.remove_user(self._number)
            self._run = None
