"""How fast is the batched server beside its peers? The same Keras model, engine and body for all, in one run.

    .venv/bin/python -m pytest -q -s -o python_files='bench_*.py' tests/benchmarks/bench_servers.py

Every server is pinned to one core, wrk to another; servers take turns at each number of connections; medians. Peers
are installed into environments of their own under ~/.cache/sweepspot/bench-envs, which see this project's
environment for the model's libraries, so that all execute the model with the very same engine.
BENCH_SECONDS and BENCH_REPEATS change length and number of runs.
"""

import contextlib
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
from datetime import UTC, datetime
from pathlib import Path

from targets.engines.catalog import available
from targets.models import prepare
from tests.benchmarks.served import REPEATS, SECONDS, body_of, ours, peer, wrk

CONNECTIONS = (1, 8, 32, 128)
ENVIRONMENTS = Path.home() / ".cache" / "sweepspot" / "bench-envs"
PEERS = Path(__file__).parent / "peers"
NOT_RUN = "LitServe, BentoML, MLServer, Ray Serve, Triton through PyTriton"
TF, ONNX = "concrete-function", "onnxruntime"
KNOBS = {"batch_size": 64, "intra_op_threads": 1, "inter_op_threads": 1}


def environment(name, *packages):
    """The interpreter of a peer's own environment, made the first time."""
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
        (folder / ".ready").touch()
    site = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    ).strip()
    (Path(site) / "model-libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def versions(python, *packages):
    show = "import sys, importlib.metadata as m; print(' '.join(f'{p} {m.version(p)}' for p in sys.argv[1:]))"
    return subprocess.check_output([python, "-c", show, *packages], text=True).strip()


def mosec(engine, model):
    python = environment("mosec", "mosec", "orjson")
    env = {"BENCH_ENGINE": engine, "BENCH_MODEL": str(model.path)}
    argv = [python, PEERS / "mosec_peer.py", "--address", "127.0.0.1", "--log-level", "error", "--port"]
    return peer(argv, "/inference", body_of(model.bank_path), env), versions(python, "mosec", "orjson")


def fastapi(engine, model):
    python = environment("fastapi", "fastapi", "uvicorn", "uvloop", "httptools", "orjson")
    env = {"BENCH_ENGINE": engine, "BENCH_MODEL": str(model.path)}
    started = peer([python, PEERS / "fastapi_peer.py"], "/inference", body_of(model.bank_path), env)
    return started, versions(python, "fastapi", "uvicorn")


def contestants(model):
    """(name, started server, versions) of each that can be had here."""
    own = versions(sys.executable, "tensorflow", "uvloop", "httptools")
    yield "null (the same front end, no model)", ours("null"), ""
    yield "batched, TensorFlow", ours("batched", **KNOBS), own
    if "onnxruntime" in available():
        found = versions(sys.executable, "onnxruntime")
        yield "batched, ONNX Runtime", ours("batched", engine="onnxruntime", **KNOBS), found
    yield "mosec, TensorFlow", *mosec(TF, model)
    yield "mosec, ONNX Runtime", *mosec(ONNX, model)
    yield "FastAPI, TensorFlow", *fastapi(TF, model)


def cell(loads):
    rps, cpu_us, p50_ms, p99_ms = (
        statistics.median(getattr(load, name) for load in loads) for name in ("good_rps", "cpu_us", "p50_ms", "p99_ms")
    )
    return f"{rps:,.0f}/s, {cpu_us:.0f} µs; {p50_ms:.2f}/{p99_ms:.2f} ms"


def test_servers(tmp_path):
    model = prepare("digits-mlp", lambda *_: None)
    body = body_of(model.bank_path)
    seen, versions_of = {}, {}
    with contextlib.ExitStack() as stack:
        running = {}
        for name, started, found in contestants(model):
            running[name], versions_of[name] = stack.enter_context(started), found
            wrk(running[name], 32, tmp_path, body, 1)
        for connections in CONNECTIONS:
            for _ in range(REPEATS):
                for name, server in running.items():
                    load = wrk(server, connections, tmp_path, body)
                    assert not load.other_rps, f"{name} refused"
                    seen.setdefault((name, connections), []).append(load)
    print(table(seen, versions_of))
    at_most = CONNECTIONS[-1]

    def ratio(one, other):
        pairs = zip(seen[one, at_most], seen[other, at_most], strict=True)
        return statistics.median(a.good_rps / b.good_rps for a, b in pairs)

    print(f"batched / mosec, TensorFlow: {ratio('batched, TensorFlow', 'mosec, TensorFlow'):.2f}")
    print(f"batched / front end alone: {ratio('batched, TensorFlow', 'null (the same front end, no model)'):.2f}")
    if ("batched, ONNX Runtime", at_most) in seen:
        print(f"batched / mosec, ONNX Runtime: {ratio('batched, ONNX Runtime', 'mosec, ONNX Runtime'):.2f}")
    assert ratio("batched, TensorFlow", "mosec, TensorFlow") > 1


def table(seen, versions_of):
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [
        (
            f"\n{datetime.now(UTC):%Y-%m-%d}, {machine}, {SECONDS:g} s, medians of {REPEATS}; "
            "requests/s, CPU of the server per request; p50/p99"
        ),
        "",
        "| server | " + " | ".join(f"{count} connections" for count in CONNECTIONS) + " | versions |",
        "|---|" + "---|" * (len(CONNECTIONS) + 1),
    ]
    for name, found in versions_of.items():
        cells = " | ".join(cell(seen[name, connections]) for connections in CONNECTIONS)
        lines.append(f"| {name} | {cells} | {found} |")
    return "\n".join([*lines, "", f"Not run: {NOT_RUN}."])
