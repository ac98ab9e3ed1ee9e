"""Callers against a scripted server; `bench` turns the engine."""

import time

import pytest

from harness.measure.load.payloads.response_check import unchecked
from harness.measure.load.task_calls import Call, Caller
from harness.record.rows import Outcome

pytestmark = pytest.mark.process

GET = b"GET /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n"


def ask(ran, caller, call):
    ran.woken = []
    reply = caller.begin(call)
    if reply is None:
        caller.on_end(lambda: ran.woken.append(True))
        ran.turn_until(lambda: ran.woken)
        reply = caller.end()
    return reply


def test_a_caller_gets_its_answer_and_the_row_is_that_of_any_user(serve, bench, answer):
    ran = bench(serve(lambda number, request, connection: answer.right(request)).url)
    ran.load.begin_phases(time.monotonic_ns())
    caller = Caller(ran.load.engine, 5)
    payload, request = ran.load.engine.next_payload()
    assert ask(ran, caller, Call(request, payload)).outcome is Outcome.OK
    wrong = ask(ran, caller, Call(request, payload + 1 if payload < 19 else 0))
    assert (wrong.outcome, wrong.ok, wrong.response.status) == (Outcome.WRONG, False, 200)
    rows, report = ran.finish()
    assert next((row["user"], row["payload"], row["checked"]) for row in rows) == (5, payload, 1)
    assert (report.ok, report.wrong) == (1, 1)


def test_requests_of_its_own_are_classes_of_their_own(serve, bench, answer):
    ran = bench(serve(lambda number, request, connection: answer.ok([number, 0])).url)
    ran.load.begin_phases(time.monotonic_ns())
    caller = Caller(ran.load.engine, 0)
    for name in ("a", "b", "a"):
        assert ask(ran, caller, Call(GET, ran.load.classes.place(name, "GET"), unchecked)).ok
    rows, report = ran.finish()
    assert report.request_classes == ("predict", "a", "b")
    assert [row["request_class"] for row in rows] == [1, 2, 1]
    assert [row["payload"] for row in rows] == [None] * 3
    assert report.checked == 0


def test_a_failure_is_told_and_the_next_call_goes_over_a_new_connection(serve, bench, answer):
    server = serve(lambda number, request, connection: "close" if number == 0 else answer.right(request))
    ran = bench(server.url)
    caller = Caller(ran.load.engine, 0)
    payload, request = ran.load.engine.next_payload()
    lost = ask(ran, caller, Call(request, payload))
    assert (lost.outcome, lost.response.status) == (Outcome.ERROR, 0)
    assert "closed the connection" in lost.error
    assert ask(ran, caller, Call(request, payload)).ok
    assert server.connections == 2
    ran.finish()


def test_who_leaves_is_not_woken_and_the_answer_is_still_written(serve, bench, answer):
    def script(number, request, connection):
        time.sleep(0.02)
        return answer.right(request)

    ran = bench(serve(script).url)
    caller = Caller(ran.load.engine, 0)
    payload, request = ran.load.engine.next_payload()
    assert caller.begin(Call(request, payload)) is None
    caller.on_end(lambda: 1 / 0)
    caller.leave()
    ran.turn_until(lambda: sum(ran.load.ledger.ended) == 1)
    _, report = ran.finish()
    assert (report.ok, report.sent) == (1, 1)


def test_names_are_bounded(serve, bench, answer):
    ran = bench(serve(lambda number, request, connection: answer.right(request)).url)
    places = {ran.load.classes.place(f"/item/{number}", "GET") for number in range(500)}
    assert len(places) == 100
    assert ran.load.classes.names[-1] == "other"
    ran.finish()
