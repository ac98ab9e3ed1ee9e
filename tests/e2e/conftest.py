"""A server of a user's own: the standard library, and the reference model's weights in NumPy."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from harness.measure.target.prepared_model import prepare_model
from tests.examples.processes import begun


def pytest_collection_modifyitems(items):
    """Tests with a long time limit begin first, so that the last ones are short and all workers end together."""
    items.sort(key=lambda item: -(mark.args[0] if (mark := item.get_closest_marker("timeout")) else 0))


@pytest.fixture(autouse=True)
def nothing_is_left():
    """A test that fails leaves nothing that would disturb the next."""
    yield
    while begun:
        with begun.pop() as process:
            process.kill()


SERVER = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import numpy as np

weights = np.load("weights.npz")
pool = ThreadPoolExecutor(int(sys.argv[3]))


def answer(rows):
    for number in range(3):
        rows = rows @ weights[f"w{number}"] + weights[f"b{number}"]
        rows = np.maximum(rows, 0) if number < 2 else np.exp(rows - rows.max(axis=1, keepdims=True))
    return rows / rows.sum(axis=1, keepdims=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.reply({"status": "ok"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.reply({"outputs": pool.submit(answer, np.array(body["inputs"])).result().tolist()})

    def reply(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def own_server(tmp_path):
    """A folder with `server.py` and its weights."""
    import h5py

    file = prepare_model("digits-mlp", "keras").file
    with zipfile.ZipFile(file) as archive, archive.open("model.weights.h5") as stream, h5py.File(stream) as stored:
        layers = [stored["layers"][name]["vars"] for name in ("dense", "dense_1", "dense_2")]
        arrays = {f"w{number}": np.array(layer["0"]) for number, layer in enumerate(layers)}
        arrays |= {f"b{number}": np.array(layer["1"]) for number, layer in enumerate(layers)}
    np.savez(tmp_path / "weights.npz", **arrays)
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "scenarios").symlink_to(Path(__file__).parents[2] / "scenarios")
    return tmp_path
