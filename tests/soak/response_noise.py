"""Responses of every kind, damaged at random and cut at random, fed to the parsers of the load; see `fuzz.py`.

What must hold for any bytes whatever: only the parser's own error is raised; nothing takes long; how the bytes were
cut makes no difference; and a body has the length that its head says. Undamaged answers must be read as Python's own
`http.client` reads them.
"""

import gzip
import http.client
import io
import random
import time

import hpack

from harness.measure.load.connections.http_parser import HttpError, ResponseParser
from harness.wire.grpc.header_blocks import HeaderBlocks, Http2Error
from harness.wire.grpc.http2 import UnaryCalls, frame, unary_request

MAX_CASE_S = 1.0  # of CPU
REQUEST = unary_request([(":method", "POST"), (":path", "/s/m")], b"q")
TOKENS = [b"\r\n", b"\n", b"\r\n\r\n", b"HTTP/1.1 ", b"200", b"100", b":", b" ", b"\0", b"\xff", b"0\r\n\r\n", b"-1",
          b"Content-Length: 5\r\n", b"content-length:", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n",
          b"99999999999999999999", b"FFFFFFFFFFFFFFFFF", b"server-timing: a;dur=1\r\n", b"+5", b"0x5"]  # fmt: skip


class ResponseNoise:
    """One seed's endless cases."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.answers = self.errors = self.unfinished = 0

    def case(self):
        """One more. Raises AssertionError, or whatever a parser should not raise."""
        start = time.process_time()
        if self.random.random() < 0.7:
            raw, closes = self.http1()
            damaged = self.damage(raw)
            whole = self.first_http1([damaged], closes)
            assert self.first_http1(self.cut(damaged), closes) == whole, (damaged, whole)
            if damaged == raw:
                assert whole == by_the_standard_library(raw), raw
            self.check_length(damaged, whole)
        else:
            damaged = self.damage(self.http2())
            whole = self.first_http2([damaged])
            assert self.first_http2(self.cut(damaged)) == whole, (damaged, whole)
        self.count(whole)
        assert time.process_time() - start < MAX_CASE_S, damaged

    def count(self, found):
        self.answers += found not in ("error", None)
        self.errors += found == "error"
        self.unfinished += found is None

    def damage(self, raw):
        if self.random.random() < 0.2:
            return raw
        data = bytearray(raw)
        for _ in range(self.random.randint(1, 4)):
            at = self.random.randint(0, len(data))
            match self.random.randrange(5):
                case 0:
                    data[at : at + 1] = self.random.randbytes(1)
                case 1:
                    del data[at : at + self.random.randint(1, 9)]
                case 2:
                    data[at:at] = self.random.choice(TOKENS)
                case 3:
                    other = self.random.randint(0, len(data))
                    data[at:at] = data[min(at, other) : max(at, other)][:60]
                case 4:
                    data[at:] = data[at : at + self.random.randint(0, 40)]
        return bytes(data)

    def cut(self, data):
        if self.random.random() < 0.2:
            return [data[at : at + 1] for at in range(len(data))]
        places = sorted(self.random.randint(0, len(data)) for _ in range(self.random.randint(1, 5)))
        return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]

    def http1(self):
        """(bytes, whether they end with the connection) of an answer without fault."""
        pick = self.random.choice
        body = self.random.randbytes(self.random.choice([0, 1, 5, 40, 300]))
        headers = self.random.sample(
            [b"Date: now", b"x-id:7", b"Server-Timing: queue;dur=1.5", b'ETag: "a:b"', b"X-Empty:"],
            self.random.randint(0, 4),
        )
        if self.random.random() < 0.3:
            headers.append(b"Content-Encoding: gzip")
            body = gzip.compress(body, mtime=0)
        framing = pick(["length", "length", "chunked", "close"])
        wire = body
        if framing == "length":
            headers.append(pick([b"Content-Length: %d", b"content-length:%d"]) % len(body))
        elif framing == "chunked":
            headers.append(b"Transfer-Encoding: chunked")
            wire = self.chunked(body)
        else:
            headers.append(b"Connection: close")
        self.random.shuffle(headers)
        status = pick([b"200 OK", b"503 Service Unavailable", b"404 "])
        first = b"HTTP/1.1 100 Continue\r\n\r\n" if self.random.random() < 0.1 else b""
        return first + b"\r\n".join([b"HTTP/1.1 " + status, *headers]) + b"\r\n\r\n" + wire, framing == "close"

    def chunked(self, body):
        out = b""
        while body:
            size = self.random.randint(1, len(body))
            out += b"%x%b\r\n%b\r\n" % (size, self.random.choice([b"", b";a=b"]), body[:size])
            body = body[size:]
        return out + b"0\r\n" + self.random.choice([b"", b"X-T: t\r\n"]) + b"\r\n"

    def http2(self):
        encoder = hpack.Encoder()
        timing = [(b"server-timing", b"compute;dur=%d" % self.random.randint(0, 999), True)]
        timed = encoder.encode(timing, huffman=self.random.random() < 0.5)
        sensitive = lambda *pairs: encoder.encode([(*pair, True) for pair in pairs])  # noqa: E731
        body = self.random.randbytes(self.random.choice([0, 5, 200]))
        message = b"\0" + len(body).to_bytes(4, "big") + body
        parts = [
            frame(4, 0, 0, b""),
            frame(1, 4, 1, sensitive((b":status", b"200"), (b"content-type", b"application/grpc"))),
            frame(0, 0, 1, message[:3]),
            frame(0, 0, 1, message[3:]),
            frame(6, 0, 0, bytes(8)),
            frame(1, 5, 1, sensitive((b"grpc-status", b"0")) + timed),
        ]
        return b"".join(part for part in parts if self.random.random() < 0.97)

    def first_http1(self, pieces, closes):
        parser = ResponseParser()
        try:
            for piece in pieces:
                answer = parser.feed(piece) if piece else None
                if answer is not None:
                    return answer.status, answer.body, answer.timing
            answer = parser.eof() if closes else None
        except HttpError:
            return "error"
        return None if answer is None else (answer.status, answer.body, answer.timing)

    def first_http2(self, pieces):
        calls = UnaryCalls(HeaderBlocks())
        calls.call(REQUEST)
        try:
            for piece in pieces:
                reply = calls.feed(piece)
                if reply is not None:
                    return reply.code, reply.message, reply.timing, reply.size_bytes
        except Http2Error:
            return "error"
        return None

    @staticmethod
    def check_length(raw, found):
        """Where a plain head says a length, the body has it."""
        if found in ("error", None):
            return
        head, _, rest = raw.partition(b"\r\n\r\n")
        lowered = head.lower()
        if (
            lowered.count(b"content-length") != 1
            or b"\r\ncontent-length:" not in lowered
            or b"encoding" in lowered
            or head.startswith(b"HTTP/1.1 1")
        ):
            return
        text = lowered.partition(b"content-length")[2].partition(b":")[2].partition(b"\r\n")[0].strip()
        if text.isdigit() and found[0] not in (204, 304):
            assert len(found[1]) == int(text), (raw, found)
            assert found[1] == rest[: int(text)], (raw, found)


def by_the_standard_library(raw):
    class Socket:
        def makefile(self, mode):
            del mode
            return io.BytesIO(raw)

    answer = http.client.HTTPResponse(Socket(), method="POST")
    answer.begin()
    body = answer.read()
    if answer.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    return answer.status, body, ", ".join(answer.headers.get_all("Server-Timing") or []).encode()
