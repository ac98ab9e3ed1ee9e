"""Who knows the secret talks to the other side, and nobody else does: real ZeroMQ sockets on 127.0.0.1."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import zmq

from harness.errors import UserError
from harness.measure.load.locust.workers.worker_secret import PAIRING, _pair, checked_secret, key_pair, new_secret

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[6]
SECRET, OTHER = "a secret of the master", "another secret of a stranger"
WAIT_MS = 2000


@pytest.fixture
def sockets():
    context = zmq.Context()
    opened = []

    def make(kind, secret):
        opened.append(context.socket(kind))
        if secret:
            _pair(opened[-1], secret)
        return opened[-1]

    yield make
    for socket in opened:
        socket.close(linger=0)
    context.term()


def test_both_with_the_secret_exchange_messages_each_way(sockets):
    master, worker = sockets(zmq.ROUTER, SECRET), sockets(zmq.DEALER, SECRET)
    port = master.bind_to_random_port("tcp://127.0.0.1")
    worker.connect(f"tcp://127.0.0.1:{port}")
    worker.send(b"rows")
    assert master.poll(WAIT_MS)
    sender, content = master.recv_multipart()
    master.send_multipart([sender, b"orders"])
    assert worker.poll(WAIT_MS)
    assert (content, worker.recv()) == (b"rows", b"orders")


@pytest.mark.parametrize("theirs", [OTHER, None], ids=["another secret", "plain Locust"])
def test_a_false_worker_is_not_heard_beside_a_true_one(sockets, theirs):
    master, false, true = sockets(zmq.ROUTER, SECRET), sockets(zmq.DEALER, theirs), sockets(zmq.DEALER, SECRET)
    port = master.bind_to_random_port("tcp://127.0.0.1")
    false.connect(f"tcp://127.0.0.1:{port}")
    false.send(b"false rows")
    true.connect(f"tcp://127.0.0.1:{port}")
    true.send(b"true rows")
    assert master.poll(WAIT_MS)
    assert master.recv_multipart()[1] == b"true rows"
    assert not master.poll(300)


@pytest.mark.parametrize("theirs", [OTHER, None], ids=["another secret", "plain Locust"])
def test_a_false_master_gets_and_gives_nothing(sockets, theirs):
    false, worker = sockets(zmq.ROUTER, theirs), sockets(zmq.DEALER, SECRET)
    port = false.bind_to_random_port("tcp://127.0.0.1")
    worker.setsockopt(zmq.IDENTITY, b"worker")
    worker.connect(f"tcp://127.0.0.1:{port}")
    worker.send(b"client_ready")
    false.setsockopt(zmq.ROUTER_MANDATORY, 1)
    assert not false.poll(500)
    with pytest.raises(zmq.ZMQError):
        false.send_multipart([b"worker", b"spawn"], zmq.NOBLOCK)


def test_the_keys_follow_from_the_secret_and_the_side_alone():
    assert key_pair(SECRET, "master") == key_pair(SECRET, "master")
    assert len({key_pair(secret, side) for secret in (SECRET, OTHER) for side in ("master", "worker")}) == 4
    assert new_secret() != new_secret()


def test_a_secret_that_can_be_guessed_is_refused():
    assert checked_secret(f" {SECRET}\n") == SECRET
    with pytest.raises(UserError, match=PAIRING):
        checked_secret("short")


def test_locust_without_a_secret_says_which_variable_it_wants():
    code = (
        "import os; os.environ.pop('SWEEPSPOT_PAIRING', None)\n"
        "from harness.measure.load.locust.workers.worker_secret import secure_sockets\n"
        "secure_sockets(['--worker'])\nfrom locust.rpc import zmqrpc\nzmqrpc.Client('127.0.0.1', 1, 'me')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert PAIRING in done.stderr


@pytest.mark.parametrize(
    ("file", "text", "words", "forks"),
    [
        ("locust.conf", "processes = 2\n", [], True),
        (".locust.conf", "processes = 2\n", [], True),  # of the home
        ("pyproject.toml", "[tool.locust]\nprocesses = 2\n", [], True),
        ("own.conf", "processes = 2\n", ["--config", "own.conf"], True),
        ("own.conf", "processes = 2\n", [], False),
        ("locust.conf", "users = 2\n", [], False),
        ("locust.conf", "users = 2\n", ["--processes=2"], True),
        ("locust.conf", "processes = many\n", [], False),  # which Locust refuses
    ],
)
def test_workers_are_forked_wherever_locust_is_told_to(tmp_path, file, text, words, forks):
    (tmp_path / file).write_text(text)
    code = (
        "import sys\nfrom harness.measure.load.locust.workers.worker_secret import forks_workers\n"
        "print(forks_workers(sys.argv))"
    )
    argv = [sys.executable, "-c", code, "-f", "mine.py", "--headless", "-u", "8", *words]
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"{forks}\n", "")
