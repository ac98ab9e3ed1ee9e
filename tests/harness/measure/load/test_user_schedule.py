"""Users that come and go by a schedule, against a real server."""

import time

import pytest

from harness.plan.arrivals import Users, UserStage

pytestmark = pytest.mark.process

MS = 1_000_000


def levels(*stages):
    return Users(stages=tuple(UserStage(seconds=s, start_users=a, end_users=b) for s, a, b in stages))


@pytest.fixture
def driven(serve, bench, answer):
    def run(arrivals, **options):
        server = serve(lambda number, request, connection: answer.right(request))
        load = bench(server.url, arrivals=arrivals, **options)
        origin_ns = time.monotonic_ns()
        load.load.begin_phases(origin_ns)
        load.load.loop.start(origin_ns)
        load.turn_until(lambda: load.load.loop.exhausted)
        rows, report = load.finish()
        return origin_ns, rows, report

    return run


def test_each_user_sends_from_when_it_comes_until_it_goes(driven):
    # One user all the time, a second one in the middle third.
    origin_ns, rows, report = driven(levels((0.1, 1, 1), (0.1, 2, 2), (0.1, 1, 1)))
    assert report.ok == report.sent == len(rows) > 10
    of_user = {user: [row["due_ns"] - origin_ns for row in rows if row["user"] == user] for user in (0, 1)}
    assert {row["user"] for row in rows} == {0, 1}
    assert max(of_user[0]) > 200 * MS
    assert 100 * MS <= min(of_user[1]) <= max(of_user[1])
    # Its last request left before it went, give or take how late this process may be.
    assert sum(due > 200 * MS for due in of_user[1]) <= 1


def test_workers_share_the_users(driven):
    _, rows, _ = driven(levels((0.1, 5, 5)), worker=1, workers=2)
    # Of users 0 to 4 the second worker has 1 and 3.
    assert len({row["user"] for row in rows}) == 2


def test_nobody_comes_where_the_line_stays_below_one(driven):
    _, rows, report = driven(levels((0.05, 0.9, 0.2)))
    assert rows == []
    assert report.scheduled == 0
