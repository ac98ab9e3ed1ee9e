"""Locust's users as users of the engine: each is a parked greenlet that stands for one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gevent.event import Event
from locust import User, task

from harness.measure.load.locust.master import run_of
from harness.measure.load.locust.mixed_classes import PREDICT
from harness.plan.scenario import DEFAULT_MODEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locust.env import Environment

    from harness.measure.load.locust.load_run import LoadRun
    from harness.plan.request_mix import RequestClass


class InferenceUser(User):
    """Sends inference requests through the load process's one event loop, not through its own greenlet.

    How requests arrive, what they hold and how answers are checked is said on the command line
    (`harness/measure/load/locust/options.py`); `request_classes` says what kinds of request there are. In a closed loop
    each user has a connection and sends its next request when its last answer came; in an open loop the schedule
    alone decides, and users only keep the test running.
    """

    abstract = True
    request_classes: ClassVar[Mapping[str, RequestClass]] = PREDICT
    default_model: ClassVar[str] = DEFAULT_MODEL  # --model overrides it
    default_knobs: ClassVar[tuple[str, ...]] = ()  # name=value, for targets that have the knob; --knob overrides it
    default_options: ClassVar[Mapping[str, str]] = {}  # text by name of an option; the command line overrides it
    mix: ClassVar[str] = ""  # weights of the classes; empty: all the same; --mix overrides it

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._released = Event()
        self._run: LoadRun | None = None
        self._number = 0

    def on_start(self) -> None:
        """Join the run."""
        self._run = run_of(self.environment)
        if self._run is not None:
            self._number = self._run.add_user()

    @task
    def be_present(self) -> None:
        """Wait until told to leave; the engine does the work."""
        self._released.wait()

    def stop(self, force: bool = False) -> Any:
        """Leave; an open request is still waited for by the engine."""
        killed = super().stop(force)
        self._released.set()
        return killed

    def on_stop(self) -> None:
        """Leave the run."""
        if self._run is not None:
            self._run.remove_user(self._number)
            self._run = None
