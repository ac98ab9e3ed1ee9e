import socket

import pytest

from harness.wire.server_url import free_ports


@pytest.mark.process
def test_free_ports_differ_and_can_be_listened_on():
    ports = free_ports(3)

    assert len(set(ports)) == 3
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()
