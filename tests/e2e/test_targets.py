"""Real clients against real servers."""

from __future__ import annotations

import concurrent.futures
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.bank import Bank
from harness.control import ControlChannel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

MODEL = "digits-mlp"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Bank]]:
    """`batched` as a user starts it: (address, bank)."""
    from pathlib import Path

    control, theirs = ControlChannel.pair()
    argv = [sys.executable, "-m", "targets", "batched", "--control-fd", str(theirs.fileno())]
    with theirs:
        process = subprocess.Popen(argv, pass_fds=(theirs.fileno(),))
    while (message := control.receive(100)) and message["event"] == "progress":
        pass
    assert message
    yield message["url"].removeprefix("http://"), Bank.load(Path(message["bank"]))
    control.send({"stop": True})
    assert process.wait(30) == 0


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_tritonclient_gets_right_answers(served: tuple[str, Bank], binary: bool) -> None:
    from tritonclient import http

    address, bank = served
    with http.InferenceServerClient(address) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready(MODEL)
        metadata = client.get_model_metadata(MODEL)
        tensor = http.InferInput(metadata["inputs"][0]["name"], [16, 64], metadata["inputs"][0]["datatype"])
        tensor.set_data_from_numpy(bank.inputs[:16], binary_data=binary)
        outputs = [http.InferRequestedOutput(metadata["outputs"][0]["name"], binary_data=binary)]
        for asked in (outputs, None):
            answer = client.infer(MODEL, [tensor], outputs=asked).as_numpy("output")
            np.testing.assert_allclose(answer, bank.expected[:16], atol=bank.meta.tolerance)


def test_a_plain_post_in_tensorflow_servings_form_gets_right_answers(served: tuple[str, Bank]) -> None:
    address, bank = served
    body = json.dumps({"instances": bank.inputs[:4].tolist()}).encode()
    with urllib.request.urlopen(f"http://{address}/v1/models/{MODEL}:predict", body) as answer:
        predictions = json.load(answer)["predictions"]
    np.testing.assert_allclose(predictions, bank.expected[:4], atol=bank.meta.tolerance)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_wrk_drives_it_without_an_error(served: tuple[str, Bank], tmp_path: Path) -> None:
    address, bank = served
    body = json.dumps({"instances": bank.inputs[:1].tolist()})
    script = tmp_path / "post.lua"
    script.write_text(f"wrk.method = 'POST'\nwrk.body = '{body}'\n")
    argv = ["wrk", "-t1", "-c16", "-d1", "-s", str(script), f"http://{address}/v1/models/{MODEL}:predict"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said
    assert "Socket errors" not in said
    assert int(re.search(r"(\d+) requests in", said)[1]) > 0


def test_a_drain_under_closed_loop_load_loses_no_accepted_request() -> None:
    """Clients go on until the server says so: every answer is whole, the last one closes, the exit code is 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "targets", "batched", "--knobs", '{"batch_wait_ms": 20}'],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    port = int(re.search(r":(\d+) ", process.stdout.readline())[1])
    body = json.dumps({"instances": [[0.0] * 64]}).encode()
    request = b"POST /v1/models/digits-mlp:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )

    only_one = threading.Lock()

    def stop_once() -> None:
        if only_one.acquire(blocking=False):
            process.send_signal(signal.SIGTERM)

    def client(_: int) -> int:
        answered = 0
        with socket.create_connection(("127.0.0.1", port), 20) as sock:
            answers = sock.makefile("rb")
            while True:
                sock.sendall(request)
                status = answers.readline()
                assert status == b"HTTP/1.1 200 OK\r\n", "an accepted request was lost"
                headers = dict(line.rstrip().split(b": ", 1) for line in iter(answers.readline, b"\r\n"))
                assert answers.read(int(headers[b"content-length"])).endswith(b"]]}")
                answered += 1
                if answered == 5:
                    stop_once()
                if headers.get(b"connection") == b"close":
                    return answered

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answered = list(pool.map(client, range(16)))
    assert min(answered) >= 1
    assert process.wait(30) == 0


IN_LOAD_PROCESS = """
from gevent import monkey; monkey.patch_all()
import os
pid = os.fork()
if pid:
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
import gevent, numpy as np
from targets import TARGETS
spec = TARGETS["inprocess"]
model = spec.open_model("digits-mlp", spec.knobs.complete({}))
pool = gevent.get_hub().threadpool
answers = [pool.spawn(model.predict, model.bank.inputs[row : row + 1]) for row in range(40)]
got = np.concatenate([answer.get() for answer in answers])
np.testing.assert_allclose(got, model.bank.expected[:40], atol=model.bank.meta.tolerance)
os._exit(0)
"""


def test_the_in_process_model_is_right_in_a_forked_gevent_process_with_threads() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_LOAD_PROCESS], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
