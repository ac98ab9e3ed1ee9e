"""`python -m targets.pipeline ORDER` runs one worker process for the server that started it."""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys

import msgspec

from harness.system.control_channel import ControlChannel
from targets.pipeline.worker import WorkerOrder, work


def main() -> int:
    """Work until the server ends. The exit code is 2 after a user error."""
    parser = argparse.ArgumentParser(prog="python -m targets.pipeline", description=__doc__)
    parser.add_argument("order", help="what to compute, as JSON")
    parser.add_argument("--memory-fd", type=int, required=True, help="descriptor of the shared memory")
    parser.add_argument("--link-fd", type=int, required=True, help="descriptor of the socket that carries the jobs")
    parser.add_argument("--control-fd", type=int, required=True, help="descriptor of the parent's control channel")
    options = parser.parse_args()
    order = msgspec.json.decode(options.order, type=WorkerOrder)
    control = ControlChannel.inherited(options.control_fd)
    with socket.socket(fileno=options.link_fd) as link, contextlib.suppress(BrokenPipeError):
        return work(order, options.memory_fd, link, control)
    return 0


if __name__ == "__main__":
    sys.exit(main())
