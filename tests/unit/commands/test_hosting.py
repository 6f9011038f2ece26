"""Sockets that answers leave through, and the one paper exchange that all processes share."""

import asyncio
import contextlib
import socket

import pytest

from app.commands.hosting import listen, paper_exchange
from app.domain.errors import OperatorError
from app.settings import load_settings
from simulator.server import bind
from tests.faults.processes import free_port


@pytest.mark.parametrize("listening", [listen, bind])
def test_an_answer_in_two_pieces_leaves_at_once(listening):
    """Nagle's algorithm and the other side's delayed acknowledgement would cost 40 ms an answer."""
    with contextlib.closing(listening("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        accepted, _ = server.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# --- the one paper exchange ------------------------------------------------------------------------------


@pytest.fixture
def found():
    def settings(**env):
        journal = {"SIMULATOR_JOURNAL": "none", "SIMULATOR_PORT": str(free_port())}
        return load_settings(journal | env, None)

    return settings


async def test_alone_it_starts_its_own_exchange_and_others_find_that(found):
    settings = found()
    async with contextlib.AsyncExitStack() as first, contextlib.AsyncExitStack() as second:
        assert await paper_exchange(first, settings, own=True, stop=asyncio.Event()) is not None
        assert await paper_exchange(second, settings, own=True, stop=asyncio.Event()) is None
        assert await paper_exchange(second, settings, own=False, stop=asyncio.Event()) is None


@pytest.mark.parametrize("own", [False, True])
async def test_an_exchange_for_several_is_waited_for_and_never_doubled(found, own):
    """A process of one role starts none; nor does any, when the exchange is said to be somewhere else."""
    elsewhere = {"BINANCE_BASE_URL": f"http://127.0.0.1:{free_port()}"} if own else {}
    async with contextlib.AsyncExitStack() as stack:
        with pytest.raises(OperatorError, match=r"two exchanges would be two accounts.*tradingbot venue"):
            await paper_exchange(stack, found(**elsewhere), own=own, stop=asyncio.Event(), patience_s=0)


async def test_who_is_told_to_stop_waits_for_no_exchange(found):
    stop = asyncio.Event()
    stop.set()
    async with contextlib.AsyncExitStack() as stack:
        assert await paper_exchange(stack, found(), own=False, stop=stop, patience_s=3600) is None
