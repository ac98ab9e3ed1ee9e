"""A target process as the harness starts it, for tests that talk to it themselves."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness.system.control_channel import ControlChannel
from harness.wire.payload_bank import Bank

START_TIMEOUT_S = 100.0


class Served:
    """A target process with its control channel."""

    def __init__(self, name: str, **knobs: Any) -> None:
        self.control, theirs = ControlChannel.pair()
        argv = [sys.executable, "-m", "targets", name, "--knobs", json.dumps(knobs)]
        with theirs:
            self.process = subprocess.Popen(
                [*argv, "--control-fd", str(theirs.fileno())], pass_fds=(theirs.fileno(),), stdout=subprocess.DEVNULL
            )
        self.ready = self._until("ready")
        self.port = int(self.ready["url"].rpartition(":")[2])

    def _until(self, event: str) -> dict[str, Any]:
        while (message := self.control.receive(START_TIMEOUT_S)) is not None:
            if message["event"] in (event, "error"):
                return message
        raise AssertionError("the target ended before it was ready")

    def set(self, **knobs: Any) -> dict[str, Any]:
        self.control.send({"set": knobs})
        return self._until("set")

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """(status, decoded JSON or bytes, lower-case headers) on a connection of its own."""
        connection = self.connect()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            raw = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, json.loads(raw) if "json" in found.get("content-type", "") else raw, found
        finally:
            connection.close()

    @property
    def bank(self) -> Bank:
        return Bank.load(Path(self.ready["bank"]))

    def stop(self) -> int:
        self.control.send({"stop": True})
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self.control.close()
