"""A server that refuses is not asked again at once."""

from itertools import pairwise

import pytest

from harness.wire.http.retry_after import in_seconds, retry_after_ns
from tests.harness.measure.load.conftest import Bench, right


@pytest.mark.parametrize(
    ("value", "wait_ns"),
    [(b"2", 2_000_000_000), (b"0.25", 250_000_000), (b"0", 0), (b"1e99", 86_400_000_000_000), (b"", None),
     (b"-1", None), (b"nan", None), (b"Fri, 31 Dec 1999 23:59:59 GMT", None)],
)  # fmt: skip
def test_a_number_of_seconds_is_read_and_a_day_is_the_most(value, wait_ns):
    assert retry_after_ns(value) == wait_ns


def refusal(status, head=b""):
    return b"HTTP/1.1 %b\r\n%bContent-Length: 2\r\n\r\n{}" % (status, head)


DATES = b"Date: Fri, 31 Dec 1999 23:59:58 GMT\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"


@pytest.mark.parametrize(
    ("retry_after", "date", "seconds"),
    [
        (b"Fri, 31 Dec 1999 23:59:59 GMT", b"Fri, 31 Dec 1999 23:58:00 GMT", b"119"),
        (b"Friday, 31-Dec-99 23:59:59 GMT", b"Fri, 31 Dec 1999 23:58:00 GMT", b"119"),
        (b"fri, 31 dec 1999 23:59:59 gmt", b"fri, 31 dec 1999 23:59:59 gmt", b"0"),
        (b"Fri, 31 Dec 1999 23:58:00 GMT", b"Fri, 31 Dec 1999 23:59:59 GMT", b"0"),
        (b"Fri, 31 Dec 1999 23:58:00 GMT", b"", b"Fri, 31 Dec 1999 23:58:00 GMT"),
        (b"soon", b"Fri, 31 Dec 1999 23:59:59 GMT", b"soon"),
        (b"Fri, 31 Dec 1999 23:58:00 GMT", b"now", b"Fri, 31 Dec 1999 23:58:00 GMT"),
        (b"120", b"Fri, 31 Dec 1999 23:59:59 GMT", b"120"),
        (b"", b"Fri, 31 Dec 1999 23:59:59 GMT", b""),
    ],
)
def test_a_date_is_taken_from_the_servers_own_clock(retry_after, date, seconds):
    assert in_seconds(retry_after, date) == seconds


@pytest.mark.process
@pytest.mark.parametrize(
    "answer",
    [
        refusal(b"503 Busy", b"Retry-After: 0.3\r\n"),
        b"HTTP/1.1 503 Busy\r\nretry-after: 0.3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        # the wall clock of the server may be any
        refusal(b"429 Wait", DATES),
        b"HTTP/1.1 429 Wait\r\n" + DATES + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["plain head", "odd head", "a date", "a date in an odd head"],
)
def test_a_user_waits_as_long_as_the_server_asks(serve, tmp_path, answer):
    server = serve(lambda number, request, connection: right(request) if number else answer)
    rows, report = Bench(tmp_path, server.url).run(2)
    assert (report.rejected, rows[0]["status"]) == (1, int(answer[9:12]))
    assert rows[1]["sent_ns"] - rows[0]["done_ns"] >= 300_000_000


@pytest.mark.process
@pytest.mark.parametrize("status", [b"429 Too Many Requests", b"400 Bad Request", b"503 Busy"])
def test_without_a_word_the_wait_grows(serve, tmp_path, status):
    server = serve(lambda number, request, connection: refusal(status) if number < 3 else right(request))
    rows, _ = Bench(tmp_path, server.url).run(5)
    waits_ns = [after["due_ns"] - before["done_ns"] for before, after in pairwise(rows[:5])]
    assert waits_ns[:3] == [100_000_000, 200_000_000, 400_000_000]
    assert waits_ns[3] < 100_000_000  # after a good response nothing is waited for


@pytest.mark.process
def test_a_wait_that_is_too_short_grows_as_well(serve, tmp_path):
    answer = refusal(b"429 Wait", b"Retry-After: 0\r\n")
    rows, _ = Bench(tmp_path, serve(lambda number, request, connection: answer).url).run(3)
    waits_ns = [after["due_ns"] - before["done_ns"] for before, after in pairwise(rows[:3])]
    assert waits_ns == [100_000_000, 200_000_000]


@pytest.mark.process
def test_the_words_of_a_refusal_ask_for_a_wait_where_no_header_does(serve, tmp_path):
    body = b'{"error": {"message": "Please try again in 150ms"}}'
    answer = b"HTTP/1.1 429 Wait\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    rows, _ = Bench(tmp_path, serve(lambda number, request, connection: answer).url).run(2)
    assert rows[1]["due_ns"] - rows[0]["done_ns"] == 150_000_000


@pytest.mark.process
def test_an_error_of_the_server_is_no_refusal(serve, tmp_path):
    server = serve(lambda number, request, connection: refusal(b"500 Oops") if number < 3 else right(request))
    rows, _ = Bench(tmp_path, server.url).run(4)
    assert all(after["due_ns"] == before["done_ns"] for before, after in pairwise(rows[:4]))
