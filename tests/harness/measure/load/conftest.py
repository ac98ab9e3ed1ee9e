"""A real server whose every answer is scripted, and a load without Locust to drive at it."""

import contextlib
import json
import select
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from harness.measure.load.load_assembly import assemble
from harness.plan.arrivals import Closed
from harness.plan.load_settings import TrialLoad
from harness.record.recorder import read_rows
from harness.wire.payload_bank import Bank, BankMeta

META = BankMeta(model="sum", input_shape=(4,), output_shape=(2,))


def make_bank(count=20):
    """Right answers: sum and difference of the first two inputs."""
    inputs = np.arange(count * 4, dtype=np.float32).reshape(count, 4)
    expected = np.stack([inputs[:, 0] + inputs[:, 1], inputs[:, 0] - inputs[:, 1]], axis=1)
    return Bank(META, inputs, np.zeros(0, np.int64), expected)


def ok(numbers, head=b"", status=b"200 OK"):
    output = {"name": "output", "datatype": "FP32", "shape": [1, 2], "data": [float(number) for number in numbers]}
    body = json.dumps({"model_name": "sum", "outputs": [output]}).encode()
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, head, len(body), body)


def right(request):
    a, b = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"][0]["data"][:2]
    return ok([a + b, a - b])


class ScriptedServer:
    """Gives each request to `script(number, request, connection)`, which returns bytes, None (silence) or "close".

    A list is sent in pieces with a pause between. Every request and every connection is counted.
    """

    def __init__(self, script):
        self.script = script
        self.requests = []
        self.arrived_ns = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._stop, self._stopped = socket.socketpair()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self):
        with contextlib.suppress(OSError, ValueError):  # closed while it waits
            while self._stopped not in select.select([self._listener, self._stopped], [], [])[0]:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        held = b""
        with connection:
            try:
                while True:
                    while (request := self._whole(held)) is None:
                        chunk = connection.recv(65536)
                        if not chunk:
                            return
                        held += chunk
                    held = held[len(request) :]
                    with self._lock:
                        number = len(self.requests)
                        self.requests.append(request)
                        self.arrived_ns.append(time.monotonic_ns())
                    answer = self.script(number, request, connection)
                    if answer == "close":
                        return
                    for piece in answer if isinstance(answer, list) else [answer or b""]:
                        connection.sendall(piece)
                        if isinstance(answer, list):
                            time.sleep(0.002)
            except OSError:
                return

    @staticmethod
    def _whole(held):
        head, end, rest = held.partition(b"\r\n\r\n")
        if not end:
            return None
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        return held[: len(head) + 4 + length] if len(rest) >= length else None

    def close(self):
        self._listener.close()
        self._stop.close()


class Bench:
    """A load against a server, turned by hand."""

    def __init__(self, folder: Path, url: str, **options):
        bank = folder / "bank.npz"
        make_bank().save(bank)
        given = {
            "trial_dir": str(folder),
            "arrivals": Closed(users=1),
            "model": "sum",
            "protocol": "v2",
            "bank": str(bank),
        }
        self.options = TrialLoad(**given | options)
        self.load = assemble(self.options, url, lambda module, name: getattr(__import__(module), name))
        self.load.open()
        self.poller = select.epoll()
        self.poller.register(self.load.engine.fileno(), select.EPOLLIN)

    def turn_until(self, done, limit_s=10.0):
        deadline = time.monotonic() + limit_s
        while not done():
            assert time.monotonic() < deadline, self.load.report(final=False)
            if self.poller.poll(0.1):
                self.load.engine.turn()

    def run(self, requests, users=1, limit_s=10.0):
        """Users until that many requests have ended, then the end. Returns the rows and the report."""
        self.load.begin_phases(time.monotonic_ns())
        for _ in range(users):
            self.load.loop.add_user()
        self.turn_until(lambda: sum(self.load.ledger.ended) >= requests, limit_s)
        return self.finish()

    def finish(self):
        self.load.loop.stop()
        deadline = time.monotonic() + self.options.timeout_s + 1
        self.turn_until(lambda: not self.load.engine.in_flight or time.monotonic() > deadline, 20)
        self.load.finish("test")
        self.poller.close()
        rows = read_rows(self.load.recorder.path)
        report = self.load.report(final=True)
        assert report.scheduled == report.sent + report.not_sent == rows.num_rows == report.rows_written
        assert report.sent == sum(
            (report.ok, report.wrong, report.error, report.timeout, report.rejected, report.aborted, report.cancelled)
        )
        return rows.to_pylist(), report


@pytest.fixture
def serve():
    servers = []

    def start(script):
        servers.append(ScriptedServer(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def bench(tmp_path):
    return lambda url, **options: Bench(tmp_path, url, **options)


@pytest.fixture
def answer():
    """How to write answers: `answer.right(request)`, `answer.ok(numbers, head=..., status=...)`."""

    class Answers:
        pass

    Answers.right, Answers.ok = staticmethod(right), staticmethod(ok)
    return Answers
