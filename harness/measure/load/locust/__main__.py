"""`python -m harness.measure.load.locust` is `locust` that takes its settings from its command line alone.

Locust reads any option from the environment (`LOCUST_*`; ours: `SWEEPSPOT_*`) and from configuration files as well. The
plan of a run does not record those, so the load processes of the harness start here, and take nothing from there but
credentials.
"""

from __future__ import annotations

import importlib
import os
import resource
import sys
import tomllib
from pathlib import Path

from harness.measure.load.locust.workers.file_transfer import WORKER_DIR
from harness.measure.load.locust.workers.worker_secret import PAIRING
from harness.system.named_secrets import PREFIX
from harness.wire.credentials import HEADERS, TLS_CA, TOKEN, TOKEN_FILE, TOKEN_TARGETS

_KEPT = (TOKEN, TOKEN_FILE, TOKEN_TARGETS, TLS_CA, HEADERS, PAIRING, WORKER_DIR)
# What every load imports, but for `listeners`, which reads the command line while it is imported.
_AHEAD = (
    "numpy.random",
    "pyarrow.ipc",
    "harness.measure.load.locust.users.http_client",
    "harness.measure.load.locust.master",
    "harness.measure.load.locust.page_guard",
    "harness.measure.load.locust.users.own_clients",
    "harness.measure.load.locust.users.task_users",
    "harness.measure.load.locust.workers.worker",
)


def ignored_variables() -> list[str]:
    """The variables of this environment that would set options."""
    kept = (*_KEPT, *(name for name in os.environ if name.startswith(PREFIX)))
    return sorted(name for name in os.environ if name.startswith(("LOCUST_", "SWEEPSPOT_")) and name not in kept)


def prepare() -> None:
    """Import ahead what no command line changes (`harness/measure/forks/`)."""
    _forget(ignored_variables())
    importlib.import_module("locust.main")
    for name in _AHEAD:
        importlib.import_module(name)


def fork() -> int:
    """Fork this process, and make gevent's event loop a new one in the fork."""
    from gevent.os import fork_gevent

    return int(fork_gevent())


def main() -> None:
    """Run Locust."""
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    names = ignored_variables()
    _forget(names)
    # Only now, because Locust reads variables while it is imported.
    from locust import argument_parser
    from locust.main import main as locust_main

    names += _ignored_files()
    if names:
        print(f"ignored, since the plan of the run does not record it: {', '.join(names)}", file=sys.stderr)
    for make in (argument_parser.get_empty_argument_parser, argument_parser.get_parser):
        files = argument_parser.DEFAULT_CONFIG_FILES
        make.__defaults__ = tuple(() if each is files else each for each in make.__defaults__ or ())
    importlib.import_module("harness.measure.load.locust.listeners")  # a locustfile need not import `harness.users`
    locust_main()


def _ignored_files() -> list[str]:
    """The configuration files of Locust here that would set options."""
    found = [file for file in ("locust.conf", "~/.locust.conf") if os.path.isfile(os.path.expanduser(file))]  # noqa: PTH111, PTH113  (Path raises where there is no home)
    try:
        section = tomllib.loads(Path("pyproject.toml").read_text()).get("tool", {}).get("locust")
    except (OSError, ValueError):  # there is none, or it cannot be read, by Locust either
        section = None
    return [*found, "[tool.locust] of pyproject.toml"] if section else found


def _forget(names: list[str]) -> None:
    for name in names:
        del os.environ[name]


if __name__ == "__main__":
    main()
