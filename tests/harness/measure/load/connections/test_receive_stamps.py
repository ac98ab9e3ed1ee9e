"""How long responses waited to be read, against pauses of a load process that are known."""

from __future__ import annotations

import select
import socket
from threading import Event

import pytest

from harness.clock import NS_PER_MS, monotonic_ns
from harness.measure.load.connections.connection import AWAITING, Connection
from harness.measure.load.connections.receive_stamps import StampedReceiver
from harness.measure.load.connections.server_address import ServerAddress
from harness.record.rows import ABSENT

pytestmark = pytest.mark.process
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Listener:
    """Polls nothing: the test decides when the connection reads."""

    def __init__(self):
        self.done = []

    def watch(self, connection, events):
        pass

    def unwatch(self, connection):
        pass

    def on_response(self, connection, response, done_ns):
        self.done.append(done_ns)


@pytest.fixture
def server():
    listener = socket.create_server(("127.0.0.1", 0))
    yield listener
    listener.close()


def connected(server, user):
    listener = Listener()
    connection = Connection(ServerAddress(socket.AF_INET, server.getsockname()), listener, {}, user)
    connection.begin(b"GET / HTTP/1.1\r\n\r\n", monotonic_ns())
    peer, _ = server.accept()
    connection.on_event(select.EPOLLOUT)
    assert connection.state == AWAITING
    peer.recv(1000)
    return connection, peer, listener


def read_late(server):
    """Instants before and after a response was written, at which it was read and done, and how long it waited."""
    connection, peer, listener = connected(server, user=0)
    with peer:
        sent_ns = monotonic_ns()
        peer.sendall(RESPONSE)
        written_ns = monotonic_ns()
        Event().wait(0.03)  # a load process that does something else
        reading_ns = monotonic_ns()
        connection.receive()
        connection.close()
    (done_ns,) = listener.done
    waited_ns = connection.stamps.waited_ns if connection.stamps else ABSENT
    return sent_ns, written_ns, reading_ns, done_ns, waited_ns


def test_the_time_until_a_response_is_read_is_that_of_the_load_process(server):
    stamping, _, _ = connected(server, user=8)  # the kernel begins to stamp a moment after the first socket asks for it
    seen = (read_late(server) for _ in range(20))
    sent_ns, written_ns, reading_ns, done_ns, waited_ns = next(each for each in seen if each[-1] != ABSENT)
    stamping.close()
    # The kernel of this machine has it between the two instants at which the server wrote it.
    assert reading_ns - written_ns - 5 * NS_PER_MS < waited_ns < done_ns - sent_ns + 5 * NS_PER_MS
    assert waited_ns > 25 * NS_PER_MS


def test_other_users_read_no_stamps(server):
    connection, peer, _ = connected(server, user=1)
    peer.close()
    assert connection.stamps is None
    connection.close()


def test_a_socket_without_bytes_is_blocked_as_any():
    one, other = socket.socketpair(socket.AF_UNIX)
    one.setblocking(False)
    with pytest.raises(BlockingIOError):
        StampedReceiver(one).recv(10)
    one.close()
    other.close()
