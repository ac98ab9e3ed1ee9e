"""A server of known misbehaviour: python known_server.py PORT KIND LOG. Plain JSON over HTTP/1.1, on asyncio alone.

Each line of its log is one request: when it came and when it was answered (ns, CLOCK_MONOTONIC; 0: never), the number
of its connection and the status. Times of KIND count from the first request.
"""

import asyncio
import itertools
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PORT, KIND, LOG = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).open("w", buffering=1)  # noqa: SIM115
HANG_AFTER_S, FREEZE_EVERY_S, FREEZE_S, REFUSE_EVERY_S, REFUSE_S = 2.5, 2.5, 1.0, 1.0, 0.2
GROWTH = {"leak-1": 0.01, "leak-5": 0.05}  # of the time that a response takes, each second
SLEEPERS = ThreadPoolExecutor(64)
numbers, posts = itertools.count(1), itertools.count(1)
begun_ns = []
seen = set()


def since_s():
    """Since the first request."""
    now_ns = time.monotonic_ns()
    if not begun_ns or (
        len(begun_ns) < 20 and now_ns - begun_ns[-1] > 5e8
    ):  # the look before the load is not the first
        begun_ns.clear()
    if len(begun_ns) < 20:
        begun_ns.append(now_ns)
    return (now_ns - begun_ns[0]) / 1e9


async def fate(connection, body):
    """Waits as KIND says; the status, or None for no answer at all."""
    at_s = since_s()
    delay_s = 0.005 * (1 + GROWTH.get(KIND, 0.0) * at_s)
    if KIND == "cold" and next(posts) == 1:
        delay_s = 1.2
    if KIND == "slow-one" and connection % 8 == 0:
        delay_s = 0.06
    if KIND == "hang" and at_s > HANG_AFTER_S:
        return None
    if KIND == "half-hang" and at_s > HANG_AFTER_S and connection % 2:
        return None
    if KIND == "refuse" and at_s % REFUSE_EVERY_S > REFUSE_EVERY_S - REFUSE_S:
        return 503
    if KIND == "starved" and connection % 8 == 0:
        delay_s = 0.6
    if KIND == "unequal" and connection % 2:
        delay_s = 0.025
    if KIND == "leak":
        delay_s += 0.004 * at_s
    if KIND == "cache":
        delay_s = 0.004 if body in seen else 0.06
        seen.add(body)
    if KIND in GROWTH:  # the loop's own timers are exact to a millisecond only
        await asyncio.get_running_loop().run_in_executor(SLEEPERS, time.sleep, delay_s)
    else:
        await asyncio.sleep(delay_s)
    if KIND == "freeze" and since_s() > FREEZE_EVERY_S:
        await asyncio.sleep(max(0.0, FREEZE_S - since_s() % FREEZE_EVERY_S))
    return 200


async def serve(reader, writer):
    connection, answered = next(numbers), 0
    writer.transport.set_write_buffer_limits(0)
    while head := await reader.readline():
        length = 0
        while (line := await reader.readline()).strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        body = await reader.readexactly(length)
        came_ns = time.monotonic_ns()
        status = await fate(connection, body) if head.startswith(b"POST") else 200
        if status is None:
            LOG.write(f"{came_ns} 0 {connection} 0\n")
            await asyncio.sleep(3600)
        answered += 1
        text = json.dumps({"y": 1}).encode()
        writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (status, len(text), text))
        if head.startswith(b"POST"):
            LOG.write(f"{came_ns} {time.monotonic_ns()} {connection} {status}\n")
        if KIND == "close-100" and answered == 100:
            writer.close()
            return


async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", PORT) as server:
        await server.serve_forever()


asyncio.run(main())
