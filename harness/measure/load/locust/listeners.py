"""Listens to Locust's events. Importing this module registers the options of a load and everything that runs one."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import gevent
from locust import events
from locust.runners import MasterRunner, WorkerRunner

from harness.measure.load.locust.current_run import play, role_in
from harness.measure.load.locust.master import Local, Master
from harness.measure.load.locust.options import remember_token_file
from harness.measure.load.locust.page_guard import guard_page
from harness.measure.load.locust.users.own_clients import join_clients
from harness.measure.load.locust.workers.worker import Worker
from harness.measure.load.locust.workers.worker_secret import forks_workers, secure_sockets
from harness.system.process_guard import forks_die_with_this

if TYPE_CHECKING:
    from locust.env import Environment

    from harness.measure.load.locust.role import Role


join_clients()
if forks_workers(sys.argv):
    forks_die_with_this()
secure_sockets(sys.argv)  # before Locust makes a runner, which opens its socket


@events.init.add_listener
def _on_init(environment: Environment, runner: Any, **_: Any) -> None:
    remember_token_file(environment.parsed_options)
    role: Role
    if isinstance(runner, WorkerRunner):
        role = Worker(environment)
    else:
        principal = Master(environment) if isinstance(runner, MasterRunner) else Local(environment)
        principal.prepare()
        guard_page(environment)
        environment.events.test_stop.add_listener(lambda **_: principal.keep())
        environment.events.quitting.add_listener(lambda **_: principal.on_quit_announced())
        role = principal
    play(environment, role)
    gevent.signal_handler(signal.SIGINT, role.interrupt)
    environment.events.test_start.add_listener(lambda **_: role.on_test_start())
    environment.events.spawning_complete.add_listener(lambda **_: role.on_spawning_complete())
    environment.events.test_stopping.add_listener(lambda **_: role.on_test_stopping())
    gevent.get_hub().loop.update_now()  # or imports and the target's start would count as a part of --run-time


@events.quitting.add_listener
def _on_quitting(environment: Environment, **_: Any) -> None:
    # Locust fires `quitting` in reverse order of registration. Registering at import makes this listener run last,
    # after the master has collected the rows of the workers.
    role = role_in(environment)
    if role is not None:
        role.on_quitting()
