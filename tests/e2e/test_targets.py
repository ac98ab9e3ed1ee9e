"""Real clients against real servers."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harness.clock import NS_PER_S, MonotonicClock
from harness.system.control_channel import ControlChannel
from harness.wire.payload_bank import Bank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.system.control_channel import Message


MODEL = "digits-mlp"


@contextlib.contextmanager
def started(**knobs: Any) -> Iterator[tuple[Message, ControlChannel]]:
    """`batched`, until the end of the block: its *ready* message, and its control channel."""
    control, theirs = ControlChannel.pair()
    argv = [sys.executable, "-m", "targets", "batched", "--knobs", json.dumps(knobs)]
    with theirs:
        process = subprocess.Popen([*argv, "--control-fd", str(theirs.fileno())], pass_fds=(theirs.fileno(),))
    try:
        yield until(control, "ready"), control
        control.send({"stop": True})
        assert process.wait(40) == 0
    finally:
        process.kill()
        control.close()


def until(control: ControlChannel, event: str) -> Message:
    while (message := control.receive(100)) and message["event"] == "progress":
        pass
    assert message
    assert message["event"] == event, message
    return message


@pytest.fixture(scope="module")
def ready() -> Iterator[Message]:
    """`batched` as a user starts it, with gRPC."""
    with started(grpc_port=0) as (message, _):
        yield message


@pytest.fixture(scope="module")
def served(ready: Message) -> tuple[str, Bank]:
    """(address, bank)."""
    from pathlib import Path

    return ready["url"].removeprefix("http://"), Bank.load(Path(ready["bank"]))


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


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
def test_tritonclient_over_grpc_gets_right_answers(ready: Message, served: tuple[str, Bank], typed: bool) -> None:
    from tritonclient import grpc

    bank = served[1]
    with grpc.InferenceServerClient(ready["grpc_url"].removeprefix("grpc://")) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready(MODEL)
        assert client.get_server_metadata().name == "sweepspot"
        metadata = client.get_model_metadata(MODEL)
        assert list(metadata.inputs[0].shape) == [-1, 64]
        tensor = grpc.InferInput(metadata.inputs[0].name, [16, 64], metadata.inputs[0].datatype)
        tensor.set_data_from_numpy(bank.inputs[:16])
        if typed:
            tensor._raw_content = None
            tensor._input.contents.fp32_contents.extend(bank.inputs[:16].ravel().tolist())
        answer = client.infer(MODEL, [tensor], request_id="a7", timeout=60_000_000)
        assert answer.get_response().id == "a7"
        np.testing.assert_allclose(answer.as_numpy("output"), bank.expected[:16], atol=bank.meta.tolerance)


@pytest.mark.parametrize("call", ["ModelInfer", "ModelReady", "ServerLive"])
@pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"\x0a\x7fshort"], ids=["no tag", "cut"])
def test_grpc_says_invalid_argument_to_what_is_no_protobuf(ready: Message, call: str, raw: bytes) -> None:
    import grpc

    with grpc.insecure_channel(ready["grpc_url"].removeprefix("grpc://")) as channel:
        with pytest.raises(grpc.RpcError) as e:
            channel.unary_unary(f"/inference.GRPCInferenceService/{call}")(raw, timeout=20)
        assert e.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert e.value.details() == f"the request is not a valid {call}Request message"
        live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=20)
    assert live == b"\x08\x01"  # field 1, true


def test_grpc_refuses_what_is_wrong_with_the_protocols_codes(ready: Message) -> None:
    from tritonclient import grpc

    def ask(model: str = MODEL, shape: tuple[int, int] = (1, 64), name: str = "input", **more: Any) -> str:
        tensor = grpc.InferInput(name, shape, "FP32")
        tensor.set_data_from_numpy(np.zeros(shape, np.float32))
        with (
            grpc.InferenceServerClient(ready["grpc_url"].removeprefix("grpc://")) as client,
            pytest.raises(grpc.InferenceServerException) as e,
        ):
            client.infer(model, [tensor], **more)
        return str(e.value.status()).removeprefix("StatusCode.")

    assert ask(model="other") == "NOT_FOUND"
    assert ask(model_version="9") == "NOT_FOUND"
    assert ask(shape=(1, 63)) == "INVALID_ARGUMENT"
    assert ask(shape=(5000, 64)) == "INVALID_ARGUMENT"
    assert ask(name="other") == "INVALID_ARGUMENT"
    assert ask(timeout=1) == "DEADLINE_EXCEEDED"


def test_tritonclient_reads_configuration_and_statistics(ready: Message, served: tuple[str, Bank]) -> None:
    from tritonclient import grpc, http

    with http.InferenceServerClient(served[0]) as client:
        rows = http.InferInput("input", [1, 64], "FP32")
        rows.set_data_from_numpy(served[1].inputs[:1])
        client.infer(MODEL, [rows])
        assert client.get_model_config(MODEL)["max_batch_size"] == 32
        for name in (MODEL, ""):
            assert client.get_inference_statistics(name)["model_stats"][0]["name"] == MODEL
    with grpc.InferenceServerClient(ready["grpc_url"].removeprefix("grpc://")) as client:
        config = client.get_model_config(MODEL).config
        assert (config.max_batch_size, list(config.input[0].dims)) == (32, [64])
        (statistics,) = client.get_inference_statistics(MODEL).model_stats
        assert statistics.inference_stats.success.count > 0
        assert sum(one.compute_infer.count for one in statistics.batch_stats) == statistics.execution_count


def scrape(url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def pids(url: str) -> dict[str, int]:
    found = scrape(url)
    return {name: int(value) for name, value in found.items() if name.startswith("sweepspot_process_pid")}


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    clock = MonotonicClock()
    limit_ns = clock.now_ns() + round(seconds * NS_PER_S)
    while not condition():
        assert clock.now_ns() < limit_ns, "it did not come to pass"
        clock.sleep_until_ns(clock.now_ns() + NS_PER_S // 5)


def test_replicas_share_a_port_and_one_that_is_killed_comes_back() -> None:
    from pathlib import Path

    with started(engine="onnxruntime", replicas=2, grpc_port=0, intra_op_threads=1) as (message, control):
        url, bank = message["url"], Bank.load(Path(message["bank"]))
        body = json.dumps({"instances": bank.inputs[:4].tolist()}).encode()

        def ask() -> bool:
            try:
                with urllib.request.urlopen(f"{url}/v1/models/{MODEL}:predict", body, timeout=20) as answer:
                    return np.allclose(json.load(answer)["predictions"], bank.expected[:4], atol=bank.meta.tolerance)
            except (urllib.error.URLError, ConnectionError):
                return False

        assert all(ask() for _ in range(40))
        wait_for(lambda: sum(v for k, v in scrape(url).items() if 'outcome="ok"' in k) == 40)
        before = pids(url)
        assert sorted(before) == [f'sweepspot_process_pid{{replica="{index}"}}' for index in range(2)]
        assert message["pid"] not in before.values()

        control.send({"set": {"batch_size": 2}})
        assert until(control, "set")["knobs"]["batch_size"] == 2
        assert not any(ask() for _ in range(10)), "four rows are too many now, in every replica"
        control.send({"set": {"batch_size": 8}})
        until(control, "set")

        killed = before['sweepspot_process_pid{replica="0"}']
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{killed}").exists())
        assert sum(ask() for _ in range(20)) == 20, "the other one serves meanwhile"
        wait_for(lambda: killed not in pids(url).values())
        after = pids(url)
        assert after['sweepspot_process_pid{replica="1"}'] == before['sweepspot_process_pid{replica="1"}']
        assert all(ask() for _ in range(20)), "eight rows are still allowed, also in the new one"


def test_a_port_in_use_is_one_clear_line_with_replicas_too(ready: Message) -> None:
    port = ready["url"].rpartition(":")[2]
    argv = [sys.executable, "-m", "targets", "batched", "--port", port, "--knobs", '{"replicas": 2}']
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "in use" in done.stderr


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
        [sys.executable, "-m", "targets", "batched", "--knobs", '{"engine": "onnxruntime", "batch_wait_ms": 20}'],
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
