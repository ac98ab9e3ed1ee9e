"""`python -m targets NAME` serves one embedded target."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from harness.system.control_channel import ControlChannel
from targets.certificate import given_certificate
from targets.listen_address import ListenAddress
from targets.serving import ReplicaIdentity, run_child


def main() -> int:
    """Parse the arguments, serve, and return an exit code: 0 after an orderly stop, 2 after a user error."""
    parser = argparse.ArgumentParser(prog="python -m targets", description=__doc__)
    parser.add_argument("name", help="agent, batched, threaded, null or fixed")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0: a free one (default)")
    parser.add_argument("--model", default="digits-mlp", help="model to serve (default: %(default)s)")
    parser.add_argument("--knobs", type=_knobs, default={}, help='JSON object, for example {"batch_size": 4}')
    parser.add_argument("--control-fd", type=int, help="descriptor of the parent's control channel")
    parser.add_argument("--replica", type=int, help="number of this process among the replicas of one server")
    parser.add_argument("--replica-dir", type=Path, help="folder that the replicas share")
    parser.add_argument("--tls-cert", type=Path, help="certificate chain in PEM; clients must then use https")
    parser.add_argument("--tls-key", type=Path, help="private key in PEM")
    options = parser.parse_args()
    control = None if options.control_fd is None else ControlChannel.inherited(options.control_fd)
    address = ListenAddress(options.host, options.port, given_certificate(options.tls_cert, options.tls_key))
    replica = None if options.replica is None else ReplicaIdentity(options.replica, options.replica_dir)
    return run_child(options.name, address, options.model, options.knobs, control, replica=replica)


def _knobs(text: str) -> dict[str, Any]:
    knobs = json.loads(text)
    if not isinstance(knobs, dict):
        raise TypeError(text)
    return knobs


if __name__ == "__main__":
    sys.exit(main())
