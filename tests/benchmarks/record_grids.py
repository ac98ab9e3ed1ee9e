"""Records whole grids of real servers: `python -m tests.benchmarks.record_grids FOLDER PASSES NAME...`.

Each pass measures every setting at every number of users once, in an order of its own; a pass is one line per sample in
FOLDER/NAME.jsonl: place in the grid, users, responses/s, p50 and p99 in ms, and the share of the machine that processes
other than the server and its client took meanwhile. `bench_tune` takes medians over the passes.
"""

import contextlib
import itertools
import json
import random
import re
import select
import socket
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from harness.measure.target.embedded_server import EmbeddedServer
from harness.measure.target.recipe_server import RecipeServer
from harness.plan.target_spec import find_target
from harness.wire.payload_bank import Bank
from tests.benchmarks.served import CORES, Body, v2_json

SETTLE_S, MEASURE_S = 0.1, 0.3
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Grid:
    """The values of the knobs of one server; those of `restarts` need a start, the others are set while it runs.

    about: what a request is.
    """

    about: str
    restarts: dict
    live: dict
    users: tuple
    serve: object  # starts a server with some knobs: a context manager
    seconds: float = MEASURE_S


class Client:
    """A closed loop over connections that stay open: each sends its next request after its last response."""

    def __init__(self, url, body, most):
        parts = urlsplit(url)
        headers = "".join(f"{name}: {value}\r\n" for name, value in body.headers.items())
        head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{headers}"
        head += f"Content-Length: {len(body.content)}\r\n\r\n"
        self._request = head.encode() + body.content
        self._sockets = [socket.create_connection((parts.hostname, parts.port), timeout=20) for _ in range(most)]
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.failed = 0

    def close(self):
        for each in self._sockets:
            each.close()

    def measure(self, users, seconds):
        """Response times in seconds of what was sent and answered after the settling; all responses are waited for."""
        poll, times, parts = select.epoll(), [], {}
        by_number = {each.fileno(): each for each in self._sockets[:users]}
        begin = time.monotonic()
        sent = {}
        for number, each in by_number.items():
            poll.register(number, select.EPOLLIN)
            sent[number] = time.monotonic()
            parts[number] = b""
            each.sendall(self._request)
        count, waiting, end = 0, len(by_number), begin + SETTLE_S + seconds
        while waiting:
            for number, _ in poll.poll(20.0) or _stuck():
                each = by_number[number]
                parts[number] += each.recv(1 << 18)
                if not _whole(parts[number]):
                    continue
                now = time.monotonic()
                self.failed += b" 200 " not in parts[number][:16]
                parts[number] = b""
                if begin + SETTLE_S <= now < end:
                    count += 1
                    times.append(now - sent[number])
                if now < end:
                    sent[number] = now
                    each.sendall(self._request)
                else:
                    waiting -= 1
        poll.close()
        return count / seconds, sorted(times)


def _stuck():
    raise TimeoutError("no response for 20 s")


def _whole(part):
    end = part.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = LENGTH.search(part[:end])
    return part.endswith(b"0\r\n\r\n") if length is None else len(part) >= end + 4 + int(length[1])


def busy_s():
    """CPU seconds that the whole machine has spent."""
    spent = psutil.cpu_times()
    return spent.user + spent.nice + spent.system + spent.irq + spent.softirq + spent.steal


def tree_s(process):
    members = [process, *process.children(recursive=True), psutil.Process()]
    return sum(sum(each.cpu_times()[:2]) for each in members)


def one_pass(grid, out, number):
    rng = random.Random(number)
    knobs, live = list(grid.restarts) + list(grid.live), list(itertools.product(*grid.live.values()))
    starts = list(itertools.product(*grid.restarts.values()))
    rng.shuffle(starts)
    for start in starts:
        rng.shuffle(live)
        begin = time.monotonic()
        with grid.serve(**dict(zip(grid.restarts, start, strict=True))) as running:
            started_s = time.monotonic() - begin
            process = psutil.Process(running.pid)
            client = Client(running.url, running.body, max(grid.users))
            client.measure(8, 0.3)  # the first calls are slow
            for values in live:
                if values:
                    running.set(dict(zip(grid.live, values, strict=True)))
                place = dict(zip(knobs, (*start, *values), strict=True))
                for users in grid.users:
                    sample = sample_of(client, process, users, grid.seconds)
                    out.write(json.dumps({"pass": number, "knobs": place, "start_s": started_s, **sample}) + "\n")
                out.flush()
            client.close()


def sample_of(client, process, users, seconds):
    failed, own, all_s, begin = client.failed, tree_s(process), busy_s(), time.monotonic()
    rate, times = client.measure(users, seconds)
    wall = time.monotonic() - begin
    others = max(busy_s() - all_s - (tree_s(process) - own), 0.0) / wall / len(CORES)
    known = {"p50_ms": 1e3 * times[len(times) // 2], "p99_ms": 1e3 * times[int(0.99 * len(times))]} if times else {}
    return {"users": users, "rps": rate, **known, "failed": client.failed - failed, "others": round(others, 3)}


@dataclass(frozen=True)
class Started:
    """A server that runs: where requests go, what is sent, the root of its processes, how its knobs are set."""

    url: str
    body: Body
    pid: int
    set: object = None


@contextlib.contextmanager
def embedded(name, model, **knobs):
    spec = find_target(name)
    with EmbeddedServer(spec, model, spec.knobs.complete(knobs)) as server:
        yield Started(*asked(server.ready, model), server.pid, server.set_knobs)


@contextlib.contextmanager
def recipe(name, model, **knobs):
    spec = find_target(name)
    server = RecipeServer(spec.recipe, model, spec.knobs.complete(knobs))
    server.start()
    try:
        yield Started(*asked(server.ready, model), server.pid)
    finally:
        server.stop()


def asked(ready, model):
    """Where requests go and what is sent."""
    if model == "chat-gpt":
        message = {"role": "user", "content": "What do you know about the batch size of a model server?"}
        what = {"model": model, "messages": [message], "max_tokens": 16, "temperature": 0, "stream": True}
        return f"{ready.url}/v1/chat/completions", Body(json.dumps(what).encode())
    return f"{ready.url}/v2/models/{model}/infer", v2_json(Bank.load(ready.bank))


BATCHES = {"batch_size": (1, 2, 4, 8, 16, 32, 64, 128), "batch_wait_ms": (0, 1, 2, 5)}
GRIDS = {
    "mlp": Grid(
        "digits-mlp, one row as JSON",
        {"engine": ("concrete-function", "xla", "onnxruntime", "openvino", "litert")},
        BATCHES, (8, 16, 32, 64, 128), partial(embedded, "batched", "digits-mlp"),
    ),
    "cnn": Grid(
        "digits-cnn, one row as JSON",
        {"engine": ("concrete-function", "xla", "onnxruntime", "litert"), "intra_op_threads": (1, 2)},
        {"batch_size": (1, 2, 4, 8, 16, 32), "batch_wait_ms": (0, 1, 2)},
        (4, 8, 16, 32, 64), partial(embedded, "batched", "digits-cnn"),
    ),
    "agent": Grid(
        "a question of 13 words to chat-gpt, 16 tokens of response",
        {},
        {"max_sequences": (1, 2, 4, 8, 16, 32), "max_batch_tokens": (16, 64, 256, 1024),
         "scheduling": ("continuous", "static"), "kv_cache": (True, False)},
        (2, 4, 8, 16, 32), partial(embedded, "agent", "chat-gpt"), 0.6,
    ),
    "mosec": Grid(
        "digits-mlp in mosec, one row as JSON",
        {"batch_size": (1, 4, 16, 64), "batch_wait_ms": (0, 1, 2, 5), "workers": (1, 2), "threads": (1, 2)}, {},
        (8, 16, 32, 64, 128), partial(recipe, "mosec", "digits-mlp"),
    ),
}  # fmt: skip


def main(folder, passes, *names):
    for number in range(int(passes)):
        for name in names:
            with (Path(folder) / f"{name}.jsonl").open("a") as out, contextlib.suppress(KeyboardInterrupt):
                one_pass(GRIDS[name], out, number)
                print(number, name, time.strftime("%H:%M:%S"), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
