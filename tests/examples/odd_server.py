"""A small server of odd answers, `python -m tests.examples.odd_server PORT MODE`: streams of chat, and bodies.

The status is always a success; what is wrong is what the body says.
"""

import asyncio
import json
import sys

GAP_S = 0.003
STREAM = "text/event-stream"
DONE = b"data: [DONE]\n\n"
OPEN = 0
REFUSED = []
ROOM = 3  # streams at once in mode `overload`


def event(document):
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def piece(finish=None, **delta):
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def usage(tokens):
    return event({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": tokens}})


def good(count):
    return [*[piece(content="w ")] * count, piece("stop") + usage(count) + DONE]


def full(message="KV cache is full"):
    return [piece(content="w "), event({"object": "error", "message": message, "code": 500}), DONE]


# mode: a function of the number of tokens asked for; each item of its list comes GAP_S after the one before
STREAMS = {
    "base": good,
    "errobj": lambda _: full("CUDA out of memory"),
    "errfield": lambda _: [b'error: {"code":400,"message":"the context is full"}\n\n' + DONE],
    "errevent": lambda _: [piece(content="w "), b'event: error\ndata: {"message":"boom"}\n\n' + DONE],
    "empty": lambda _: [piece(role="assistant", content=""), piece("stop") + usage(0) + DONE],
    "reasoning": lambda _: [*[piece(reasoning="hm ")] * 20, *[piece(content="w ")] * 2, piece("stop") + DONE],
    "toolcalls": lambda n: [
        *[piece(tool_calls=[{"index": 0, "function": {"arguments": "a"}}])] * n,
        piece("tool_calls") + usage(n) + DONE,
    ],
    "usage0": lambda n: [*[piece(content="w ")] * n, piece("stop") + usage(0) + DONE],
    "onechunk": lambda n: [b"", b"", piece(content="w " * n) + piece("stop") + usage(n) + DONE],
    "multi": lambda n: [
        part for _ in range(n // 4) for part in (b"", b"", b"", piece(content="a b c d "))
    ] + [piece("stop") + usage(n) + DONE],
    "short": lambda _: [piece(content="w "), piece("stop") + usage(1) + DONE],
    "overload": good,
    "refuse": good,
}  # fmt: skip
OUTPUT = {"name": "y", "datatype": "FP32", "shape": [1, 2]}
BODIES = {
    "err200": b'{"error":"CUDA out of memory"}',
    "html200": b"<!DOCTYPE html><html><title>Sign in</title></html>",
    "zero": json.dumps({"outputs": [OUTPUT | {"data": [0.0, 0.0]}]}).encode(),
}
METADATA = {
    "name": "m",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
}


async def stream(mode, body, writer):
    global OPEN  # noqa: PLW0603  (of the whole server)
    OPEN += 1
    try:
        parts = full() if mode == "overload" and OPEN > ROOM else STREAMS[mode](json.loads(body)["max_tokens"])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in parts:
            await asyncio.sleep(GAP_S)
            if part:
                writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        writer.write(b"0\r\n\r\n")
    finally:
        OPEN -= 1


def write_whole(writer, body, status=200):
    writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))


async def respond(mode, head, body, writer):
    if head.startswith(b"GET /v2") and mode in BODIES:
        write_whole(writer, json.dumps(METADATA).encode())
    elif head.startswith(b"GET /v1/models ") and mode in STREAMS:
        write_whole(writer, b'{"object":"list","data":[{"id":"m","object":"model"}]}')
    elif head.startswith(b"POST") and mode == "refuse" and REFUSED.append(1) is None and len(REFUSED) > 1:
        write_whole(writer, b'{"error":{"message":"Rate limit reached"}}', 429)  # all but the first request
    elif head.startswith(b"POST") and mode in STREAMS:
        await stream(mode, body, writer)
    elif head.startswith(b"POST"):
        write_whole(writer, BODIES[mode])
    else:
        write_whole(writer, b"{}", 404)


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            sizes = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            body = await reader.readexactly(int(sizes[0])) if sizes else b""
            await respond(sys.argv[2], head, body, writer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
