"""Where Locust's own clients send the token of a load: real requests, in a process that Locust has patched."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

TOKEN = "a-token-for-one-host"
PROGRAM = """
import harness.users  # before anything else, as in a locustfile
import json, sys

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

from locust import FastHttpUser, HttpUser
from locust.env import Environment

from harness.measure.load.locust.current_run import play

seen = {}
NAMES = ("Authorization", "X-Api-Key")

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        seen.setdefault(self.server.server_port, []).append([self.headers.get(name) for name in NAMES])
        self.send_response(307 if self.path == "/moved" else 200)
        if self.path == "/moved":
            self.send_header("Location", other + "/c")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
for server in servers:
    Thread(target=server.serve_forever, daemon=True).start()
ours, other = (f"http://127.0.0.1:{server.server_port}" for server in servers)
bearer = "Bearer " + sys.argv[1]
access = SimpleNamespace(headers=(("X-Api-Key", "k3y"),), token="token", authorization=bearer, ca=None)
settings = SimpleNamespace(timeout_s=5.0)
elsewhere = SimpleNamespace(begin=lambda *_: 1, end=lambda _: None)
load = SimpleNamespace(access=access, settings=settings)
run = SimpleNamespace(host=ours, load=load, elsewhere=elsewhere, hold=lambda *, leaving: None)
role = SimpleNamespace(run=run, begun=SimpleNamespace(wait=lambda _: True))
for base in (HttpUser, FastHttpUser):
    kind = type("User", (base,), {"abstract": False, "host": other})  # as a page or a master may set it
    environment = Environment(user_classes=[kind], host=other)
    play(environment, role)
    client = kind(environment).client
    client.get("/a")
    client.get(ours + "/b")
    client.get(ours + "/moved")
print(json.dumps([seen[server.server_port] for server in servers]))
"""


def test_the_token_goes_to_the_host_that_the_run_began_with():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, TOKEN], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ours, other = json.loads(done.stdout)
    assert ours == [[f"Bearer {TOKEN}", "k3y"]] * 4  # /b and /moved, of both kinds of users
    assert other == [[None, None]] * 4  # /a, and /c where they were redirected to
