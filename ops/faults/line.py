"""The line between the workers and a database: as slow as a scene needs, and cut when it says so.

Tables of a small clinic are copied in milliseconds; on a slow line they take seconds, without costing
processor time, and a fault can be placed in the middle of one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine
from typing import Any

from dental_etl.sandbox.state import LOOPBACK

#: Small, so that what a server has sent has nearly arrived.
_BUFFER_BYTES = 16 * 1024
_PIECE_BYTES = 4 * 1024


class Line:
    """Listens on a port of its own and forwards to a server's."""

    def __init__(self, server_port: int, *, address: str = LOOPBACK) -> None:
        #: Bytes per second, per connection and direction; None for as fast as it goes.
        self.speed: float | None = None
        #: The workers' port per port that the server sees.
        self.clients: dict[int, int] = {}
        self._server_port = server_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._forward, address, 0, limit=_BUFFER_BYTES))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """End every connection at once, as a lost host or an expired NAT entry does."""
        self._do(self._abort())

    def close(self) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _end(self) -> None:
        self._server.close()
        await self._abort()
        # They end by themselves: each of them waits for a connection that is gone now.
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(
                sock=await self._connect(), limit=_BUFFER_BYTES
            )
        except OSError:
            writer.transport.abort()
            return
        self.clients[far_writer.get_extra_info("sockname")[1]] = writer.get_extra_info("peername")[1]
        self._writers |= {writer, far_writer}
        pumps = [
            asyncio.create_task(self._pump(reader, far_writer)),
            asyncio.create_task(self._pump(far_reader, writer)),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, far_writer):
            end.close()
        await asyncio.gather(*pumps, return_exceptions=True)
        self._writers -= {writer, far_writer}

    async def _connect(self) -> socket.socket:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        connection.setblocking(False)  # noqa: FBT003  # the standard library's own signature
        await self._loop.sock_connect(connection, (LOOPBACK, self._server_port))
        return connection

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE_BYTES):
                if self.speed is not None:
                    await asyncio.sleep(len(piece) / self.speed)
                writer.write(piece)
                await writer.drain()
