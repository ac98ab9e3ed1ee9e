import json
import select
import socket
import struct
import threading
import time

import numpy as np
import pytest

from harness.measure.load.connections import connection as connection_module
from harness.measure.load.connections.server_address import ServerAddress
from harness.plan.arrivals import Closed, Constant, Poisson
from harness.record.rows import Outcome, Phase

pytestmark = pytest.mark.process

MS = 1_000_000


def of(rows, column):
    return [row[column] for row in rows]


def test_every_answer_is_checked_and_kept(serve, bench, answer):
    server = serve(lambda number, request, connection: answer.right(request))
    rows, report = bench(server.url).run(60, users=3)
    assert (report.ok, report.checked, report.error) == (report.sent, report.sent, 0)
    assert len(server.requests) == report.sent
    assert server.connections == 3
    assert set(of(rows, "user")) == {0, 1, 2}
    assert set(of(rows, "status")) == {200}
    for row in rows:
        assert row["due_ns"] <= row["sent_ns"] <= row["first_byte_ns"] <= row["done_ns"]
        assert row["phase"] == Phase.MEASURE


def test_a_user_is_due_again_when_its_answer_came(serve, bench, answer):
    server = serve(lambda number, request, connection: answer.right(request))
    rows, _ = bench(server.url).run(20)
    assert of(rows, "due_ns")[1:] == of(rows, "done_ns")[:-1]


def test_think_time_comes_between(serve, bench, answer):
    server = serve(lambda number, request, connection: answer.right(request))
    rows, _ = bench(server.url, arrivals=Closed(users=1, think_time_s=0.01)).run(5)
    gaps = np.subtract(of(rows, "due_ns")[1:], of(rows, "done_ns")[:-1])
    assert gaps.tolist() == [10 * MS] * (len(rows) - 1)


def test_all_payloads_are_sent_in_a_seeded_order(serve, bench, answer, tmp_path):
    server = serve(lambda number, request, connection: answer.right(request))
    first, _ = bench(server.url, seed=1).run(40)
    again, _ = bench(server.url, seed=1).run(40)
    other, _ = bench(server.url, seed=2).run(40)
    assert sorted(of(first, "payload")[:20]) == list(range(20))
    assert of(first, "payload")[:20] != of(first, "payload")[20:40]
    assert of(first, "payload")[:40] == of(again, "payload")[:40]
    assert of(first, "payload")[:40] != of(other, "payload")[:40]


def test_a_wrong_answer_is_wrong_and_a_close_one_is_right(serve, bench, answer):
    def script(number, request, connection):
        a, b = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"][0]["data"][:2]
        off = {0: 0.0, 1: 9e-4, 2: 2e-3, 3: float("nan")}[number % 4]
        return answer.ok([a + b + off, a - b])

    rows, report = bench(serve(script).url).run(40)
    assert [Outcome(o) for o in of(rows, "outcome")[:4]] == [Outcome.OK, Outcome.OK, Outcome.WRONG, Outcome.WRONG]
    assert report.errors == {"a wrong response": report.wrong}
    assert report.wrong == sum(number % 4 >= 2 for number in range(len(rows)))


def test_sampling_looks_at_the_first_of_each_payload_and_some_more(serve, bench, answer):
    server = serve(lambda number, request, connection: answer.right(request))
    _, report = bench(server.url, check="sample").run(2000)
    assert 20 <= report.checked < 0.15 * report.sent
    _, report = bench(server.url, check="off").run(100)
    assert report.checked == 0


def test_rejections_and_errors_are_told_apart(serve, bench, answer):
    status = {0: b"503 Service Unavailable", 1: b"429 Too Many Requests", 2: b"500 Internal Server Error", 3: b"404 No"}

    def script(number, request, connection):
        body = b'{"error": "queue full"}'
        return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status[number % 4], len(body), body)

    rows, report = bench(serve(script).url).run(8)
    assert [Outcome(o).name for o in of(rows, "outcome")[:4]] == ["REJECTED", "REJECTED", "ERROR", "ERROR"]
    assert of(rows, "status")[:4] == [503, 429, 500, 404]
    assert "HTTP 503: queue full" in report.errors


def test_the_server_split_reaches_the_row(serve, bench, answer):
    timing = b'Server-Timing: queue;dur=1.25, batch;dur=0.4;desc="n=8", compute;dur=3.1\r\n'

    def script(number, request, connection):
        text = answer.right(request)
        return text.replace(b"Content-Length", timing + b"Content-Length") if number % 2 else text

    rows, _ = bench(serve(script).url).run(6)
    assert of(rows, "queue_ns")[:4] == [None, 1_250_000, None, 1_250_000]
    assert of(rows, "batch_wait_ns")[1] == 400_000
    assert of(rows, "compute_ns")[1] == 3_100_000
    assert of(rows, "batch_size")[:2] == [None, 8]
    assert of(rows, "serialise_ns")[1] is None


def test_odd_answers_are_understood(serve, bench, answer):
    def script(number, request, connection):
        head, _, body = answer.right(request).partition(b"\r\n\r\n")
        odd = number % 4
        if odd == 0:
            return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        if odd == 1:
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + body)
            return "close"
        whole = head + b"\r\n\r\n" + body
        return [b"HTTP/1.1 100 Continue\r\n\r\n", whole] if odd == 2 else [whole[:30], whole[30:-1], whole[-1:]]

    rows, report = bench(serve(script).url).run(12)
    assert report.ok == report.sent
    assert rows[3]["first_byte_ns"] < rows[3]["done_ns"]


def test_a_refused_connection_is_an_error_that_does_not_spin(bench):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    rows, report = bench(url).run(3)
    assert report.error == report.sent == len(rows) == 3
    assert of(rows, "sent_ns") == [None] * 3
    assert all("refused" in text for text in report.errors)
    assert rows[1]["due_ns"] - rows[0]["done_ns"] == 100 * MS


def test_a_server_that_closes_in_mid_answer_is_an_error(serve, bench, answer):
    def script(number, request, connection):
        if number % 2:
            return answer.right(request)
        connection.sendall(answer.right(request)[:50])
        return "close"

    rows, report = bench(serve(script).url).run(10)
    assert report.error == sum(number % 2 == 0 for number in range(len(rows)))
    assert report.resent == 0


def test_a_reset_right_after_a_request_is_an_error_and_not_sent_again(serve, bench, answer):
    def script(number, request, connection):
        if number % 2 == 0:
            return answer.right(request)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return "close"

    server = serve(script)
    _, report = bench(server.url).run(10)
    assert report.resent == 0
    assert report.error == sum(number % 2 for number in range(report.sent))
    assert len(server.requests) == report.sent


def test_a_request_on_a_connection_that_had_gone_stale_is_sent_again_once(serve, bench, answer, monkeypatch):
    monkeypatch.setattr(connection_module, "STALE_AFTER_NS", 5 * MS)
    seen = {}

    def script(number, request, connection):
        if seen.setdefault(connection, 0):
            return "close"  # the second request on a connection meets a server that has just given it up
        seen[connection] = 1
        return answer.right(request)

    rows, report = bench(serve(script).url, arrivals=Closed(users=1, think_time_s=0.02)).run(5)
    assert (report.ok, report.error) == (report.sent, 0)
    assert report.resent == report.sent - 1
    assert all(row["sent_ns"] - row["due_ns"] >= 0 for row in rows)


def test_an_idle_connection_closed_by_the_server_is_opened_again(serve, bench, answer):
    def script(number, request, connection):
        connection.sendall(answer.right(request))
        return "close"

    server = serve(script)
    _, report = bench(server.url, arrivals=Closed(users=1, think_time_s=0.02)).run(4)
    assert (report.ok, report.resent) == (report.sent, 0)
    assert server.connections == report.sent
    assert report.reconnects == report.sent - 1
    assert report.reconnect_ns > 0


@pytest.mark.parametrize("framed", [True, False], ids=["length", "until the end"])
def test_an_answer_and_the_servers_end_in_one_segment(serve, bench, answer, framed):
    """The next request does not go to a server that is known to have left."""

    def script(number, request, connection):
        whole = answer.right(request)
        _, _, body = whole.partition(b"\r\n\r\n")
        connection.send(whole if framed else b"HTTP/1.1 200 OK\r\n\r\n" + body, socket.MSG_MORE)
        return "close"

    server = serve(script)
    _, report = bench(server.url).run(4)
    assert (report.ok, report.error, report.resent) == (report.sent, 0, 0), report.errors
    assert server.connections == report.sent


def test_what_comes_behind_a_large_answer_is_not_the_next_one(serve, bench, answer, monkeypatch):
    """It ends the connection, also where it is there with the last bytes of the answer."""
    plain = ServerAddress.socket

    def roomy(address):
        sock = plain(address)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        return sock

    monkeypatch.setattr(ServerAddress, "socket", roomy)
    begun, there = threading.Event(), threading.Event()

    def script(number, request, connection):
        _, _, body = answer.right(request).partition(b"\r\n\r\n")
        body += b" " * 200_000
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 21)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body[:1]))
        if number == 0:
            assert begun.wait(10)
            connection.sendall(body[1:] + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nOLD")
            there.set()
            return None
        return body[1:]

    server = serve(script)
    ran = bench(server.url, arrivals=Closed(users=1, think_time_s=0.01))
    ran.load.begin_phases(time.monotonic_ns())
    ran.load.loop.add_user()
    ran.turn_until(lambda: any(each._parser.missing_bytes for each in ran.load.engine._connections.values()))
    begun.set()
    assert there.wait(10)
    ran.turn_until(lambda: sum(ran.load.ledger.ended) >= 3)
    _, report = ran.finish()
    assert (report.ok, report.wrong, report.error) == (report.sent, 0, 0), report.errors
    assert report.unasked == 1
    assert server.connections == report.sent  # one for each request, once the server has sent what nobody asked for


def test_a_second_response_is_counted_and_answers_no_other_request(serve, bench, answer):
    """The server sends each response twice; where both come together on a used connection, neither is believed."""

    def script(number, request, connection):
        once = answer.right(request)
        return once + once if number else once

    server = serve(script)
    rows, report = bench(server.url).run(5)
    assert of(rows, "outcome") == [Outcome.OK, Outcome.ERROR, *[Outcome.OK] * (len(rows) - 2)]
    assert report.errors == {connection_module.MAY_BE_ANOTHERS: 1}
    assert (report.unasked, server.connections) == (report.sent - 1, report.sent - 1)


@pytest.mark.parametrize(
    ("late", "counted"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nOLD", 1),
        (b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", 0),
        (b"\r\n", 0),
    ],
    ids=["a response", "a farewell", "a blank line"],
)
def test_bytes_over_an_idle_connection_count_unless_they_take_leave(serve, bench, answer, late, counted):
    connections = []

    def script(number, request, connection):
        connections.append(connection)
        return answer.right(request)

    server = serve(script)
    ran = bench(server.url, arrivals=Closed(users=1, think_time_s=0.2))
    ran.load.begin_phases(time.monotonic_ns())
    ran.load.loop.add_user()
    ran.turn_until(lambda: sum(ran.load.ledger.ended) == 1)
    connections[0].sendall(late)
    ran.turn_until(lambda: sum(ran.load.ledger.ended) == 2)
    _, report = ran.finish()
    assert (report.ok, report.unasked, server.connections) == (report.sent, counted, 2)


def test_a_silent_server_is_a_timeout_and_the_connection_is_new_afterwards(serve, bench, answer):
    server = serve(lambda number, request, connection: None if number == 0 else answer.right(request))
    rows, report = bench(server.url, timeout_s=0.1).run(3)
    assert (report.timeout, report.error) == (1, 0)
    assert rows[0]["outcome"] == Outcome.TIMEOUT
    assert rows[0]["done_ns"] - rows[0]["due_ns"] >= 100 * MS
    assert rows[0]["first_byte_ns"] is None
    assert server.connections == 2
    assert any("no whole response within 0.1 s" in text for text in report.errors)


def test_an_answer_must_begin_in_time_and_may_then_take_longer(serve, bench, answer):
    def script(number, request, connection):
        if number % 2:
            time.sleep(0.35)
            return answer.right(request)
        whole = answer.right(request)
        connection.sendall(whole[:10])
        time.sleep(0.35)
        return whole[10:]

    rows, report = bench(serve(script).url, first_byte_timeout_s=0.2).run(4)
    outcomes = of(rows, "outcome")
    assert outcomes == [Outcome.TIMEOUT if number % 2 else Outcome.OK for number in range(len(rows))]
    assert set(report.errors) == {"timeout: no first byte within 0.2 s"}


def test_a_connection_must_open_in_time(bench):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.socket() as first, socket.socket() as second:  # the backlog is full now: others wait
            for client in (first, second):
                client.setblocking(False)
                client.connect_ex(full.getsockname())
            url = f"http://127.0.0.1:{full.getsockname()[1]}"
            rows, report = bench(url, connect_timeout_s=0.15, timeout_s=5.0).run(1)
    assert set(report.errors) == {"timeout: not connected within 0.15 s"}
    assert rows[0]["sent_ns"] is None


def test_what_is_open_at_the_end_is_aborted_and_never_dropped(serve, bench, answer):
    server = serve(lambda number, request, connection: None if number >= 3 else answer.right(request))
    ran = bench(server.url, timeout_s=30.0)
    ran.load.begin_phases(time.monotonic_ns())
    ran.load.loop.add_user()
    ran.turn_until(lambda: len(server.requests) == 4)
    before = time.monotonic_ns()
    ran.load.finish("test")
    report = ran.load.report(final=True)
    assert (report.ok, report.aborted, report.sent, report.rows_written) == (3, 1, 4, 4)
    from harness.record.recorder import read_rows

    last = read_rows(ran.load.recorder.path).to_pylist()[-1]
    assert last["outcome"] == Outcome.ABORTED
    assert last["done_ns"] >= before > last["sent_ns"]


def test_large_requests_and_answers_cross_many_reads_and_writes(serve, bench, answer):
    filler = b"X-Filler: %b\r\n" % (b"f" * 60_000)
    padding = b" " * 3_000_000

    def script(number, request, connection):
        body = answer.right(request).partition(b"\r\n\r\n")[2] + padding
        return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (filler, len(body), body)

    ran = bench(serve(script).url)
    requests = ran.load.engine._requests
    for number, request in enumerate(requests):
        body = request.partition(b"\r\n\r\n")[2] + b" " * 5_000_000
        requests[number] = b"POST /v2/models/sum/infer HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    rows, report = ran.run(4)
    assert report.ok == report.sent
    assert rows[0]["response_bytes"] > 3_000_000
    assert rows[0]["request_bytes"] > 5_000_000


def test_users_may_leave_and_their_open_request_is_still_counted(serve, bench, answer):
    def script(number, request, connection):
        time.sleep(0.02)
        return answer.right(request)

    ran = bench(serve(script).url)
    ran.load.begin_phases(time.monotonic_ns())
    users = [ran.load.loop.add_user() for _ in range(4)]
    ran.turn_until(lambda: ran.load.ledger.sent == 4)
    for user in users[:3]:
        ran.load.loop.remove_user(user)
    ran.turn_until(lambda: sum(ran.load.ledger.ended) >= 10)
    rows, report = ran.finish()
    assert report.ok == report.sent
    assert [of(rows, "user").count(user) for user in users[:3]] == [1, 1, 1]


def test_phases_are_by_due_time_and_nothing_is_due_after_the_end(serve, bench, answer):
    server = serve(lambda number, request, connection: answer.right(request))
    ran = bench(server.url, warmup_s=0.05, measure_s=0.1)
    start = time.monotonic_ns()
    ran.load.begin_phases(start)
    ran.load.loop.add_user()
    ran.turn_until(lambda: time.monotonic_ns() > start + 250 * MS)
    rows, report = ran.finish()
    assert (report.measure_start_ns, report.measure_end_ns) == (start + 50 * MS, start + 150 * MS)
    for row in rows:
        measured = report.measure_start_ns <= row["due_ns"] < report.measure_end_ns
        assert row["phase"] == (Phase.MEASURE if measured else Phase.WARMUP)
        assert row["due_ns"] < report.measure_end_ns
    assert {Phase.WARMUP, Phase.MEASURE} == set(of(rows, "phase"))


@pytest.mark.parametrize("arrivals", [Constant(rate_rps=400.0), Poisson(rate_rps=400.0)])
def test_an_open_loop_keeps_to_its_schedule_whatever_the_answers_do(serve, bench, answer, arrivals):
    def script(number, request, connection):
        time.sleep(0.03 if number % 10 else 0.1)
        return answer.right(request)

    server = serve(script)
    ran = bench(server.url, arrivals=arrivals, measure_s=0.5, seed=11)
    origin = time.monotonic_ns()
    ran.load.begin_phases(origin)
    ran.load.loop.start(origin)
    ran.turn_until(lambda: time.monotonic_ns() > origin + 520 * MS)
    rows, report = ran.finish()
    offsets = next(arrivals.schedule(11))
    expected = (origin + offsets[offsets < 500 * MS]).tolist()
    assert sorted(of(rows, "due_ns")) == expected
    assert (report.ok, report.not_sent) == (len(expected), 0)
    assert len(server.requests) == len(expected)
    assert min(row["sent_ns"] - row["due_ns"] for row in rows) >= 0


def test_a_late_request_is_timed_from_when_it_was_due(serve, bench, answer):
    ran = bench(serve(lambda number, request, connection: answer.right(request)).url,
                arrivals=Constant(rate_rps=100.0), measure_s=0.2)  # fmt: skip
    origin = time.monotonic_ns() - 200 * MS  # the generator slept through its whole schedule
    ran.load.begin_phases(origin)
    ran.load.loop.start(origin)
    ran.turn_until(lambda: sum(ran.load.ledger.ended) == 20)
    rows, _ = ran.finish()
    assert sorted(row["due_ns"] - origin for row in rows) == [n * 10 * MS for n in range(20)]
    first = min(rows, key=lambda row: row["due_ns"])
    assert first["sent_ns"] - first["due_ns"] >= 200 * MS


def test_over_the_cap_a_request_is_not_sent_and_counted(serve, bench, answer):
    def script(number, request, connection):
        time.sleep(0.25)
        return answer.right(request)

    server = serve(script)
    ran = bench(server.url, arrivals=Constant(rate_rps=100.0), measure_s=0.2, max_in_flight=3)
    origin = time.monotonic_ns()
    ran.load.begin_phases(origin)
    ran.load.loop.start(origin)
    ran.turn_until(lambda: time.monotonic_ns() > origin + 220 * MS)
    rows, report = ran.finish()
    assert (report.scheduled, report.sent, report.not_sent, report.ok) == (20, 3, 17, 3)
    skipped = [row for row in rows if row["outcome"] == Outcome.NOT_SENT]
    assert [row["due_ns"] - origin for row in skipped] == [n * 10 * MS for n in range(3, 20)]
    assert all(row["sent_ns"] is None and row["done_ns"] is None for row in skipped)
    assert len(server.requests) == 3


def test_two_workers_send_the_schedule_together(serve, bench, answer):
    server = serve(lambda number, request, connection: answer.right(request))
    dues = []
    for worker in (0, 1):
        ran = bench(server.url, arrivals=Poisson(rate_rps=300.0), measure_s=0.3, seed=5, worker=worker, workers=2)
        origin = time.monotonic_ns()
        ran.load.begin_phases(origin)
        ran.load.loop.start(origin)
        ran.turn_until(lambda origin=origin: time.monotonic_ns() > origin + 310 * MS)
        rows, report = ran.finish()
        assert ran.load.recorder.path.name == f"requests-{worker}.arrow"
        assert report.worker == worker
        dues += [row["due_ns"] - origin for row in rows]
    offsets = next(Poisson(rate_rps=300.0).schedule(5))
    assert sorted(dues) == offsets[offsets < 300 * MS].tolist()


def test_a_stalled_generator_shows_in_its_health(serve, bench, answer):
    ran = bench(serve(lambda number, request, connection: answer.right(request)).url)
    now = time.monotonic_ns()
    ran.load.begin_phases(now)
    ran.load.keep_phases(now)
    ran.load.loop.add_user()
    ran.turn_until(lambda: sum(ran.load.ledger.ended) >= 5)
    time.sleep(0.2)
    ran.turn_until(lambda: sum(ran.load.ledger.ended) >= 10)
    rows, report = ran.finish()
    assert report.health.loop_lag_max_ns >= 150 * MS
    assert max(row["done_ns"] - row["due_ns"] for row in rows) >= 150 * MS


def test_a_server_that_repeats_the_token_in_its_complaint_is_not_repeated(serve, bench, answer, monkeypatch):
    secret = "s3cret.t0ken" * 20
    monkeypatch.setenv("SWEEPSPOT_TOKEN", secret)

    def script(number, request, connection):
        if number < 3:
            assert f"Authorization: Bearer {secret}\r\n".encode() in request
            return answer.right(request)
        body = b'{"error": "%b is expired"}' % secret.encode()
        return b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    rows, report = bench(serve(script).url).run(6)
    assert of(rows, "status")[:5] == [200, 200, 200, 401, 401]
    assert (report.ok, report.error) == (3, report.sent - 3)
    assert report.errors == {"HTTP 401: [token] is expired": report.error}


def test_error_texts_are_bounded(serve, bench):
    def script(number, request, connection):
        body = b'{"error": "id %d"}' % number
        return b"HTTP/1.1 500 E\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    _, report = bench(serve(script).url).run(300)
    assert len(report.errors) == 100
    assert sum(report.errors.values()) == report.error
    assert report.errors["other"] == report.error - 99


class ReadAhead:
    """Stands in for the connection of a stream: it notes when it reads and when it takes in what it has read."""

    reads_ahead = True
    state = connection_module.AWAITING

    def __init__(self, name, data, calls):
        self.name, self.data, self.calls = name, data, calls

    def read(self):
        self.calls.append(f"read {self.name}")
        return self.data

    def take(self, data, now_ns):
        self.calls.append(f"take {self.name}")
        self.taken = (data, now_ns)
        return False


def test_all_that_has_arrived_for_streams_is_read_before_any_of_it_is_taken_in(bench):
    engine = bench("http://127.0.0.1:9").load.engine
    calls = []
    streams = {fd: ReadAhead(fd, data, calls) for fd, data in ((1001, b"a"), (1002, None), (1003, b""))}
    engine._connections.update(streams)
    engine._on_timer = lambda fd: calls.append("timer")
    engine._handle([(1001, select.EPOLLIN), (1000, select.EPOLLIN), (1002, select.EPOLLIN), (1003, select.EPOLLIN)])
    engine._connections.clear()
    assert calls == ["read 1001", "read 1002", "read 1003", "take 1001", "take 1003", "timer"]
    assert streams[1001].taken[0] == b"a"
    assert streams[1003].taken[0] == b""  # the end of the stream
    assert streams[1001].taken[1] <= streams[1003].taken[1]
