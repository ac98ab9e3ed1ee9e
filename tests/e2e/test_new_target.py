"""A target, its knob and an arrival process are entries in registries: a package brings them, and a sweep uses them."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]

PACKAGE = '''
"""A target that multiplies by its knob `factor`, and whose model doubles; and requests that are due in groups."""

import numpy as np

from harness.plan.arrivals.open_loop import OpenProcess
from harness.plan.knobs import Apply, Knob, KnobSet
from harness.plan.option_text import LoadOption
from harness.plan.option_text import whole
from harness.plan.target_spec import EmbeddedTarget

FACTOR = Knob(name="factor", doc="What inputs are multiplied by.", default=2, swept=(2, 3), apply=Apply.LIVE)
TARGETS = {
    "multiplier": EmbeddedTarget(
        name="multiplier",
        doc="multiplies",
        knobs=KnobSet("multiplier", (FACTOR,)),
        models=("doubler",),
        command=("-m", "multiplier_server"),
    )
}


class Groups(OpenProcess, frozen=True, kw_only=True, tag="groups"):
    options = (LoadOption("--group", "group", whole(1, 9), "--arrivals groups: requests at a time", "N"),)
    rate_rps: float
    group: int

    def schedule(self, seed):
        for number in range(10_000_000):
            yield np.full(self.group, round(number * self.group * 1e9 / self.rate_rps))
'''

SERVER = """
import argparse, json, tempfile, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from harness.system.control_channel import ControlChannel
from harness.wire.payload_bank import Bank, BankMeta

parser = argparse.ArgumentParser()
for flag in ("--port", "--model", "--knobs", "--control-fd"):
    parser.add_argument(flag)
options = parser.parse_args()
knobs = json.loads(options.knobs)


class Handler(BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", -1

    def do_POST(self):
        (tensor,) = json.loads(self.rfile.read(int(self.headers["content-length"])))["inputs"]
        data = [knobs["factor"] * number for number in tensor["data"]]
        body = json.dumps({"outputs": [{"name": "output", "datatype": "FP32", "data": data}]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def obey(message):
    knobs.update(message.get("set", {}))
    if "set" in message:
        control.send({"event": "set", "knobs": knobs})
    if "stop" in message:
        server.shutdown()


with tempfile.TemporaryDirectory() as folder, ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    inputs = np.arange(12, dtype=np.float32).reshape(4, 3) + 1
    meta = BankMeta(model=options.model, input_shape=(3,), output_shape=(3,))
    bank = Path(folder) / "bank.npz"
    Bank(meta, inputs, np.zeros(0, np.int64), 2 * inputs).save(bank)
    control = ControlChannel.inherited(int(options.control_fd))
    control.watch(obey, server.shutdown)
    control.send({"event": "ready", "url": f"http://127.0.0.1:{server.server_port}", "bank": str(bank)})
    server.serve_forever(0.01)
"""


@pytest.fixture
def harness(tmp_path):
    """Runs the command line with the package installed: its modules and its entry point are on the path."""
    (tmp_path / "multiplier.py").write_text(PACKAGE)
    (tmp_path / "multiplier_server.py").write_text(SERVER)
    metadata = tmp_path / "multiplier-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: multiplier\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[sweepspot.targets]\nmultiplier = multiplier:TARGETS\n[sweepspot.arrivals]\ngroups = multiplier:Groups\n"
    )
    path = os.pathsep.join((str(tmp_path), str(ROOT)))

    def run(*words):
        argv = [sys.executable, "-m", "harness", *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": path}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return run


def test_its_knob_is_listed_and_swept(harness, tmp_path):
    missing = harness("run", "--target", "multiplier", "--model", "doubler", "--arrivals", "groups", "--rate", 100)
    assert (missing.returncode, "--arrivals groups needs --group" in missing.stderr) == (2, True)
    listed = json.loads(harness("knobs", "multiplier", "--json").stdout)
    words = ("--target", "multiplier", "--model", "doubler", "--arrivals", "groups", "--group", 2, "--rate", 100)

    done = harness(
        "sweep", "factor", *words, "--seconds", "0.5s", "--warmup", "0.1s", "--repeats", 1, "--out", tmp_path / "run"
    )

    assert next(knob["swept"] for knob in listed if knob["name"] == "factor") == [2, 3]
    assert done.returncode in (0, 4), done.stderr  # 4: wrong predictions, or a busy machine
    with (tmp_path / "run" / "points.csv").open(newline="") as file:
        points = {row["factor"]: (int(row["ok"]), int(row["wrong"])) for row in csv.DictReader(file)}
    assert points["2"][0] > 20
    assert points["2"][1] == 0
    assert points["3"][0] == 0  # the live knob was turned: every prediction is wrong
    assert points["3"][1] > 20
    (path, _) = (tmp_path / "run").glob("trials/*/requests.parquet")
    due_ns = pq.read_table(path)["due_ns"].to_numpy()
    assert (np.diff(due_ns.reshape(-1, 2)) == 0).all()
    assert (np.diff(due_ns[::2]) == 20_000_000).all()
