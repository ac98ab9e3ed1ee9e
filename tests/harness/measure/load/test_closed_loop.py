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
def test_the_next_request_follows_at_once(makes_requests):
    engine = Launches(makes_requests=makes_requests)
    loop = ClosedLoop(engine, SimpleNamespace(measure_end_ns=END_NS), think_ns=0)
    connections = [SimpleNamespace(user=user, leaving=False, pause_ns=lambda: 0) for user in range(2)]
    for connection, done_ns in zip(connections, (100, 110), strict=True):
        loop.on_free(connection, done_ns, failed=False)
    assert engine.launched == [(0, 100), (1, 110)]


def test_a_user_who_pauses_is_due_later():
    engine = Launches(makes_requests=True)
    loop = ClosedLoop(engine, SimpleNamespace(measure_end_ns=END_NS), think_ns=5)
    loop.on_free(SimpleNamespace(user=0, leaving=False, pause_ns=lambda: 20), 100, failed=False)
    assert (engine.launched, loop.next_due_ns) == ([], 125)
    loop.on_due(130)
    assert engine.launched == [(0, 125)]
