"""Makes the API server inside the cluster's namespaces reachable on 127.0.0.1 outside of them.

A listening socket belongs to the network namespace it was made in, whoever accepts on it. So ``up`` makes it outside
and hands it down, and this process accepts inside and connects to the API server there. Nothing has to run outside.
It passes bytes on in both directions; TLS is between the two ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys


async def serve(listener: socket.socket, host: str, port: int) -> None:
    """Pass on every connection made to ``listener``, until cancelled."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()  # the client sees the connection closed, as if it had been refused
            return
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        writer.close()
        there_writer.close()

    async with await asyncio.start_server(handle, sock=listener) as server:
        await server.serve_forever()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction until it ends, and pass its end on."""
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


if __name__ == "__main__":
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], int(sys.argv[3])))
