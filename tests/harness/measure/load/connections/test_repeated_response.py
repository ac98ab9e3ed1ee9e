"""A load that recognises repeated responses records what one that parses and checks every response does."""

from random import Random

import pytest

from harness.measure.load.connections import repeated_response
from harness.measure.load.connections.repeated_response import RepeatedResponses
from harness.measure.load.payloads.response_check import RIGHT
from harness.record.rows import Outcome
from harness.wire.http.llhttp_parser import HttpResponse

SEEN_IN_A_ROW = (
    *("payload", "user", "outcome", "status", "checked", "predicted", "request_bytes", "response_bytes"),
    *("queue_ns", "phase", "label"),
)


def chunked(response):
    body = response.partition(b"\r\n\r\n")[2]
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


KINDS = {
    "right": lambda response, _other: response,
    "right again": lambda response, _other: response,
    "another's": lambda _response, other: other,
    "wrong": lambda response, _other: response[:-20] + response[-20:].replace(b"]", b"}"),
    "chunked": lambda response, _other: chunked(response),
    "with more behind": lambda response, _other: response + b"HTTP/1.1 200 OK\r\n",
    "twice": lambda response, _other: response * 2,
    "a part and then the whole": lambda response, _other: [response[:40], response],
    "in pieces": lambda response, _other: [response[:30], response[30:-1], response[-1:]],
    "after a continue": lambda response, _other: b"HTTP/1.1 100 Continue\r\n\r\n" + response,
    "of another status": lambda response, _other: response.replace(b"200 OK", b"201 OK"),
    "an error": lambda response, _other: response.replace(b"200 OK", b"500 OK"),
    "the last": lambda response, _other: response.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"),
    "timed": lambda response, _other: response.replace(b"OK\r\n", b"OK\r\nServer-Timing: queue;dur=0.5\r\n"),
    "dated": lambda response, _other: response.replace(b"OK\r\n", b"OK\r\nDate: Sat, 28 Nov 2026 19:15:35 GMT\r\n"),
}
NEVER_REUSED = ("with more behind", "twice", "a part and then the whole")  # each further request has a new connection


def timed(response, number):
    """The response with durations of its own, now and then in another form."""
    forms = (b"queue;dur=%d.%d", b"queue;dur=%d, compute;dur=%d", b" queue;dur=%d.%d ")
    return response.replace(
        b"OK\r\n", b"OK\r\nServer-Timing: %b\r\n" % (forms[max(0, number % 6 - 3)] % (number % 13, number))
    )


def odd_server(right, seed, carriers, dresses):
    """A script that answers each request in a way that is drawn, now and then by a part of a response and the end.

    `carriers` receives which connection each request came on; `dresses` changes each right response.
    """
    rng = Random(seed)
    other = [b""]
    met = []

    def script(number, request, connection):
        if connection not in met:
            met.append(connection)
        carriers.append(met.index(connection))
        response = dresses(right(request), number)
        before, other[0] = other[0] or response, response
        if 150 <= number < 200:  # each payload twice
            return KINDS["the last"](response, before)
        if number > 40 and number % 37 == 0:
            connection.sendall(response[:60])
            return "close"
        kinds = [kind for kind in KINDS if number >= 300 or kind not in NEVER_REUSED]
        return KINDS[rng.choice(kinds) if number % 4 == 0 else "right"](response, before)

    return script


@pytest.mark.process
@pytest.mark.parametrize(
    ("check", "dresses"), [("all", lambda response, _: response), ("off", lambda response, _: response), ("all", timed)]
)
def test_what_is_recorded_does_not_depend_on_what_is_recognised(serve, bench, answer, check, dresses, monkeypatch):
    def rows_of():
        carriers = []
        server = serve(odd_server(answer.right, 5, carriers, dresses))
        load = bench(server.url, check=check)
        rows, report = load.run(400)
        seen = [tuple(row[name] for name in SEEN_IN_A_ROW) for row in rows[:400]]
        return seen, carriers[:400], report.errors, load.load.ledger.repeated.repeats

    rows, carriers, errors, repeats = rows_of()
    monkeypatch.setattr(repeated_response, "LEAST_TRIES", -(10**9))
    parsed_rows, parsed_carriers, parsed_errors, none = rows_of()
    assert (repeats > 100, none) == (True, 0)
    assert (rows, carriers) == (parsed_rows, parsed_carriers)
    assert errors.keys() == parsed_errors.keys()
    assert {Outcome(row[2]) for row in rows} >= {Outcome.OK, Outcome.ERROR}


@pytest.mark.process
def test_users_beside_each_other_get_their_own_responses(serve, bench, answer):
    """Every 7th response is the one that another user waits for: each of them is found."""
    swapped = []

    def script(number, request, connection):
        if number % 7 == 6:
            swapped.append(number)
            return answer.ok([-1.0, -1.0]) if number % 2 else answer.ok([5.0, -1.0])
        return answer.right(request)

    load = bench(serve(script).url)
    _, report = load.run(3000, users=32)
    assert report.checked == report.ok + report.wrong == report.sent
    assert 0 <= len(swapped) - report.wrong <= len(swapped) / 10  # [5, -1] is right for one payload of the twenty
    assert load.load.ledger.repeated.repeats > report.sent / 2


@pytest.mark.process
def test_a_sample_is_drawn_among_repeated_responses_too(serve, bench, answer):
    load = bench(serve(lambda number, request, connection: answer.right(request)).url, check="sample")
    _, report = load.run(500)
    assert report.checked < report.ok / 2
    assert load.load.ledger.repeated.repeats == 0


def response_of(raw):
    return HttpResponse(200, raw[-5:], b"", True, len(raw))


TIMED = b"HTTP/1.1 200 OK\r\nserver-timing: %b\r\nContent-Length: 2\r\n\r\n%b"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (TIMED % (b"queue;dur=2.75", b"ok"), b"queue;dur=2.75"),
        (TIMED % (b"queue;dur=1", b"no"), b""),
        (TIMED % (b"", b"ok"), b""),
        (TIMED % (b" queue;dur=1", b"ok"), b""),  # a parser would strip it
        (TIMED % (b"queue;dur=1\r\nConnection: close", b"ok"), b""),
        (TIMED % (b"queue;dur=1", b"ok") + TIMED % (b"queue;dur=2", b"ok"), b""),
        (b"", b""),
    ],
)
def test_durations_may_differ_and_nothing_else(data, found):
    raw = TIMED % (b"queue;dur=1", b"ok")
    repeated = RepeatedResponses()
    repeated.remember(1, raw, HttpResponse(200, b"ok", b"queue;dur=1", True, len(raw)), RIGHT)
    good = repeated.of(1)
    assert good.raw is None
    assert good.timing_in(data) == found
    assert not found or good.fixed_bytes + len(found) == len(data)


def test_only_a_whole_response_is_remembered():
    repeated = RepeatedResponses()
    repeated.remember(1, b"raw bytes"[:-1], response_of(b"raw bytes"), RIGHT)
    repeated.remember(1, b"raw bytes", response_of(b"raw bytes")._replace(timing=b"queue;dur=1"), RIGHT)
    assert repeated.of(1) is None
    repeated.remember(1, b"raw bytes", response_of(b"raw bytes"), RIGHT)
    repeated.remember(1, b"raw, later", response_of(b"raw, later"), RIGHT)
    assert repeated.of(1).raw == b"raw, later"
    assert repeated.of(0) is None


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(repeated_response, "MAX_BYTES", 25)
    repeated = RepeatedResponses()
    for payload in (0, 1, 2):
        repeated.remember(payload, b"0123456789", response_of(b"0123456789"), RIGHT)
    assert [repeated.of(payload) is None for payload in (0, 1, 2)] == [False, False, True]
    repeated.remember(0, b"01234", response_of(b"01234"), RIGHT)
    repeated.remember(2, b"0123456789", response_of(b"0123456789"), RIGHT)
    assert [len(repeated.of(payload).raw) for payload in (0, 1, 2)] == [5, 10, 10]


def test_responses_that_never_come_again_are_not_remembered_for_ever(monkeypatch):
    monkeypatch.setattr(repeated_response, "LEAST_TRIES", 3)
    repeated = RepeatedResponses()
    for payload in range(5):
        repeated.remember(payload, b"%d" % payload, response_of(b"%d" % payload), RIGHT)
    assert [payload for payload in range(5) if repeated.of(payload)] == [0, 1, 2]
    repeated.repeats = 1
    repeated.remember(4, b"4", response_of(b"4"), RIGHT)
    assert repeated.of(4).raw == b"4"
