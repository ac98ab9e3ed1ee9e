"""The time to open a connection is the server's: it is in the service time, and no lateness of the load generator."""

import socket
import threading
import time

import pytest

pytestmark = pytest.mark.process


def test_a_full_accept_queue_is_time_of_the_server(bench, answer):
    """The kernel drops the load's first packet, since the queue of one is full, and sends it again a second later."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.create_connection(listener.getsockname())]  # fills the queue
        driven = bench(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=20.0)

        def accept_later():
            time.sleep(0.3)  # the load's packet has been dropped by then
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve_one, args=(connection,), daemon=True).start()

        def serve_one(connection):
            with connection:
                while request := connection.recv(65536):
                    connection.sendall(answer.right(request))

        threading.Thread(target=accept_later, daemon=True).start()
        rows, report = driven.run(1)
        for each in waiting:
            each.close()
    first = rows[0]
    assert report.ok == report.sent
    assert first["done_ns"] - first["sent_ns"] > 300_000_000
    assert first["sent_ns"] - first["due_ns"] < (first["done_ns"] - first["due_ns"]) / 2
