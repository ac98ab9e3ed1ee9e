"""A protocol is one module and one entry in the registry: a made-up one is detected, spoken, checked and reported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from http_service import JsonHandler, served_by

ROOT = Path(__file__).parents[2]

PROTOCOL = '''
"""Numbers with semicolons between: a text of inputs is posted, a text of outputs comes back."""

import numpy as np

from harness.wire.codec import HttpCodec, WireError, http_post
from harness.wire.model_metadata import ask, read_document
from harness.wire.payload_bank import BankMeta
from harness.wire.protocol import WireProtocol


class SemicolonCodec(HttpCodec):
    name = "semicolons"

    def __init__(self, url, meta):
        self._url = url
        self._path = f"/semicolons/{meta.model}"

    def encode(self, item):
        return http_post(self._url, self._path, "", ";".join(map(str, item)).encode())

    def decode(self, body):
        try:
            return np.array([float(word) for word in body.split(b";")])
        except ValueError as error:
            raise WireError(str(error)) from error


def read_meta(url, model):
    return read_document(url, model, f"/semicolons/{model}/sizes", lambda name, sizes: BankMeta(
        model=name, input_shape=(sizes["inputs"],), output_shape=(sizes["outputs"],)))


SEMICOLONS = WireProtocol(
    name="semicolons",
    doc="numbers with semicolons between",
    make_codec=SemicolonCodec,
    is_spoken=lambda url, model: ask(url, "/semicolons").status == 200,
    read_meta=read_meta,
)
'''
ENTRY = """
from harness.wire.protocols import PROTOCOLS
from semicolons import SEMICOLONS

PROTOCOLS[SEMICOLONS.name] = SEMICOLONS
"""


@pytest.fixture
def url():
    """A server that doubles its inputs and speaks nothing but semicolons."""

    class Handler(JsonHandler):
        wbufsize = -1  # head and body in one segment

        def do_GET(self):
            known = {"/semicolons": b"yes", "/semicolons/doubler/sizes": b'{"inputs": 3, "outputs": 3}'}
            self.send(200 if self.path in known else 404, known.get(self.path, b"?"))

        def do_POST(self):
            words = self.rfile.read(int(self.headers["content-length"])).split(b";")
            self.send(
                200 if self.path == "/semicolons/doubler" else 404, b";".join(b"%r" % (2 * float(w)) for w in words)
            )

    with served_by(Handler) as url:
        yield url


@pytest.fixture
def harness(tmp_path):
    """Runs the command line with the protocol registered in each of its processes."""
    (tmp_path / "semicolons.py").write_text(PROTOCOL)
    (tmp_path / "sitecustomize.py").write_text(ENTRY)
    path = os.pathsep.join((str(tmp_path), str(ROOT)))

    def run(*words):
        argv = [sys.executable, "-m", "harness", *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": path}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return run


def counts_of(done):
    assert done.returncode in (0, 4), done.stderr  # 4: a busy machine
    (point,) = json.loads(done.stdout)["result"]["points"]
    return point["counts"]


def load_of(url):
    times = ("--seconds", "0.5s", "--warmup", "0.1s")
    return ("--target", url, "--model", "doubler", "--concurrency", 2, *times, "--json")


def test_a_new_protocol_is_detected_spoken_and_checked(harness, url, tmp_path):
    inputs = np.arange(12, dtype=np.float32).reshape(4, 3)
    expected = 2 * inputs
    expected[3] = 0  # which is wrong, so that the check is seen to read the numbers
    np.savez(tmp_path / "mine.npz", inputs=inputs, expected=expected)
    words = load_of(url)
    out = ("--out", tmp_path / "run")

    counts = counts_of(harness("run", *words, *out, "--bank", tmp_path / "mine.npz"))

    assert counts["ok"] > 20
    assert 0.2 < counts["wrong"] / (counts["ok"] + counts["wrong"]) < 0.3  # one payload of four
    assert '"protocol":"auto"' in (tmp_path / "run" / "run.json").read_text().replace(" ", "")


def test_payloads_are_made_from_its_metadata(harness, url, tmp_path):
    words = load_of(url)

    counts = counts_of(harness("sweep", "protocol=semicolons", *words, "--repeats", 1, "--out", tmp_path / "run"))

    assert counts["ok"] > 20
    assert counts["wrong"] == 0


def test_it_is_in_the_list_of_the_knob(harness):
    (knob,) = [knob for knob in json.loads(harness("knobs", "batched", "--json").stdout) if knob["name"] == "protocol"]

    assert "semicolons" in knob["legal"]
    assert "numbers with semicolons between" in knob["doc"]
