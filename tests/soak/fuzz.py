"""Damages what servers and clients send, at random, and feeds it to everything that reads it.

    python -m tests.soak.fuzz [--seconds 60] [--seed N] [--only sse]

The seconds are CPU time, shared out evenly. What must hold for any bytes: a reader raises nothing but its own error,
reads the same however the bytes are cut, takes no long time, and keeps no memory; a call without fault among the noise
gets its own answer. A failure names its reader and its case: `--only READER --seed N --case C` makes it again.
Files of runs have a fuzz of their own (`fuzz_run_files.py`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from harness.errors import UserError
from harness.measure.load.chat.parser import StreamParser
from harness.measure.load.server_timing import find_places
from harness.measure.target.statistics_reader import StatisticsReader, find_statistics_reader
from harness.plan.chat_shape import ChatShape
from harness.record.server.families import FAMILIES, TRITON_STATISTICS
from harness.wire.bounded_json import JsonError, parse_json
from harness.wire.codec import WireError
from harness.wire.grpc.messages import message
from harness.wire.http.llhttp_parser import HttpError
from harness.wire.http.retry_after import retry_after_ns
from harness.wire.payload_bank import BankMeta
from harness.wire.protocols import TEXTS, make_codec, make_text_codec
from harness.wire.server_probe import detect_protocol, read_meta
from harness.wire.server_url import parse_url
from targets.servers.http.head import HeadParser
from targets.servers.http.reader import RequestReader
from targets.servers.http.routes import ModelRoutes
from tests.harness.wire.language.recorded_streams import STREAMS
from tests.soak.canned_bytes import CannedBytes
from tests.soak.hostile_server import META, whole
from tests.soak.response_noise import ResponseNoise

sys.path.append(str(Path(__file__).parents[1] / "examples"))

from grpc_noise import Noise

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CASE_S = 2.0  # of CPU
MAX_GROWTH_MB = 16.0
LARGEST = 1000  # bytes of a request's body
URL = parse_url("http://127.0.0.1:1")
BANK_META = BankMeta(model="m", input_shape=(4,), output_shape=(2,), input_name="in", output_name="out")
ODD = (b"\xff\xff", b"\0", b"9" * 30, b'"', b"{", b"[" * 200, b"\\ud800", b"-1", b"1e999", b"null", b"NaN", b"\r\n",
       b"\n\n", b"\r", b"data: ", b"event: error\n", b"[DONE]", b"{}", b"[]", b":", b",", b"0", b"true")  # fmt: skip
TRITON = {"model_stats": [{"inference_count": 5, "execution_count": 2, "inference_stats": {
    name: {"ns": 10, "count": 5} for name in ("success", "queue", "compute_infer")}}]}  # fmt: skip
TENSOR = {"name": "out", "datatype": "FP32", "shape": [1, 2], "data": [1.5, 2]}
DOCUMENTS: tuple[Any, ...] = (
    META, TRITON, {"outputs": [TENSOR]}, {"predictions": [[1.5, 2]]}, {"error": {"message": "busy"}},
    {"model_version_status": [{"state": "AVAILABLE"}]}, {"object": "list", "data": [{"id": "m", "object": "model"}]},
    {"data": [{"index": 0, "embedding": [1, 2.5]}], "usage": {"prompt_tokens": 3}},
    {"metadata": {"signature_def": {"signature_def": {"serving_default": {
        "inputs": {"in": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}, {"size": "4"}]}}},
        "outputs": {"out": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}, {"size": "2"}]}}}}}}}},
)  # fmt: skip


def damaged(rng: Random, raw: bytes) -> bytes:
    """`raw` with no fault, or with some."""
    data = bytearray(raw)
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data[at : at + 1] = rng.randbytes(1)
            case 1:
                del data[at : at + rng.randrange(1, 12)]
            case 2:
                data[at:at] = rng.choice(ODD)
            case 3:
                data[at : at + rng.randrange(8)] = rng.choice(ODD)
            case 4:
                other = rng.randrange(len(data) + 1)
                data[at:at] = data[min(at, other) : max(at, other)][:200]
    return bytes(data)


def cut(rng: Random, data: bytes) -> list[bytes]:
    """`data` in some pieces, or byte by byte."""
    if len(data) < 3000 and rng.random() < 0.1:
        return [data[at : at + 1] for at in range(len(data))]
    edges = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(8)))
    return [data[start:stop] for start, stop in pairwise((0, *edges, len(data))) if start < stop]


def document(rng: Random) -> bytes:
    """A damaged JSON document."""
    return damaged(rng, json.dumps(rng.choice(DOCUMENTS)).encode())


def read_json(rng: Random) -> None:
    """What is read can be written again as UTF-8, and holds no infinity."""
    with contextlib.suppress(JsonError):
        json.dumps(parse_json(document(rng)), allow_nan=False, ensure_ascii=False).encode()


def read_probe(rng: Random, server: CannedBytes) -> None:
    """Metadata, the question for the protocol, and statistics, of a server with one answer to everything."""
    server.content = damaged(rng, whole(document(rng))) if rng.random() < 0.5 else whole(document(rng))
    ask = rng.choice((
        lambda: read_meta(server.url, "m", "http-json"),
        lambda: read_meta(server.url, "m", "tfs"),
        lambda: detect_protocol(server.url, "m"),
        lambda: find_statistics_reader(server.url, "m", f"{server.url}/metrics"),
    ))  # fmt: skip
    with contextlib.suppress(UserError):
        ask()


def read_statistics(rng: Random) -> None:
    """Triton's document and Prometheus' text."""
    family = rng.choice((TRITON_STATISTICS, *FAMILIES))
    names = sorted(family.samples())
    lines = [f'# TYPE {name} counter\n{name}{{model_name="m"}} {rng.randrange(10**6)}\n' for name in names]
    body = document(rng) if family is TRITON_STATISTICS else damaged(rng, "".join(lines).encode())
    counters = StatisticsReader(parse_url("http://127.0.0.1:1/metrics"), family, "m").counters_in(body)
    assert counters is None or all(np.isfinite(value) for value in counters.values())


def read_bodies(rng: Random) -> None:
    """The bodies of responses, by every codec."""
    name = rng.choice(("http-json", "http-binary", "tfs", "json:/p?send=inputs[]&take=outputs.0", "grpc"))
    codec = make_codec(name, URL, BANK_META)
    body = document(rng)
    if name == "grpc":
        response = message("ModelInferResponse")()
        output = response.outputs.add(name="out", datatype="FP32", shape=[1, 2])
        output.contents.fp32_contents.extend([1.5, 2])
        body = damaged(rng, response.SerializeToString())
    for read in (codec.decode, codec.require_answer, codec.readable):
        with contextlib.suppress(WireError):
            read(body)
    assert "\n" not in codec.describe(rng.choice((200, 404, 500)), body)


class Holder:
    """Has the stream of a connection's next response."""

    def __init__(self, protocol: str) -> None:
        self.stream = make_text_codec(protocol, URL, "m", ChatShape()).new_stream()


def read_stream(rng: Random) -> None:
    """A response of a language model, in the HTTP of a stream."""
    recorded = rng.choice(STREAMS)
    protocol = recorded.protocol if rng.random() < 0.9 else rng.choice(TEXTS).name
    events = [damaged(rng, event) if rng.random() < 0.1 else event for event in recorded.events]
    for _ in range(rng.choice((0, 0, 3, 20))):
        at = rng.randrange(len(events))
        events.insert(at, events[at])
    chunked = rng.random() < 0.8
    parts = [b"%x\r\n%b\r\n" % (len(event), event) for event in events if event] if chunked else events
    parts.append(b"0\r\n\r\n" if chunked else b"")
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % sum(map(len, parts))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n%b\r\n\r\n" % framing
    pieces = [head, *parts]
    if rng.random() < 0.2:
        pieces = [damaged(rng, piece) for piece in pieces]
    wanted = streamed(protocol, pieces)
    found = streamed(protocol, cut(rng, b"".join(pieces)))
    assert found == wanted, (pieces, found, wanted)


def streamed(protocol: str, pieces: list[bytes]) -> object:
    """What a load reads of a response that arrives in those pieces."""
    holder = Holder(protocol)
    parser = StreamParser(holder)
    try:
        response = None
        for piece in filter(None, pieces):
            if not parser.takes_piece(piece, 1) and (response := parser.feed(piece)) is not None:
                break
    except HttpError:
        return "error"
    stream = holder.stream
    counts = (stream.prompt_tokens, stream.cached_tokens, stream.usage_tokens, stream.output_tokens)
    return response and (response.status, stream.text, len(stream.instants_ns), counts, stream.finish)


def read_headers(rng: Random) -> None:
    """Headers that carry numbers."""
    value = damaged(rng, rng.choice((b"queue;dur=1.5, batch;items=8;dur=2, compute;dur=0.25", b"120", b"inf")))
    for place in find_places(value):
        assert 0 <= place.start < place.stop <= len(value)
    assert (retry_after_ns(value) or 0) >= 0


class Requests:
    """The sink of a server's reader."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def begin(self, head: Any) -> Any:
        """A head has come."""
        self.seen.append((head.action, head.refusal and head.refusal.status))
        return None if head.refusal else head

    def complete(self, _: Any, body: bytes) -> None:
        """A body is whole."""
        self.seen.append(bytes(body))

    def fail(self, _: Any, error: Any) -> None:
        """The connection is broken."""
        self.seen.append(error.status)


def read_requests(rng: Random) -> None:
    """Requests that clients send to the HTTP front of the embedded servers."""
    body = document(rng)
    framing = rng.choice((b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
                          b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)))  # fmt: skip
    path = rng.choice((b"POST /v2/models/m/infer", b"POST /v1/models/m:predict", b"GET /metrics", b"GET /v2/models/m"))
    request = path + b" HTTP/1.1\r\nHost: x\r\n" + framing
    raw = damaged(rng, request) + b"".join(damaged(rng, request) for _ in range(rng.randrange(3)))
    results = []
    for pieces in ([raw], cut(rng, raw)):
        sink = Requests()
        reader = RequestReader(HeadParser(ModelRoutes("m"), LARGEST), sink, LARGEST)
        for piece in pieces:
            reader.feed(piece)
        results.append(sink.seen)
    assert results[0] == results[1], (raw, results)


def of_noise(noise: Any, rng: Random) -> None:
    """A case of a fuzz that has a state."""
    noise.random = rng
    noise.case()


def readers(server: CannedBytes) -> dict[str, Callable[[Random], None]]:
    """Each reader by its name."""
    responses, calls = ResponseNoise(0), Noise(0)
    return {
        "json": read_json,
        "probe": lambda rng: read_probe(rng, server),
        "statistics": read_statistics,
        "bodies": read_bodies,
        "sse": read_stream,
        "headers": read_headers,
        "http-responses": lambda rng: of_noise(responses, rng),  # and those of HTTP/2
        "http-requests": read_requests,
        "grpc-calls": lambda rng: of_noise(calls, rng),
    }


def fuzz(read: Callable[[Random], None], name: str, seed: str, seconds: float) -> tuple[int, str]:
    """Cases within that CPU time: how many, and what is wrong with the last (empty: nothing)."""
    began_s, cases, settled_mb = time.process_time(), 0, 0.0
    memory_mb = lambda: psutil.Process().memory_info().rss / 2**20  # noqa: E731
    while (now_s := time.process_time()) - began_s < seconds:
        try:
            read(Random(f"{seed}/{name}/{cases}"))
        except Exception as error:  # noqa: BLE001  (that is what is looked for)
            return cases, f"{type(error).__name__}: {str(error)[:600]}"
        if time.process_time() - now_s > MAX_CASE_S:
            return cases, "it took too long"
        cases += 1
        if not settled_mb and now_s - began_s > seconds / 3:
            settled_mb = memory_mb()
    grown_mb = memory_mb() - settled_mb
    return cases, f"grown by {grown_mb:.0f} MB" if settled_mb and grown_mb > MAX_GROWTH_MB else ""


def main() -> int:
    """Fuzz all readers; the exit code is 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU time in all")
    parser.add_argument("--seed", default=str(time.time_ns()))
    parser.add_argument("--only", default="", help="one reader")
    parser.add_argument("--case", type=int, help="this case of that reader alone, with its traceback")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    failed = 0
    with CannedBytes() as server:
        chosen = {name: read for name, read in readers(server).items() if options.only in ("", name)}
        if options.case is not None:
            chosen[options.only](Random(f"{options.seed}/{options.only}/{options.case}"))
            return 0
        for name, read in chosen.items():
            cases, wrong = fuzz(read, name, options.seed, options.seconds / len(chosen))
            failed += bool(wrong)
            print(f"{name:15} {cases:9} cases  {wrong or 'held'}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
