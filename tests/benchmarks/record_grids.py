"""Records whole grids of real servers: `python -m tests.benchmarks.record_grids FOLDER PASSES NAME...`.

Each pass starts the server with every setting that needs a start, and measures every other setting at every number of
users several times there, each time in an order of its own. It appends to FOLDER/NAME.json.gz (`grid_file`), which is
written after each start, so that a pass can be interrupted. The server has one core and the load another, as in a run
of the harness. After each pass the program says how far the grid is from rates that are known within 3 %; with 0 PASSES
it only says that. `bench_tune` replays the grids in `tests/benchmarks/grids`.
"""

import contextlib
import itertools
import json
import os
import random
import re
import select
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from harness.errors import SweepspotError
from harness.measure.target.embedded_server import EmbeddedServer
from harness.measure.target.recipe_server import RecipeServer
from harness.plan.target_spec import find_target
from harness.wire.payload_bank import Bank
from tests.benchmarks.grid_file import GridFile
from tests.benchmarks.served import CORES, Body, v2_json

SETTLE_S = 0.05
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Grid:
    """The values of the knobs of one server; those of `restarts` need a start, the others are set while it runs.

    about: what a request is. rounds: how often a start measures each setting that it can.
    """

    about: str
    restarts: dict
    live: dict
    users: tuple
    target: str
    model: str
    rounds: int
    seconds: float = 0.2

    def serve(self, **knobs):
        """A server with some knobs, that runs: a context manager."""
        return (embedded if self.target in ("batched", "agent") else recipe)(self.target, self.model, **knobs)


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


def one_pass(grid, file, path):
    """Measure each setting once more; those that a pass before, which was interrupted, left out come first."""
    counts = {values: len(entry["start_s"]) for values, entry in file.settings.items()}
    starts = list(itertools.product(*grid.restarts.values()))
    rng = random.Random(sum(counts.values()))
    rng.shuffle(starts)
    live = list(itertools.product(*grid.live.values()))
    fewest = min((counts.get((*start, *live[0]), 0) for start in starts), default=0)
    for start in starts:
        if counts.get((*start, *live[0]), 0) > fewest:
            continue
        rng.shuffle(live)
        try:
            measured = measured_start(grid, start, live)
        except (SweepspotError, OSError) as error:
            print(f"{start}: {error}", flush=True)
            nothing = [(users, None, None, None, time.time()) for users in grid.users]
            measured = dict.fromkeys(live, (None, nothing))
        for values, (start_s, samples) in measured.items():
            file.add((*start, *values), start_s, samples)
        file.write(path)


def measured_start(grid, start, live):
    """By the values of the live knobs: seconds of the start, and the samples. A server that fails raises."""
    begin = time.monotonic()
    with grid.serve(**dict(zip(grid.restarts, start, strict=True))) as running:
        found = {values: (time.monotonic() - begin, []) for values in live}
        process = psutil.Process(running.pid)
        pin(process, CORES[0])
        client = Client(running.url, running.body, max(grid.users))
        try:
            client.measure(8, 0.3)  # the first calls are slow
            for _ in range(grid.rounds):
                for values in random.sample(live, len(live)):
                    if values:
                        running.set(dict(zip(grid.live, values, strict=True)))
                    for users in random.sample(grid.users, len(grid.users)):
                        found[values][1].append(sample_of(client, process, users, grid.seconds))
        finally:
            client.close()
    return found


def pin(process, core):
    """Give all threads of a process and its children that core, and this process the others."""
    for each in [process, *process.children(recursive=True)]:
        for thread in each.threads():
            os.sched_setaffinity(thread.id, {core})
    os.sched_setaffinity(0, set(CORES) - {core})


def sample_of(client, process, users, seconds):
    """A sample as `grid_file` keeps it."""
    failed, own, all_s, begin = client.failed, tree_s(process), busy_s(), time.monotonic()
    rate, times = client.measure(users, seconds)
    others = max(busy_s() - all_s - (tree_s(process) - own), 0.0) / (time.monotonic() - begin) / len(CORES)
    if not times or client.failed > failed:
        return users, None, None, others, time.time()
    return users, rate, 1e3 * times[int(0.99 * len(times))], others, time.time()


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


GRIDS = {
    "mlp": Grid(
        "digits-mlp, one row as JSON",
        {"engine": ("concrete-function", "onnxruntime", "litert")},
        {"batch_size": (1, 4, 16, 64), "batch_wait_ms": (0, 2)},
        (8, 32, 128), "batched", "digits-mlp", 8,
    ),
    "cnn": Grid(
        "digits-cnn, one row as JSON",
        {"engine": ("concrete-function", "onnxruntime", "litert")},
        {"batch_size": (1, 4, 16, 64), "batch_wait_ms": (0, 2)},
        (4, 16, 64), "batched", "digits-cnn", 8,
    ),
    "agent": Grid(
        "a question of 13 words to chat-gpt, 16 tokens of response",
        {},
        {"max_sequences": (1, 4, 16, 32), "scheduling": ("continuous", "static"), "kv_cache": (True, False)},
        (2, 8, 32), "agent", "chat-gpt", 8, 0.3,
    ),
    "mosec": Grid(
        "digits-mlp in mosec, one row as JSON",
        {"batch_size": (1, 4, 16, 64), "batch_wait_ms": (0, 2), "workers": (1, 2)}, {},
        (8, 32, 128), "mosec", "digits-mlp", 8,
    ),
}  # fmt: skip


def head_of(name):
    """The head of a new file: what is asked, the values of the knobs, those of the default, the users."""
    grid = GRIDS[name]
    values = {**grid.restarts, **grid.live}
    defaults = find_target(grid.target).knobs.complete({})
    default = {knob: defaults[knob] if defaults[knob] in several else several[0] for knob, several in values.items()}
    return {
        "about": grid.about, "knobs": values, "live": list(grid.live), "default": default, "users": grid.users,
        "seconds": grid.seconds, "cores": len(CORES),
    }  # fmt: skip


def main(folder, passes, *names):
    for number in range(max(int(passes), 1)):
        for name in names:
            path = Path(folder) / f"{name}.json.gz"
            file = GridFile.read(path) if path.exists() else GridFile(json.loads(json.dumps(head_of(name))))
            if int(passes):
                one_pass(GRIDS[name], file, path)
            print(number, name, time.strftime("%H:%M:%S"), file.state(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
