"""A plain Locust user, as in Locust's documentation. `python -m harness calibrate --beside locust` runs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from locust import FastHttpUser, constant, constant_throughput, events, task

if TYPE_CHECKING:
    from locust.env import Environment

HEADERS = {"Content-Type": "application/json"}


@events.init_command_line_parser.add_listener
def _add_options(parser: Any) -> None:
    parser.add_argument("--url", help="URL to post to")
    parser.add_argument("--body", help="file with the request body")
    parser.add_argument("--network-timeout", type=float, default=60.0, help="timeout of a request in seconds")
    parser.add_argument("--per-user-rate", type=float, help="requests per second of each user (default: no pause)")


class Plain(FastHttpUser):
    """Posts the same body repeatedly."""

    host = "http://127.0.0.1"

    def __init__(self, environment: Environment) -> None:
        options = environment.parsed_options
        self.network_timeout = self.connection_timeout = options.network_timeout
        super().__init__(environment)
        self._url = options.url
        self._body = Path(options.body).read_bytes()
        self._pace = constant_throughput(options.per_user_rate) if options.per_user_rate else constant(0)

    def wait_time(self) -> float:
        """Seconds to wait so that the rate per user is kept, where responses are fast enough."""
        return float(self._pace(self))

    @task
    def predict(self) -> None:
        """Send one request."""
        self.client.post(self._url, data=self._body, headers=HEADERS, name="predict")
