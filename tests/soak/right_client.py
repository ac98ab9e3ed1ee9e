"""Does every client get its own answer, and no other's, beside clients that send nonsense?

    python -m tests.soak.right_client [--answers 1000000] [--front http] [--seed 0]

4,000 payloads, no two of whose answers are alike, go over 256 connections to the `batched` server, and every answer is
compared with the payload's own. Beside them damaged requests go to the same port, on connections of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import threading
import zipfile
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import h5py
import numpy as np

from harness.measure.target.prepared_model import prepare_model
from harness.wire.codec import http_post
from harness.wire.server_url import free_ports, parse_url
from tests.soak.fuzz import cut, damaged, document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

HARNESS = [sys.executable, "-m", "harness"]
PAYLOADS = 4000
CONNECTIONS = 256
APART = 0.004  # the greatest difference of any two answers is more; an answer may be off by 0.001
NOISY = 4  # clients that send nonsense
PAUSE_S = 0.002
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def predictions(inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """What digits-mlp says, worked out from its weights."""
    rows = inputs.astype(np.float64)
    file = prepare_model("digits-mlp", "keras").file
    with zipfile.ZipFile(file) as archive, archive.open("model.weights.h5") as stream, h5py.File(stream) as stored:
        for name in ("dense", "dense_1", "dense_2"):
            layer = stored["layers"][name]["vars"]
            rows = rows @ np.array(layer["0"]) + np.array(layer["1"])
            rows = np.maximum(rows, 0) if name != "dense_2" else np.exp(rows - rows.max(axis=1, keepdims=True))
    return rows / rows.sum(axis=1, keepdims=True)


def unlike(seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Inputs (PAYLOADS, 64) of which no two have answers within APART, and their answers (PAYLOADS, 10)."""
    rng = np.random.default_rng(seed)
    inputs = rng.uniform(0, 1, (4 * PAYLOADS, 64)).astype(np.float32)
    answers = predictions(inputs)
    kept: list[int] = []
    for number, answer in enumerate(answers):
        if not kept or np.abs(answers[kept] - answer).max(axis=1).min() > APART:
            kept.append(number)
    if len(kept) < PAYLOADS:
        raise SystemExit(f"only {len(kept)} answers are far enough apart")
    chosen = kept[:PAYLOADS]
    return inputs[chosen], answers[chosen]


def noise(address: tuple[str, int], url: str, seed: str, stop: threading.Event, sent: Iterator[int]) -> None:
    """Send damaged requests until `stop`, and read what comes."""
    server = parse_url(url)
    rng = Random(seed)
    while not stop.is_set():
        body = document(rng)
        raw = damaged(rng, http_post(server, "/v2/models/digits-mlp/infer", "", body))
        if server.scheme.startswith("grpc"):
            raw = PREFACE + rng.randbytes(rng.randrange(200))
        with contextlib.suppress(OSError), socket.create_connection(address, 1.0) as client:
            client.settimeout(0.05)
            for piece in cut(rng, raw)[:50]:
                client.sendall(piece)
            next(sent)
            client.recv(1 << 16)
        stop.wait(PAUSE_S)


def main() -> int:
    """Ask until there are that many answers; the exit code is 1 where one was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--front", choices=("http", "grpc"), default="http")
    parser.add_argument("--seconds", type=int, default=30, help="of one run")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    inputs, answers = unlike(options.seed)
    ports = free_ports(2)
    server = subprocess.Popen(
        [*HARNESS, "serve", "batched", "--port", str(ports[0]), f"grpc_port={ports[1]}", "engine=onnxruntime"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    port = ports[options.front == "grpc"]
    url = f"{options.front}://127.0.0.1:{port}"
    right, stop, sent = 0, threading.Event(), count()
    try:
        assert server.stdout is not None
        while " at http" not in server.stdout.readline():
            if server.poll() is not None:
                raise SystemExit("the server did not start")
        for number in range(NOISY):
            words = (("127.0.0.1", port), url, f"{options.seed}/{number}", stop, sent)
            threading.Thread(target=noise, args=words, daemon=True).start()
        with tempfile.TemporaryDirectory() as folder:
            np.savez(Path(folder) / "bank.npz", inputs=inputs, expected=answers.astype(np.float32))
            for run in count():
                argv = ["run", "--target", url, "--model", "digits-mlp", "--bank", f"{folder}/bank.npz", "--check",
                        "all", "--concurrency", str(CONNECTIONS), "--seconds", f"{options.seconds}s", "--out",
                        f"{folder}/{run}"]  # fmt: skip
                subprocess.run([*HARNESS, *argv], capture_output=True, check=False)
                report = json.loads(next(Path(folder).glob(f"{run}/trials/*/load.json")).read_text())
                right += report["ok"]
                bad = {name: report[name] for name in ("wrong", "error", "timeout", "rejected", "aborted")}
                print(f"{right:,} right answers, beside {next(sent):,} noisy connections; {bad}", flush=True)
                if report["wrong"] or not report["ok"]:
                    return 1
                if right >= options.answers:
                    return 0
    finally:
        stop.set()
        server.terminate()
        server.wait()
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
