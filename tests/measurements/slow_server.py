"""A web server whose delay and capacity are known, to see whether a generator finds them: the planted truth.

``python slow_server.py PORT_FILE DELAY_S STALL_AT STALL_S``: answers each request DELAY_S after it came, so that N
connections are answered N / DELAY_S times a second; after STALL_AT answers it does nothing at all for STALL_S.
"""

import asyncio
import sys
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def main(port_file, delay_s, stall_at, stall_s):
    count = 0

    async def serve(reader, writer):
        nonlocal count
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            await asyncio.sleep(delay_s)
            count += 1
            if count == stall_at:
                time.sleep(stall_s)
            writer.write(ANSWER)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    with open(port_file, "w") as file:
        file.write(str(server.sockets[0].getsockname()[1]))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
