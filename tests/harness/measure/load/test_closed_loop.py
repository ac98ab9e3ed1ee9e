from types import SimpleNamespace

import pytest

from harness.measure.load.closed_loop import ClosedLoop

END_NS = 10**15


class Launches:
    """Stands in for the engine: it notes what it is asked to send."""

    def __init__(self, *, makes_requests):
        self.makes_requests = makes_requests
        self.launched = []

    def connection(self, user):
        return SimpleNamespace(user=user, leaving=False, pause_ns=lambda: 0)

    def wake(self):
        pass

    def launch(self, connection, due_ns):
        self.launched.append((connection.user, due_ns))


@pytest.mark.parametrize("makes_requests", [False, True])
def test_where_requests_are_made_they_follow_once_all_that_arrived_is_read(makes_requests):
    engine = Launches(makes_requests=makes_requests)
    loop = ClosedLoop(engine, SimpleNamespace(measure_end_ns=END_NS), think_ns=0)
    connections = [SimpleNamespace(user=user, leaving=False, pause_ns=lambda: 0) for user in range(2)]
    for connection, done_ns in zip(connections, (100, 110), strict=True):
        loop.on_free(connection, done_ns, failed=False)
    assert engine.launched == ([] if makes_requests else [(0, 100), (1, 110)])
    if makes_requests:
        assert loop.next_due_ns == 100
        loop.on_due(120)
    assert engine.launched == [(0, 100), (1, 110)]
