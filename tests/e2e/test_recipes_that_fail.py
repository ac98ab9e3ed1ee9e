"""A recipe whose server dies, or never answers, or dies while it is measured: said, recorded, nothing left behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPE = """
name = "mine"
doc = "a server that fails"
models = ["m"]
protocol = "json:/predict?send=x&take=y"
command = ["{python}", "server.py", "{port}", "{when}"]
[ready]
path = "/"
timeout_s = 2
[knobs.when]
doc = "When it fails."
default = "start"
"""
SERVER = """
import http.server, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    posts = 0

    def do_GET(self):
        self.reply(503 if sys.argv[2] == "never-ready" else 200)

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        Handler.posts += 1
        if sys.argv[2] == "load" and Handler.posts > 5:
            print("out of memory", flush=True)
            os._exit(7)
        self.reply(400 if sys.argv[2] == "refuses" else 200)

    def reply(self, status):
        self.send_response(status)
        self.send_header("content-length", "7")
        self.end_headers()
        self.wfile.write(b'{"y":1}')

    def log_message(self, *_):
        pass

if sys.argv[2] == "start":
    sys.exit("cannot read the model")
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.mark.parametrize(
    ("when", "code", "says"),
    [
        ("start", 3, "mine: died at start with exit code 1: cannot read the model"),
        ("never-ready", 3, "mine: not ready after 2 s (GET / answers 503)"),
        ("refuses", 2, "the first request of m was refused (HTTP 400)"),
        ("load", 4, "the target died during the trial; see target.log"),
    ],
)
def test_a_server_that_fails_says_why_and_is_recorded(tmp_path, when, code, says):
    import numpy as np

    np.savez(tmp_path / "mine.npz", inputs=np.ones((4, 2), np.float32))
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "mine.toml").write_text(RECIPE)
    out = tmp_path / "run"
    words = ["run", f"when={when}", "--target", tmp_path / "mine.toml", "--bank", tmp_path / "mine.npz", "--out", out]
    quick = ["--concurrency", 2, "--seconds", 1, "--warmup", "0s", "--timeout", "2s"]
    argv = [sys.executable, "-m", "harness", *map(str, (*words, *quick))]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    (trial,) = (json.loads(path.read_text()) for path in out.glob("trials/*/trial.json"))
    assert not trial["finished"]
    assert says in trial["failure"]
    if when != "load":
        assert says in done.stderr
        assert len(done.stderr.strip().splitlines()[-1]) < 500
    else:
        assert "out of memory" in next(out.glob("trials/*/target.log")).read_text()
        assert trial["target_died"]
