"""False masters, false workers and foreign pages: what each of them gets. All on 127.0.0.1."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOKEN = "pl4nted.token-of-a-worker"
SECRET = "a pairing secret of the run"
OTHER = "a pairing secret of another"
PRIVATE = "what only the worker's disk holds"
# A master as an attacker writes it: Locust's own transport, one set of orders, and a record of all that comes back.
FALSE_MASTER = """
import json, os, sys, time
import gevent.monkey; gevent.monkey.patch_all()
import gevent
port, orders, options, out = int(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]
if len(sys.argv) > 6:
    from harness.measure.load.locust.workers.worker_secret import secure_sockets
    secure_sockets([])
from locust.rpc import Message, zmqrpc
server = zmqrpc.Server("127.0.0.1", port)
with open(out, "w") as log, gevent.Timeout(float(sys.argv[5]), False):
    while True:
        worker, message = server.recv_from_client()
        print(message.type, message.data, file=log, flush=True)
        tell = lambda kind, data: server.send_to_client(Message(kind, data, worker))
        if message.type == "client_ready":
            tell("ack", {"index": 0})
            job = {"timestamp": time.time(), "user_classes_count": {"Predict": 1}, "host": options["host"],
                   "stop_timeout": 1, "parsed_options": {**options, "sweepspot_orders": orders}}
            gevent.spawn_later(4, tell, "spawn", job)  # once the worker is ready for it
            gevent.spawn_later(12, os._exit, 0)
        elif message.type == "sweepspot_ask":
            tell("sweepspot_answer", {"number": message.data["number"], "master_ns": 1, "clock_id": "x", "data": None})
"""


class Thief(ThreadingHTTPServer):
    """A server that keeps the header `Authorization` of all requests."""

    def __init__(self):
        self.seen = []
        thief = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                thief.seen.append(self.headers.get("Authorization"))
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(200)
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture(scope="module")
def thief():
    server = Thief()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(argv, **environment):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment}
    return subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def stop(process):
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.communicate(timeout=40)[0]
    process.kill()
    return process.communicate()[0]


def attack(folder, thief, masters_secret, target="http://127.0.0.1:9", **load):
    """Run a worker with a token against a false master; what the master saw, and what the worker printed."""
    private, port, log = folder / "private.txt", free_port(), folder / "log"
    private.write_text(f"{PRIVATE}\n" * 20)
    (folder / "token").write_text("another-token-of-this-machine")
    orders = {
        "load": {
            "trial_dir": str(folder / "chosen"),
            "bank": str(private),
            "measure_s": 1.0,
            "protocol": "http-json",
            "chat": {"prompts": str(private)},
            **load,
        },
        "numbers": {},
        "origin_ns": None,
    }
    options = {"host": thief.url, "token_file": str(folder / "token"), "prompts": str(private)}
    limit_s = 60 if masters_secret == SECRET else 20  # in which nothing must be heard
    words = [port, json.dumps(orders), json.dumps(options), log, limit_s, *(["paired"] if masters_secret else [])]
    master = start([sys.executable, "-c", FALSE_MASTER, *map(str, words)], SWEEPSPOT_PAIRING=masters_secret or "")
    worker = start(
        [sys.executable, "-m", "harness", "worker", f"127.0.0.1:{port}", "--target", target],
        SWEEPSPOT_PAIRING=SECRET,
        SWEEPSPOT_TOKEN=TOKEN,
        TMPDIR=str(folder),
    )
    master.wait(90)
    return log.read_text(), stop(worker)


@pytest.fixture(scope="module")
def attacks(tmp_path_factory, thief):
    """The attacks, all at once: of each its folder, what the master saw, and what the worker printed."""
    wanted = {
        "no secret": (None, {}),
        "another secret": (OTHER, {}),
        "another host": (SECRET, {}),
        "another server": (SECRET, {"target": thief.url, "other_servers": ["http://127.0.0.1:9"]}),
        "files": (SECRET, {"target": thief.url}),
        "orders": (SECRET, {"measure_s": "soon"}),
    }
    with ThreadPoolExecutor(len(wanted)) as pool:
        folders = {name: tmp_path_factory.mktemp("attack") for name in wanted}
        running = {
            name: pool.submit(attack, folders[name], thief, secret, **more) for name, (secret, more) in wanted.items()
        }
        return {name: (folders[name], *each.result()) for name, each in running.items()}


@pytest.mark.parametrize("name", ["no secret", "another secret"])
def test_a_master_without_the_secret_hears_nothing_of_a_worker(attacks, thief, name):
    _, heard, _ = attacks[name]
    assert heard == ""
    assert thief.seen == []


@pytest.mark.parametrize("name", ["another host", "another server"])
def test_a_master_with_the_secret_gets_no_token_and_no_file_of_the_worker(attacks, thief, name):
    folder, heard, printed = attacks[name]
    assert "client_ready" in heard
    assert "was not started for that host" in printed, printed
    assert thief.seen == []
    for text in (heard, printed):
        assert PRIVATE not in text
        assert TOKEN not in text
        assert "another-token" not in text
    assert not (folder / "chosen").exists()


def test_files_that_the_orders_name_come_from_the_master_or_not_at_all(attacks, thief):
    _, heard, printed = attacks["files"]
    assert "the master did not send this file" in printed, printed
    assert thief.seen == []
    assert PRIVATE not in heard + printed


def test_orders_that_are_none_end_the_test_in_one_line(attacks):
    _, heard, printed = attacks["orders"]
    assert "client_ready" in heard
    assert "the master's orders cannot be read" in printed
    assert "Traceback" not in printed


def test_a_worker_without_a_secret_or_a_target_for_its_token_does_not_start():
    for words, environment, complaint in (
        ((), {}, "SWEEPSPOT_PAIRING"),
        ((), {"SWEEPSPOT_PAIRING": SECRET, "SWEEPSPOT_TOKEN": TOKEN}, "--target"),
        ((), {"SWEEPSPOT_PAIRING": "short"}, "at least 16 characters"),
    ):
        env = {"SWEEPSPOT_PAIRING": "", **environment}
        worker = subprocess.run(
            [sys.executable, "-m", "harness", "worker", "127.0.0.1:9", *words],
            cwd=ROOT, env={**os.environ, **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert worker.returncode == 2, worker.stderr
        assert complaint in worker.stderr


@pytest.fixture
def page():
    """The address of Locust's web page over the `null` server, with a token."""
    port = free_port()
    words = ["-f", "scenarios/predict.py", "--target", "null", "--web-port", str(port)]
    process = start([sys.executable, "-m", "locust", *words], SWEEPSPOT_TOKEN=TOKEN)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 90
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            break
        except OSError:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.2)
    yield url
    stop(process)


def post(url, fields, **headers):
    request = urllib.request.Request(url, urllib.parse.urlencode(fields).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_page_takes_orders_from_itself_only(page, thief, tmp_path):
    users = {"user_count": 1, "spawn_rate": 1}
    other = tmp_path / "token"
    other.write_text("another-token-of-this-machine")
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert post(f"{page}/swarm", {**users, "host": thief.url}, **evil)[0] == 403
    assert post(f"{page}/stop", {}, **evil)[0] == 403
    assert post(f"{page}/swarm", users, Host="evil.example")[0] == 403
    status, answer = post(f"{page}/swarm", {**users, "token_file": str(other)}, Origin=page)
    assert (status, "token_file" in answer["message"]) == (403, True)
    user = json.dumps({"user_class_name": "Predict", "host": thief.url}).encode()
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(f"{page}/user", user, {"Origin": page}), timeout=60)
    # The page may name another host, but that host gets no token.
    post(f"{page}/swarm", {**users, "host": thief.url}, Origin=page)
    time.sleep(3)
    post(f"{page}/stop", {}, Origin=page)
    assert thief.seen == []
