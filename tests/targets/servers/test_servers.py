"""Every server on real sockets, with the standard library's client."""

from __future__ import annotations

import concurrent.futures
import contextlib
import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from served_target import Served

pytestmark = pytest.mark.process

INFER = "/v2/models/digits-mlp/infer"
PREDICT = "/v1/models/digits-mlp:predict"
TIMING = re.compile(
    r'queue;dur=\d+\.\d{6}, batch;dur=\d+\.\d{6};desc="n=(\d+)", queued-at;dur=\d+\.\d{3}, '
    r"preprocess;dur=\d+\.\d{6}, compute;dur=(\d+\.\d{6}), serialise;dur=\d+\.\d{6}"
)


def v2_body(rows: np.ndarray, **changes: Any) -> bytes:
    tensor = {"name": "input", "shape": [len(rows), 64], "datatype": "FP32", "data": rows.ravel().tolist()}
    return json.dumps({"inputs": [{**tensor, **changes}]}).encode()


def instances(rows: np.ndarray) -> bytes:
    return json.dumps({"instances": rows.tolist()}).encode()


@pytest.fixture(params=["batched", "threaded"])
def server(request: pytest.FixtureRequest) -> Served:
    return request.getfixturevalue(request.param)


def test_v2_answers_are_the_models_own(server: Served) -> None:
    bank = server.bank
    status, answer, headers = server.ask("POST", INFER, v2_body(bank.inputs[:3]))
    assert status == 200
    output = answer["outputs"][0]
    assert output["shape"] == [3, 10]
    np.testing.assert_allclose(np.reshape(output["data"], (3, 10)), bank.expected[:3], atol=bank.meta.tolerance)
    timing = TIMING.fullmatch(headers["server-timing"])
    assert timing
    assert timing[1] == "3"
    assert float(timing[2]) > 0


def test_tfs_answers_are_the_models_own(server: Served) -> None:
    bank = server.bank
    _, answer, _ = server.ask("POST", PREDICT, instances(bank.inputs[:2]))
    np.testing.assert_allclose(answer["predictions"], bank.expected[:2], atol=bank.meta.tolerance)


def test_the_held_out_accuracy_of_the_card_is_what_the_server_gives(server: Served) -> None:
    bank = server.bank
    parts = range(0, len(bank.inputs), 60)
    answers = [
        server.ask("POST", PREDICT, instances(bank.inputs[part : part + 60]))[1]["predictions"] for part in parts
    ]
    right = np.concatenate(answers).argmax(axis=1) == bank.labels
    assert right.mean() == pytest.approx(server.ready["model"]["test_accuracy"])


def test_health_and_metadata(server: Served) -> None:
    assert server.ask("GET", "/v2/health/live")[0] == 200
    assert server.ask("GET", "/v2/health/ready")[0] == 200
    assert server.ask("GET", "/v2/models/digits-mlp/ready")[0] == 200
    metadata = server.ask("GET", "/v2/models/digits-mlp")[1]
    assert metadata["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 64]}]
    state = server.ask("GET", "/v1/models/digits-mlp")[1]["model_version_status"][0]
    assert (state["version"], state["state"]) == ("1", "AVAILABLE")
    assert server.ask("GET", "/v1/models/digits-mlp/metadata")[1]["model_spec"]["name"] == "digits-mlp"
    assert b"sweepspot_requests_total" in server.ask("GET", "/metrics")[1]


def test_what_tritons_clients_ask(server: Served) -> None:
    path = "/v2/models/digits-mlp"
    config = server.ask("GET", f"{path}/config")[1]
    assert config["input"] == [{"name": "input", "data_type": "TYPE_FP32", "dims": [64]}]
    assert config["max_batch_size"] >= 1
    before = server.ask("GET", f"{path}/stats")[1]["model_stats"][0]
    server.ask("POST", INFER, v2_body(server.bank.inputs[:3]))
    server.ask("POST", INFER, b"{")
    after = server.ask("GET", "/v2/models/stats")[1]["model_stats"][0]
    for count, added in (("inference_count", 3), ("execution_count", 1)):
        assert after[count] - before[count] == added
    for name, added in (("success", 1), ("fail", 1), ("queue", 1), ("compute_infer", 1)):
        assert after["inference_stats"][name]["count"] - before["inference_stats"][name]["count"] == added
    spent = after["inference_stats"]["compute_infer"]["ns"] - before["inference_stats"]["compute_infer"]["ns"]
    total = after["inference_stats"]["success"]["ns"] - before["inference_stats"]["success"]["ns"]
    assert 0 < spent < total
    assert abs(after["last_inference"] / 1000 - time.time()) < 60
    assert {batch["batch_size"] for batch in after["batch_stats"]} >= {3}
    assert server.ask("GET", "/v2/models/other/stats")[0] == 404
    assert server.ask("POST", f"{path}/config")[0] == 405


def test_after_each_bad_request_the_same_connection_serves_a_good_one(server: Served) -> None:
    row = server.bank.inputs[:1]
    bad = [
        ("POST", INFER, b"{", 400),
        ("POST", INFER, b"", 400),
        ("POST", INFER, v2_body(row, shape=[1, 63]), 400),
        ("POST", INFER, v2_body(row, datatype="INT64"), 400),
        ("POST", INFER, v2_body(row).replace(b"[0.0", b"[NaN", 1), 400),
        ("POST", PREDICT, b'{"instances":[["a"]]}', 400),
        ("POST", "/v2/models/other/infer", v2_body(row), 404),
        ("POST", "/nowhere", b"x", 404),
        ("GET", INFER, None, 405),
        ("PUT", INFER, v2_body(row), 405),
        ("POST", INFER, b" " * (64 * 1024 * 1024 + 1), 413),
    ]
    connection = server.connect()
    for method, path, body, status in bad:
        connection.request(method, path, body)
        answer = connection.getresponse()
        error = json.loads(answer.read())
        assert (answer.status, list(error)) == (status, ["error"]), (method, path)
        connection.request("POST", INFER, v2_body(row))
        good = connection.getresponse()
        good.read()
        assert good.status == 200
    connection.close()


def test_head_has_no_body_and_the_connection_goes_on(server: Served) -> None:
    connection = server.connect()
    for path, status in (("/v2/health/ready", 200), ("/nowhere", 404), (INFER, 405)):
        connection.request("HEAD", path)
        head = connection.getresponse()
        assert (head.status, head.read()) == (status, b"")
        assert int(head.headers["content-length"]) > 0
        connection.request("GET", "/v2/health/live")
        live = connection.getresponse()
        assert (live.status, json.loads(live.read())) == (200, {"live": True})
    connection.close()


def test_a_request_that_is_no_http_gets_an_answer_and_the_server_lives(server: Served) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert b" 400 " in client.recv(1000)
    assert server.ask("GET", "/v2/health/live")[0] == 200


def test_concurrent_requests_share_a_batch(batched: Served) -> None:
    row = batched.bank.inputs[:1]
    batched.set(batch_wait_ms=5000.0, batch_size=4)
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: batched.ask("POST", INFER, v2_body(row)), range(4)))
    finally:
        batched.set(batch_wait_ms=0.0, batch_size=64)
    assert {TIMING.fullmatch(headers["server-timing"])[1] for _, _, headers in answers} == {"4"}


@contextlib.contextmanager
def one_waits(batched: Served) -> Iterator[concurrent.futures.Future[Any]]:
    """A request is in the queue, and stays until the knobs are turned back."""
    batched.set(batch_wait_ms=10_000.0, batch_size=2, queue_limit=1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(batched.ask, "POST", INFER, v2_body(batched.bank.inputs[:1]))
        while b"sweepspot_queue_length 1.0" not in batched.ask("GET", "/metrics")[1]:
            time.sleep(0.01)
        yield waiting
    batched.set(batch_wait_ms=0.0, batch_size=64, queue_limit=1024)


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(batched: Served) -> None:
    with one_waits(batched) as waiting:
        status, answer, headers = batched.ask("POST", INFER, v2_body(batched.bank.inputs[:1]))
        assert (status, headers["retry-after"]) == (503, "1")
        assert "full" in answer["error"]
        batched.set(batch_wait_ms=0.0)
        assert waiting.result()[0] == 200, "a live knob reaches what already waits"


def test_a_full_queue_refuses_before_the_body_has_come(batched: Served) -> None:
    with one_waits(batched), socket.create_connection(("127.0.0.1", batched.port), 10) as client:
        client.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 503 ")
        batched.set(batch_wait_ms=0.0)


def _outcomes(served: Served) -> dict[str, float]:
    text = served.ask("GET", "/metrics")[1].decode()
    return {name: float(count) for name, count in re.findall(r'requests_total{outcome="(\w+)"} (\S+)', text)}


def test_a_request_whose_time_is_over_is_dropped_before_the_model_sees_it(batched: Served) -> None:
    row = batched.bank.inputs[:1]
    before = _outcomes(batched)
    batched.set(batch_wait_ms=10_000.0, batch_size=2)
    try:
        in_body = v2_body(row)[:-1] + b', "parameters": {"timeout": 20000}}'
        assert batched.ask("POST", INFER, in_body)[0] == 504
        assert batched.ask("POST", INFER, v2_body(row), **{"X-Request-Timeout-Ms": "20"})[0] == 504
        status, answer, _ = batched.ask("POST", PREDICT, instances(row), **{"X-Envoy-Expected-Rq-Timeout-Ms": "20"})
        assert (status, list(answer)) == (504, ["error"])
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            in_time = v2_body(row)[:-1] + b', "parameters": {"timeout": 60000000}}'
            answers = list(pool.map(lambda body: batched.ask("POST", INFER, body), [in_time, in_time]))
        assert [status for status, _, _ in answers] == [200, 200]
    finally:
        batched.set(batch_wait_ms=0.0, batch_size=64)
    after = _outcomes(batched)
    assert {name: after[name] - before[name] for name in ("ok", "expired", "rejected")} == {
        "ok": 2,
        "expired": 3,
        "rejected": 0,
    }


@pytest.mark.parametrize("timeout", [b"-1", b"1.5", b'"5"', b"true"])
def test_a_timeout_that_is_none_is_refused(batched: Served, timeout: bytes) -> None:
    body = v2_body(batched.bank.inputs[:1])[:-1] + b', "parameters": {"timeout": %s}}' % timeout
    status, answer, _ = batched.ask("POST", INFER, body)
    assert status == 400
    assert "timeout" in answer["error"]


def test_a_crowd_at_a_full_queue_is_refused_to_the_last(batched: Served) -> None:
    """More than the pace allows at once: some refusals wait for their turn, and each is sent."""
    body = v2_body(batched.bank.inputs[:1])
    request = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with one_waits(batched):
        before = _outcomes(batched)["rejected"]
        clients = [socket.create_connection(("127.0.0.1", batched.port), 20) for _ in range(200)]
        for client in clients:
            client.sendall(request + request)
        for client in clients:
            received = b""
            while received.count(b'{"error":') < 2:
                received += client.recv(65536)
            assert received.count(b"HTTP/1.1 503 ") == 2
            client.close()
        assert _outcomes(batched)["rejected"] - before == 400
        batched.set(batch_wait_ms=0.0)


def test_live_knobs_are_checked(batched: Served) -> None:
    batched.control.send({"set": {"batch_size": 0}})
    assert "batch_size=0" in batched.control.receive(10)["message"]
    batched.control.send({"set": {"intra_op_threads": 1}})
    assert "restart" in batched.control.receive(10)["message"]
    assert batched.set(batch_size=64)["knobs"]["batch_size"] == 64


def test_pipelined_requests_are_answered_in_order(batched: Served) -> None:
    rows = batched.bank.inputs
    with socket.create_connection(("127.0.0.1", batched.port), 10) as client:
        for row in range(20):
            body = v2_body(rows[row : row + 1])[:-1] + b', "id": "%d"}' % row
            client.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            client.sendall(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while received.count(b"unknown path") < 20:
            received += client.recv(65536)
    seen = re.findall(rb'"id":"(\d+)"|(unknown path)', received)
    assert seen == [part for row in range(20) for part in ((b"%d" % row, b""), (b"", b"unknown path"))]


def test_a_body_in_chunks_is_read(batched: Served) -> None:
    body = v2_body(batched.bank.inputs[:1])
    connection = batched.connect()
    connection.request("POST", INFER, iter([body[:100], body[100:]]), encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()


def test_null_answers_what_its_bank_expects(serve: Callable[..., Served]) -> None:
    null = serve("null")
    _, answer, _ = null.ask("POST", INFER, v2_body(null.bank.inputs[:1]))
    np.testing.assert_allclose(answer["outputs"][0]["data"], null.bank.expected[0])
    _, answer, _ = null.ask("POST", PREDICT, instances(null.bank.inputs[:1]))
    np.testing.assert_allclose(answer["predictions"][0], null.bank.expected[0])


def test_fixed_logs_its_truth(serve: Callable[..., Served], tmp_path: Path) -> None:
    log = tmp_path / "truth.csv"
    fixed = serve("fixed", delay_ms=2.0, servers=1, log_path=str(log))
    body = v2_body(fixed.bank.inputs[:1])
    for _ in range(5):
        _, answer, headers = fixed.ask("POST", INFER, body)
        np.testing.assert_allclose(answer["outputs"][0]["data"], fixed.bank.expected[0])
        assert TIMING.fullmatch(headers["server-timing"])[2] == "2.000000"
    assert fixed.stop() == 0
    rows = [{name: int(row[name]) for name in row if name != "outcome"} for row in csv.DictReader(log.open())]
    assert len(rows) == 5
    for row in rows:
        assert row["arrived_ns"] == row["start_ns"] == row["due_ns"] - 2_000_000
        assert row["answered_ns"] >= row["due_ns"]


def test_fixed_drips_its_answers_and_logs_when_they_ended(serve: Callable[..., Served], tmp_path: Path) -> None:
    log = tmp_path / "truth.csv"
    fixed = serve("fixed", delay_ms=1.0, drip_ms=14.0, log_path=str(log))
    with socket.create_connection(("127.0.0.1", fixed.port)) as client:
        client.sendall(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}" % INFER.encode())
        received = client.recv(65536)
        assert b"200 OK" in received
        head, end, body = received.partition(b"\r\n\r\n")
        assert not end or len(body) < int(head.lower().partition(b"content-length: ")[2].split()[0])
    for _ in range(3):
        _, answer, _ = fixed.ask("POST", INFER, v2_body(fixed.bank.inputs[:1]))
        np.testing.assert_allclose(answer["outputs"][0]["data"], fixed.bank.expected[0])
    assert fixed.stop() == 0
    rows = list(csv.DictReader(log.open()))
    assert len(rows) == 4
    assert all(int(row["answered_ns"]) - int(row["due_ns"]) >= 14_000_000 for row in rows)


def test_fixed_does_its_faults(serve: Callable[..., Served]) -> None:
    body = b"{}"
    assert serve("fixed", error_share=1.0).ask("POST", INFER, body)[0] == 500
    wrong = serve("fixed", wrong_share=1.0)
    answer = wrong.ask("POST", INFER, body)[1]["outputs"][0]["data"]
    assert np.abs(answer - wrong.bank.expected[0]).min() > 0.5
    with pytest.raises(ConnectionResetError):
        serve("fixed", reset_share=1.0).ask("POST", INFER, body)


def test_a_request_that_ends_early_is_told_and_holds_nothing_up(server: Served) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc".encode())
        client.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: client.recv(4096), b""))
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"the request is incomplete" in said


@pytest.mark.parametrize("word", ["signal", "control"])
def test_a_drain_answers_every_accepted_request(serve: Callable[..., Served], word: str) -> None:
    fixed = serve("fixed", delay_ms=400.0)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(fixed.ask, "POST", INFER, b"{}") for _ in range(20)]
        _until_sent(fixed, 20)
        if word == "signal":
            fixed.process.send_signal(signal.SIGTERM)
        else:
            fixed.control.send({"stop": True})
        assert {answer.result()[0] for answer in answers} == {200}
    assert fixed.process.wait(10) == 0


def _until_sent(served: Served, connections: int) -> None:
    """Until the server has read a request on each of so many connections (its side of them has nothing unread)."""
    deadline = threading.Event()
    while not deadline.wait(0.05):
        table = [line.split() for line in open("/proc/net/tcp").read().splitlines()[1:]]  # noqa: PTH123, SIM115
        mine = [line for line in table if line[1].endswith(f":{served.port:04X}") and line[3] == "01"]
        if len(mine) == connections and all(line[4].endswith(":00000000") for line in mine):
            return


def _until_refused(served: Served) -> None:
    with contextlib.suppress(ConnectionRefusedError, ConnectionResetError):  # reset: it was waiting to be accepted
        while True:
            socket.create_connection(("127.0.0.1", served.port), 10).close()


def test_a_second_signal_ends_at_once(serve: Callable[..., Served]) -> None:
    fixed = serve("fixed", delay_ms=60_000.0)
    with socket.create_connection(("127.0.0.1", fixed.port), 10) as client:
        client.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        _until_sent(fixed, 1)
        fixed.process.send_signal(signal.SIGTERM)
        _until_refused(fixed)
        with pytest.raises(subprocess.TimeoutExpired):
            fixed.process.wait(0.2)
        fixed.process.send_signal(signal.SIGTERM)
        assert fixed.process.wait(10) == 130


def test_a_target_ends_when_its_parent_is_gone(serve: Callable[..., Served]) -> None:
    null = serve("null")
    null.control.close()
    assert null.process.wait(20) == 0


def run_target(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "targets", *argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_port_in_use_is_one_clear_line(serve: Callable[..., Served]) -> None:
    done = run_target("batched", "--port", str(serve("null").port))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--port" in done.stderr
    assert "in use" in done.stderr


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["batchd"], "did you mean 'batched'"),
        (["null", "--model", "digits-mpl"], "did you mean 'digits-mlp'"),
        (["batched", "--knobs", '{"batch_sise": 4}'], "did you mean 'batch_size'"),
        (["batched", "--knobs", '{"batch_size": 0}'], "batch_size=0"),
        (["null", "--host", "no.such.host.invalid"], "--host"),
        (["fixed", "--knobs", json.dumps({"log_path": os.devnull + "/x"})], "log_path"),
    ],
)
def test_mistakes_are_one_clear_line(argv: list[str], words: str) -> None:
    done = run_target(*argv)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert words in done.stderr


def test_a_client_that_closes_its_sending_side_still_gets_its_answer(serve: Callable[..., Served]) -> None:
    fixed = serve("fixed", delay_ms=100.0)
    with socket.create_connection(("127.0.0.1", fixed.port), 10) as client:
        client.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        client.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert received.endswith(b"}")
