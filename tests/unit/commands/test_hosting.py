"""Sockets that answers leave through."""

import contextlib
import socket

import pytest

from app.commands.hosting import listen
from simulator.server import bind


@pytest.mark.parametrize("listening", [listen, bind])
def test_an_answer_in_two_pieces_leaves_at_once(listening):
    """Nagle's algorithm and the other side's delayed acknowledgement would cost 40 ms an answer."""
    with contextlib.closing(listening("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        accepted, _ = server.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
