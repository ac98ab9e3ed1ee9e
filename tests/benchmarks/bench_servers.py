"""How fast is the batched server beside its peers? The same Keras model, engine and body for all, in one run.

    .venv/bin/python -m pytest -q -s -o python_files='bench_*.py' tests/benchmarks/bench_servers.py

Every server is pinned to one core, wrk to another; servers take turns at each number of connections; medians. Peers
are installed into environments of their own under ~/.cache/sweepspot/bench-envs, which see this project's
environment for the model's libraries, so that all execute the model with the very same engine. The MLP is asked in
JSON. The CNN is asked in binary, as far as a server takes that: ours and Triton the protocol's binary tensors, mosec,
FastAPI and Ray Serve bare bytes, the others JSON. mosec speaks JSON by orjson, and in a second row by its own codec.

BENCH_SECONDS and BENCH_REPEATS change length and number of runs, BENCH_CONNECTIONS=8,128 their connections, and
BENCH_PEERS='mosec;FastAPI' which peers take part.
"""

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.wire.payload_bank import Bank
from targets.preparation import prepare
from tests.benchmarks.served import (
    CORES,
    NO_MODEL,
    REPEATS,
    ROOT,
    SECONDS,
    Body,
    ours,
    peer,
    raw,
    v2_binary,
    v2_json,
    wrk,
)

CONNECTIONS = tuple(int(word) for word in os.environ.get("BENCH_CONNECTIONS", "1,8,32,128").split(","))
ENVIRONMENTS = Path.home() / ".cache" / "sweepspot" / "bench-envs"
PEERS = Path(__file__).parent / "peers"
TF, ONNX = "concrete-function", "onnxruntime"
KNOBS = {"batch_size": 64, "intra_op_threads": 1, "inter_op_threads": 1}
WITHOUT_MODEL = "batched, no model"


@dataclass(frozen=True)
class Peer:
    """A foreign server: what to install, how to start it, where and how it is asked."""

    packages: tuple[str, ...]
    argv: tuple[str, ...]  # after the interpreter; the port follows
    binary: object  # the body of a binary request, from the bank
    path: str = "/inference"
    engines: tuple[str, ...] = (TF,)
    python: str = sys.executable
    env: tuple[tuple[str, str], ...] = ()


def rows_json(bank):
    return Body(json.dumps({"rows": bank.inputs[:1].tolist()}, separators=(",", ":")).encode())


def script(name, *flags):
    return (str(PEERS / name), *flags)


MOSEC = script("mosec_peer.py", "--address", "127.0.0.1", "--log-level", "error", "--port")
KNOWN = {
    "mosec, its own JSON": Peer(("mosec", "orjson"), MOSEC, v2_json, env=(("BENCH_CODEC", "own"),)),
    "mosec": Peer(
        ("mosec", "orjson"),
        MOSEC,
        raw,
        engines=(TF, ONNX),
    ),
    "FastAPI": Peer(("fastapi", "uvicorn", "uvloop", "httptools", "orjson"), script("fastapi_peer.py"), raw),
    "LitServe": Peer(("litserve", "orjson"), script("litserve_peer.py"), v2_json, "/predict"),
    "BentoML": Peer(("bentoml", "orjson"), ("-m", "bentoml", "serve", "bentoml_peer:Inference", "--port"), rows_json),
    "MLServer": Peer(("mlserver", "orjson"), script("mlserver_peer.py"), v2_json, "/v2/models/m/infer"),
    "Ray": Peer(("ray[serve]", "orjson"), script("ray_peer.py"), raw),
    # Its wheel works with Debian's interpreter only.
    "PyTriton": Peer(
        ("nvidia-pytriton", "orjson"),
        script("pytriton_peer.py"),
        v2_binary,
        "/v2/models/m/infer",
        python="/usr/bin/python3.11",
    ),
}
CHOSEN = os.environ.get("BENCH_PEERS", ";".join(KNOWN)).split(";")


def environment(name, found):
    """The interpreter of a peer's own environment, made the first time."""
    folder = ENVIRONMENTS / name.partition(",")[0].lower()
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        subprocess.run([found.python, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *found.packages], check=True)
        (folder / ".ready").touch()
    site = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    ).strip()
    (Path(site) / "model-libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def version(python, package):
    show = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    return subprocess.check_output([python, "-c", show, package.partition("[")[0]], text=True).strip()


def start_peer(name, engine, model, *, binary):
    found = KNOWN[name]
    python = environment(name, found)
    bank = Bank.load(model.bank_path)
    env = {"BENCH_ENGINE": engine, "BENCH_MODEL": str(model.path), "PYTHONPATH": f"{PEERS}:{ROOT}"}
    env["BENCH_SHAPE"] = ",".join(map(str, bank.meta.input_shape))
    env |= {**dict(found.env), "BENTOML_DO_NOT_TRACK": "True", "RAY_USAGE_STATS_ENABLED": "0"}
    form = found.binary if binary or found.binary is rows_json else v2_json
    return peer([python, *found.argv], found.path, form(bank), env), version(python, found.packages[0])


def contestants(model, name, *, binary):
    """(name, how to start it) of each that can be had here."""
    form = v2_binary if binary else v2_json
    own = version(sys.executable, "tensorflow")
    yield "null (answers without a look)", lambda: (ours("null", name, form), "")
    yield WITHOUT_MODEL, lambda: (ours("batched", name, form, NO_MODEL, **KNOBS), "")
    yield f"batched, {TF}", lambda: (ours("batched", name, form, engine=TF, **KNOBS), own)
    found = version(sys.executable, "onnxruntime")
    yield f"batched, {ONNX}", lambda: (ours("batched", name, form, engine=ONNX, **KNOBS), found)
    for other in CHOSEN:
        for engine in KNOWN[other].engines:
            yield f"{other}, {engine}", lambda a=other, b=engine: start_peer(a, b, model, binary=binary)


def cell(loads):
    rps, cpu_us, p50_ms, p99_ms = (
        statistics.median(getattr(load, name) for load in loads) for name in ("good_rps", "cpu_us", "p50_ms", "p99_ms")
    )
    return f"{rps:,.0f}/s, {cpu_us:,.0f} µs; {p50_ms:.2f}/{p99_ms:.2f} ms"


def start_all(stack, everybody, folder):
    """{name: running}, {name: version}, {name: why it does not run}."""
    running, versions, absent = {}, {}, {}
    for name, start in everybody:
        try:
            started, versions[name] = start()
            running[name] = stack.enter_context(started)
            wrk(running[name], 32, folder, 1)
        except (AssertionError, subprocess.CalledProcessError, OSError) as error:
            absent[name] = str(error)
            running.pop(name, None)
            print(f"{name} does not run: {error}")
    return running, versions, absent


def offline_rps(name, engine):
    """Rows per second of the engine alone, in batches of 64 on the servers' core."""
    code = f"""
import time, numpy as np
from harness.wire.payload_bank import Bank
from targets.loading import load_model
from targets.preparation import prepare
from targets import TARGETS
setting = TARGETS["batched"].knobs.complete({{"engine": {engine!r}, "intra_op_threads": 1, "inter_op_threads": 1}})
loaded = load_model(prepare({name!r}, lambda *_: None), setting, lambda *_: None)
rows = np.ascontiguousarray(loaded.bank.inputs[:64])
best = []
for _ in range(5):
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < 0.4:
        loaded.engine.predict(rows)
        calls += 1
    best.append(calls * len(rows) / (time.perf_counter() - start))
print(sorted(best)[len(best) // 2])
"""
    argv = ["taskset", "-c", str(CORES[0]), sys.executable, "-c", code]
    said = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return float(said.split()[-1])


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("name", "binary"), [("digits-mlp", False), ("digits-cnn", True), ("fashion-cnn", True), ("fashion-deep", True)]
)
def test_servers(tmp_path, name, binary):
    model = prepare(name, lambda *_: None)
    (ROOT / "results").mkdir(exist_ok=True)
    seen = {}
    with contextlib.ExitStack() as stack:
        running, versions, absent = start_all(stack, contestants(model, name, binary=binary), tmp_path)
        for connections in CONNECTIONS:
            for _ in range(REPEATS):
                for one, server in running.items():
                    load = wrk(server, connections, tmp_path)
                    assert not load.other_rps, f"{one} refused"
                    seen.setdefault((one, connections), []).append(load)
    print(table(name, seen, versions, absent, binary=binary))
    print("\n".join(claims(seen, name)))
    for engine in (TF, ONNX):
        if f"mosec, {engine}" in running:
            assert ratio(seen, f"batched, {engine}", f"mosec, {engine}") > 1


def ratio(seen, one, other, connections=CONNECTIONS[-1]):
    """Of good answers per second, the median over pairs that ran one after the other."""
    pairs = zip(seen[one, connections], seen[other, connections], strict=True)
    return statistics.median(a.good_rps / b.good_rps for a, b in pairs)


def claims(seen, name):
    """The figures that are promised, each beside what it is of."""
    at_most = CONNECTIONS[-1]
    peers = [one for one, connections in seen if connections == at_most and not one.startswith(("batched", "null"))]
    for engine in (TF, ONNX):
        own = f"batched, {engine}"
        for other in [other for other in peers if other.endswith(engine)]:
            yield f"{own} / {other} at {at_most} connections: {ratio(seen, own, other):.1f}"
        yield f"{own} / {WITHOUT_MODEL} at {at_most} connections: {ratio(seen, own, WITHOUT_MODEL):.2f}"
        alone = offline_rps(name, engine)
        rps = statistics.median(load.good_rps for load in seen[own, at_most])
        yield f"{own} / the engine alone in batches of 64 ({alone:,.0f} rows/s): {rps / alone:.2f}"
    for connections in (1, 8):
        medians = {
            one: statistics.median(load.p50_ms for load in loads)
            for (one, count), loads in seen.items()
            if count == connections and not one.startswith("null") and one != WITHOUT_MODEL
        }
        best = sorted(medians, key=medians.get)
        yield f"p50 at {connections} connections, best first: " + ", ".join(
            f"{one} {medians[one]:.2f} ms" for one in best
        )


def table(model, seen, versions, absent, *, binary):
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [
        (
            f"\n{model} ({'binary' if binary else 'JSON'} bodies), {datetime.now(UTC):%Y-%m-%d}, {machine}, "
            f"{SECONDS:g} s, medians of {REPEATS}; requests/s, CPU of the server per request; p50/p99"
        ),
        "",
        "| server | " + " | ".join(f"{count} connections" for count in CONNECTIONS) + " | version |",
        "|---|" + "---|" * (len(CONNECTIONS) + 1),
    ]
    for name, found in versions.items():
        if name not in absent:
            cells = " | ".join(cell(seen[name, connections]) for connections in CONNECTIONS)
            lines.append(f"| {name} | {cells} | {found} |")
    lines += ["", *(f"{name} does not run here: {why}." for name, why in absent.items())]
    return "\n".join(lines)
