"""Damaged calls for the gRPC front, among calls without fault whose answers are checked. The seed makes a run again.

What must hold for any bytes whatever: the front raises nothing; it writes whole frames, at most one response a call and
none to a call that was not made; every call without fault has its own answer; and nothing is left of a connection.
"""

from __future__ import annotations

import random
import struct

from in_process_grpc import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INFER,
    LIVE,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Client,
    FirstTwo,
    frame,
    infer_message,
    outputs_of,
    prefixed,
    service_of,
)

PATHS = (INFER, INFER, INFER, LIVE, "/inference.GRPCInferenceService/ModelMetadata", "/no.Such/Method")
LENGTHS = (0, 1, 5, 200, 2**14, 2**14 + 1, 2**24 - 1)


class Noise:
    """One seed's endless cases against one front."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.backend = FirstTwo(limit=50)
        self.service = service_of(self.backend, max_bytes=4000)
        self.answers = self.statuses = self.faults = 0

    def case(self) -> None:
        """One damaged connection and one without fault, in turns."""
        pick = self.random
        noisy, good = Client(self.service, greet=False), Client(self.service)
        good.send(frame(WINDOW_UPDATE, 0, 0, (1 << 30).to_bytes(4, "big")))
        pieces = self.cut(self.damaged())
        wanted: dict[int, list[float]] = {}
        for piece in pieces:
            noisy.send(piece)
            if pick.random() < min(0.5, 10 / len(pieces)):
                values = (pick.randrange(10**6), pick.randrange(10**6), 0)
                wanted[good.call(infer_message(values, str(values[0]) if pick.random() < 0.5 else ""))] = [*values[:2]]
            while len(self.backend.waiting) > 30 or (self.backend.waiting and pick.random() < 0.5):
                self.backend.compute(pick.randrange(len(self.backend.waiting)))
        while self.backend.waiting:
            self.backend.compute(pick.randrange(len(self.backend.waiting)))
        self.check(noisy, good, wanted)

    def check(self, noisy: Client, good: Client, wanted: dict[int, list[float]]) -> None:
        """Raise AssertionError where something does not hold."""
        good.read()
        assert good.goaway() is None
        assert set(good.responses) == set(wanted)
        for stream, values in wanted.items():
            assert outputs_of(good.responses[stream].message) == values
        noisy.read()
        last = noisy.connection._last_stream
        assert all(stream % 2 and stream <= last for stream in noisy.responses)
        self.statuses += sum(response.status is not None for response in noisy.responses.values())
        self.answers += len(wanted)
        self.faults += noisy.goaway() is not None
        assert noisy.transport.closed == (noisy.goaway() is not None)
        assert noisy.connection._cancelled == 0
        for client in (noisy, good):
            arriving = sum(len(call.body or b"") for call in client.connection.calls.values())
            assert client.transport.closed or client.connection._arriving_bytes == arriving
            client.connection.connection_lost(None)
        assert not self.service.connections

    def damaged(self) -> bytes:
        """A whole conversation of a client with some faults."""
        frames = [PREFACE, frame(SETTINGS, 0, 0, self.settings()), *self.calls()]
        pick = self.random
        for _ in range(pick.choice((0, 1, 1, 2, 3))):
            at = pick.randrange(1, len(frames) + 1) if len(frames) > 1 else 1
            match pick.randrange(5):
                case 0:
                    frames.insert(at, self.any_frame())
                case 1:
                    frames.insert(at, pick.choice(frames))
                case 2:
                    del frames[at - 1]
                case 3:
                    frames[at - 1] = self.damage(frames[at - 1])
                case 4:
                    frames.insert(at, frames.pop(pick.randrange(1, len(frames))))
        return b"".join(frames)

    def calls(self) -> list[bytes]:
        """The frames of some calls, mixed as a client may mix them."""
        pick = self.random
        client = Client(service_of(FirstTwo()))
        frames: list[bytes] = []
        begun: list[list[bytes]] = []
        new = pick.randrange(1, 8)
        while new or begun:
            if new and (not begun or pick.random() < 0.5):
                new -= 1
                stream = client.next_stream()
                frames += self.headers(stream, self.block(client))
                begun.append(self.data(stream))
            else:
                queue = pick.choice(begun)
                frames.append(queue.pop(0))
                if not queue:
                    begun.remove(queue)
            if pick.random() < 0.1:
                frames.append(self.any_frame())
        return frames

    def block(self, client: Client) -> bytes:
        pick = self.random
        more = [("x-of-a-call", str(pick.randrange(5)))] if pick.random() < 0.5 else []
        if pick.random() < 0.3:
            more.append(("grpc-timeout", pick.choice(("1S", "20m", "99999999H", "1x", ""))))
        if pick.random() < 0.1:
            more.append(("grpc-encoding", pick.choice(("gzip", "deflate", "odd"))))
        return client.block(pick.choice(PATHS), *more)

    def headers(self, stream: int, block: bytes) -> list[bytes]:
        cuts = sorted(self.random.randrange(len(block) + 1) for _ in range(self.random.choice((0, 0, 0, 1, 3))))
        parts = [block[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(block)], strict=True)]
        kinds = [HEADERS, *[CONTINUATION] * len(cuts)]
        flags = [*[0] * len(cuts), END_HEADERS]
        return [frame(kind, flag, stream, part) for kind, flag, part in zip(kinds, flags, parts, strict=True)]

    def data(self, stream: int) -> list[bytes]:
        pick = self.random
        content = infer_message(tuple(pick.randrange(99) for _ in range(3)))
        body = prefixed(
            pick.choice((content, content, b"", b"\xff" * 20, bytes(5000))), pick.choice((0, 0, 0, 0, 1, 2))
        )
        size = pick.choice((10_000, 10_000, 100, 1000))
        parts = [body[at : at + size] for at in range(0, len(body), size)]
        frames = [frame(DATA, 0, stream, part) for part in parts[:-1]]
        if pick.random() < 0.3:
            return [*frames, frame(DATA, PADDED | END_STREAM, stream, b"\3" + parts[-1] + bytes(3))]
        if pick.random() < 0.3:
            return [*frames, frame(DATA, 0, stream, parts[-1]), frame(DATA, END_STREAM, stream)]
        return [*frames, frame(DATA, END_STREAM, stream, parts[-1])]

    def settings(self) -> bytes:
        if self.random.random() < 0.5:
            return b""
        return struct.pack(">HI", self.random.choice((1, 3, 4, 4, 5, 6)), self.random.choice((0, 20, 2**14, 2**31 - 1)))

    def any_frame(self) -> bytes:
        pick = self.random
        stream = pick.choice((0, 1, 3, 5, 2**31 - 1))
        word = pick.choice((0, 1, 8, 30, 2**16, 2**31 - 1)).to_bytes(4, "big")
        return pick.choice(
            (
                frame(PING, pick.randrange(2), 0, bytes(8)),
                frame(SETTINGS, 0, 0, self.settings()),
                frame(SETTINGS, 1, 0),
                frame(WINDOW_UPDATE, 0, stream, word),
                frame(RST_STREAM, 0, stream, word),
                frame(PRIORITY, 0, stream, bytes(5)),
                frame(GOAWAY, 0, 0, word * 2),
                frame(pick.randrange(256), pick.randrange(256), stream, pick.randbytes(pick.choice((0, 4, 8, 40)))),
            )
        )

    def damage(self, data: bytes) -> bytes:
        pick = self.random
        changed = bytearray(data)
        at = pick.randrange(len(changed))
        match pick.randrange(4):
            case 0:
                changed[at] = pick.randrange(256)
            case 1:
                del changed[at : at + pick.randrange(1, 10)]
            case 2:
                changed[at:at] = pick.randbytes(pick.randrange(1, 10))
            case 3:
                changed[:3] = pick.choice(LENGTHS).to_bytes(3, "big")
        return bytes(changed)

    def cut(self, data: bytes) -> list[bytes]:
        if len(data) < 2000 and self.random.random() < 0.2:
            return [data[at : at + 1] for at in range(len(data))]
        cuts = sorted(self.random.randrange(len(data) + 1) for _ in range(self.random.randrange(20)))
        return [data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True)]
