"""The other end of an HTTP load test: answers every request with the same 200 bytes, keeping connections.

Run as ``python http_server.py ADDRESS PORT``. It needs nothing but Python, so that it can serve inside any
namespace and is there within the time an interpreter takes to start. It reads no path and serves no file.
"""

from __future__ import annotations

import asyncio
import sys

BODY = b"x" * 200
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 200\r\n"
ANSWER += b"Connection: keep-alive\r\n\r\n" + BODY


class Answer(asyncio.Protocol):
    """Answer once for every blank line that ends a request's head; load generators send no body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        heads = (self.rest + data).split(b"\r\n\r\n")
        self.rest = heads.pop()[-8192:]
        if heads:
            self.transport.write(ANSWER * len(heads))  # type: ignore[attr-defined]


async def serve(address: str, port: int) -> None:
    """Serve until cancelled."""
    server = await asyncio.get_running_loop().create_server(Answer, address, port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
