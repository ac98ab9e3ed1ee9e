"""A server that answers in one of many wrong ways. It speaks HTTP/1.1, by hand, one thread for each connection."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import struct
import threading
import time
from typing import Self

META = {"name": "m", "inputs": [{"name": "in", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "out", "datatype": "FP32", "shape": [-1, 2]}]}  # fmt: skip
GOOD = json.dumps({"outputs": [{"name": "out", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}).encode()
DEEP = b"[" * 10_000 + b"]" * 10_000
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = b"Content-Encoding: gzip\r\n"
BOMB = gzip.compress(bytes(300_000_000), 9)  # 300 kB
CLOSE, RESET = b"close", b"reset"  # in place of what is sent again
GOOD_FIRST = 4  # responses of the load's own before the wrong ones: the first request is tried before a load


def meta(**tensor: object) -> bytes:
    """Metadata whose input differs from the usual one."""
    return json.dumps({**META, "inputs": [{**META["inputs"][0], **tensor}]}).encode()


def whole(body: bytes, status: bytes = b"200 OK", more: bytes = b"") -> bytes:
    """A response with its length."""
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), more, body)


def stats(count: bytes) -> bytes:
    """Triton's statistics with this count."""
    return b'{"model_stats": [{"inference_count": %b, "execution_count": 1, "inference_stats": {}}]}' % count


# Of each fault: what is sent first, and what is sent again and again after it (empty: nothing), with which pause.
Sent = tuple[bytes, bytes, float]
METADATA: dict[str, Sent] = {
    "deep": (whole(DEEP), b"", 0),
    "shape of 10^12": (whole(meta(shape=[-1, 10**12])), b"", 0),
    "shape of 10^9": (whole(meta(shape=[-1, 10**9])), b"", 0),
    "shape of 10^300": (whole(meta(shape=[-1, 1e300])), b"", 0),
    "a thousand axes": (whole(meta(shape=[2] * 1000)), b"", 0),
    "name is an object": (whole(meta(name={"a": 1})), b"", 0),
    "datatype is a list": (whole(meta(datatype=["FP32"])), b"", 0),
    "a size of zero": (whole(meta(shape=[-1, 0])), b"", 0),
    "a negative size": (whole(meta(shape=[-1, -7])), b"", 0),
    "a shape of fractions": (whole(meta(shape=[-1, 3.7])), b"", 0),
    "shape is a text": (whole(meta(shape="[-1, 4]")), b"", 0),
    "escape codes": (whole(meta(datatype="\x1b[2J\x1b]0;title\x07")), b"", 0),
    "infinity": (whole(b'{"inputs": [1e999]}'), b"", 0),
    "half a surrogate pair": (whole(b'{"inputs": ["\\ud800"]}'), b"", 0),
    "no UTF-8": (whole(b'{"inputs": "\xff\xfe"}'), b"", 0),
    "dripping body": (HEAD + b"Content-Length: 100000\r\n\r\n", b" ", 0.2),
    "dripping head": (HEAD, b"X", 0.2),
    "headers without end": (HEAD, b"X: y\r\n", 0),
    "100 Continue for ever": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0),
    "100 Continue slowly": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.2),
    "chunk size without end": (CHUNKED, b"0", 0),
    "trailers without end": (CHUNKED + b"0\r\n", b"X: y\r\n", 0),
    "a million inputs": (whole(json.dumps({**META, "inputs": META["inputs"] * 1_000_000}).encode()), b"", 0),
    "a gzip bomb": (whole(BOMB, more=GZIP), b"", 0),
    "two lengths": (HEAD + b"Content-Length: 2\r\nContent-Length: 7\r\n\r\n{}", b"", 0),
    "a chunk of 2^63": (CHUNKED + b"8000000000000000\r\n{}", b"", 0),
    "a TLS alert": (b"\x15\x03\x03\x00\x02\x02\x28", b"", 0),
    "settings of HTTP/2": (bytes(3) + b"\x04" + bytes(5), b"", 0),
    "closed after the head": (HEAD + b"Content-Length: 100\r\n\r\n", CLOSE, 0),
    "reset within the body": (HEAD + b"Content-Length: 100\r\n\r\n{", RESET, 0),
    "moved to another host": (whole(b"", b"302 Found", b"Location: http://169.254.169.254/latest\r\n"), b"", 0),
}
STATISTICS: dict[str, Sent] = {
    "deep": (whole(DEEP), b"", 0),
    "infinite": (whole(stats(b"1e999")), b"", 0),
    "400 digits": (whole(stats(b"9" * 400)), b"", 0),
    "dripping": (HEAD + b"Content-Length: 100000\r\n\r\n", b" ", 0.2),
    "not a number": (whole(stats(b"NaN")), b"", 0),
    "negative": (whole(stats(b"-5")), b"", 0),
    "a text": (whole(stats(b'"many"')), b"", 0),
    "100 MB of text": (whole(b'nv_inference_request_success{model="m"} 1\n' * 2_300_000), b"", 0),
    "a gzip bomb": (whole(BOMB, more=GZIP), b"", 0),
    "garbage": (whole(b'nv_inference_request_success{model="m"} NaN\n' + b"x{" * 10_000), b"", 0),
}
RESPONSES: dict[str, Sent] = {
    "deep": (whole(DEEP), b"", 0),
    "100 Continue for ever": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0),
    "trailers without end": (CHUNKED + b"0\r\n", b"X: y\r\n", 0),
    "dripping body": (HEAD + b"Content-Length: 100000\r\n\r\n", b" ", 0.2),
    "durations beyond any": (whole(GOOD, more=b"Server-Timing: queue;dur=999999999999999\r\n"), b"", 0),
    "no HTTP": (b"\x00\xff" * 100, b"", 0),
    "empty body": (whole(b""), b"", 0),
    "a web page": (whole(b"<html><title>Sign in</title></html>"), b"", 0),
    "status 999": (whole(b"{}", b"999 odd"), b"", 0),
    "a body of negative length": (HEAD + b"Content-Length: -5\r\n\r\n", b"", 0),
    "two lengths": (HEAD + b"Content-Length: 2\r\nContent-Length: 7\r\n\r\n{}", b"", 0),
    "a chunk of 2^63": (CHUNKED + b"8000000000000000\r\n{}", b"", 0),
    "damaged gzip": (whole(b"\x1f\x8b\x08" + b"\xff" * 50, more=GZIP), b"", 0),
    "a gzip bomb": (whole(BOMB, more=GZIP), b"", 0),
    "a TLS alert": (b"\x15\x03\x03\x00\x02\x02\x28", b"", 0),
    "settings of HTTP/2": (bytes(3) + b"\x04" + bytes(5), b"", 0),
    "closed after the head": (HEAD + b"Content-Length: 100\r\n\r\n", CLOSE, 0),
    "reset within the body": (HEAD + b"Content-Length: 100\r\n\r\n{", RESET, 0),
    "one byte a second": (HEAD + b"Content-Length: 100000\r\n\r\n", b" ", 1.0),
    "100,000 stages": (whole(GOOD, more=b"Server-Timing: " + b"a;dur=1, " * 100_000 + b"b;dur=1\r\n"), b"", 0),
    "two responses for one": (whole(GOOD) + whole(GOOD.replace(b"1", b"9")), b"", 0),
    "65,000 headers": (HEAD + b"X: y\r\n" * 65_000 + b"Content-Length: 2\r\n\r\n{}", b"", 0),
    "lines without a return": (b"HTTP/1.1 200 OK\nContent-Length: %d\n\n%b" % (len(GOOD), GOOD), b"", 0),
    "a null byte in a header": (whole(GOOD, more=b"X: a\0b\r\n"), b"", 0),
    "brotli that is none": (whole(GOOD, more=b"Content-Encoding: br\r\n"), b"", 0),
    "escape codes as the reason": (whole(b'{"error": "\x1b[2J\\u001b[2J"}', b"500 \x1b[2J"), b"", 0),
    "wait for 30 years": (whole(b"{}", b"503 busy", b"Retry-After: 1000000000\r\n"), b"", 0),
    "wait until 1970": (whole(b"{}", b"429 busy", b"Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n"), b"", 0),
    "a script as the reason": (
        whole(b'{"error": "<script>alert(1)</script>"}', b"500 <img src=x onerror=alert(1)>"),
        b"",
        0,
    ),
    "moved to another host": (whole(b"", b"302 Found", b"Location: http://169.254.169.254/latest\r\n"), b"", 0),
}
USAGES = {
    "10^30": b"1" + b"0" * 30,
    "beyond int64": b"%d" % 2**63,
    "beyond int32": b"%d" % 2**33,
    "a fraction": b"12.5",
    "negative": b"-3",
    "a text": b'"x"',
    "deep": b"[" * 90 + b"]" * 90,
}


class HostileServer:
    """Serves at `url` until the end of the block. `part` says which of its answers is wrong."""

    def __init__(self, part: str, fault: str) -> None:
        self._part, self._fault = part, fault
        self._answered = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError):
            held = b""
            while True:
                while b"\r\n\r\n" not in held:
                    held += self._received(connection)
                head, _, held = held.partition(b"\r\n\r\n")
                length = sum(
                    int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
                )
                while len(held) < length:
                    held += self._received(connection)
                held = held[length:]
                first, again, pause_s = self._response(head.split(b" ")[1].decode())
                connection.sendall(first)
                if again in (CLOSE, RESET):
                    if again is RESET:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                while again:
                    connection.sendall(again)
                    time.sleep(pause_s)

    @staticmethod
    def _received(connection: socket.socket) -> bytes:
        data = connection.recv(65536)
        if not data:
            raise OSError("the client has gone")
        return data

    def _response(self, path: str) -> Sent:
        good = whole(json.dumps(META).encode()), b"", 0.0
        if self._part == "usage":
            return self._chat(path)
        if self._part == "metadata":
            return METADATA[self._fault]
        if path.endswith(("/stats", "/metrics")):
            return STATISTICS[self._fault] if self._part == "statistics" else (whole(b"{}", b"404 no"), b"", 0)
        if not path.endswith("/infer"):
            return good
        self._answered += 1
        if self._part == "response" and self._answered > GOOD_FIRST:
            return RESPONSES[self._fault]
        return whole(GOOD), b"", 0

    def _chat(self, path: str) -> Sent:
        if path.endswith("/v1/models"):
            return whole(b'{"data": []}'), b"", 0
        if "chat" not in path:
            return whole(b"{}", b"404 no"), b"", 0
        said = USAGES[self._fault]
        usage = b'{"choices": [], "usage": {"prompt_tokens": %b, "completion_tokens": %b}}' % (said, said)
        events = (b'{"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}', usage, b"[DONE]")
        body = b"".join(b"data: " + event + b"\n\n" for event in events)
        return whole(body, more=b"Content-Type: text/event-stream\r\n"), b"", 0
