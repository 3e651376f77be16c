"""No test leaves this machine: the suite's own sockets reach loopback and Unix sockets, and nothing else."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_socket import SocketConnectBlockedError

ELSEWHERE = ("192.0.2.1", 9)  # TEST-NET-1 is nobody's. Source: RFC 5737.


def connect_blocking() -> None:
    socket.create_connection(ELSEWHERE, timeout=1)


def connect_in_a_loop() -> None:
    asyncio.run(asyncio.wait_for(asyncio.open_connection(*ELSEWHERE), timeout=1))


@pytest.mark.filterwarnings("ignore:A test tried to use socket:UserWarning")
@pytest.mark.parametrize("connect", [connect_blocking, connect_in_a_loop])
def test_another_machine_is_out_of_reach(connect: Callable[[], None]) -> None:
    with pytest.raises(SocketConnectBlockedError):
        connect()


async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    writer.close()
    await writer.wait_closed()


async def read_once(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bytes:
    reader, writer = connection
    said = await reader.read()
    writer.close()
    await writer.wait_closed()
    return said


def test_loopback_is_within_reach() -> None:
    async def talk() -> bytes:
        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            return await read_once(await asyncio.open_connection(*server.sockets[0].getsockname()))

    assert asyncio.run(talk()) == b"hello"


def test_unix_sockets_are_within_reach() -> None:
    async def talk(path: Path) -> bytes:
        async with await asyncio.start_unix_server(greet, path):
            return await read_once(await asyncio.open_unix_connection(path))

    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders may be too deep for a socket's name.
        assert asyncio.run(talk(Path(folder) / "s")) == b"hello"
