"""`tune` on a server by recipe: killed with -9 and resumed, settings that fail, spaces that cannot be searched."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.examples.processes import alive, wait_for

ROOT = Path(__file__).parents[2]
RECIPE = """
name = "mine"
doc = "a server with knobs"
models = ["m"]
protocol = "json:/predict?send=x&take=y"
command = ["{python}", "server.py", "{port}", "{delay_ms}", "{mode}", "{pool}"]
[ready]
path = "/"
timeout_s = 5
[knobs.delay_ms]
doc = "How long a response takes."
default = 20
values = [20, 10, 5]
[knobs.mode]
doc = "Whether it works."
default = "good"
values = ["good", "broken"]
[knobs.pool]
doc = "Responses at the same time."
default = 1
values = [1, 4]
"""
SERVER = """
import http.server, os, sys, threading, time

with open("starts.txt", "a") as file:
    file.write(" ".join([str(os.getpid()), *sys.argv[2:]]) + "\\n")
if sys.argv[3] == "broken":
    sys.exit("cannot read the model")
room = threading.Semaphore(int(sys.argv[4]))

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.reply()

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        with room:
            time.sleep(float(sys.argv[2]) / 1e3)
        self.reply()

    def reply(self):
        self.send_response(200)
        self.send_header("content-length", "7")
        self.end_headers()
        self.wfile.write(b'{"y":1}')

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer.request_queue_size = 64
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
SHORT = ("--seconds", "0.5s", "--warmup", "0.1s", "--concurrency", "2,4,8")


@pytest.fixture
def server(tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "payloads.jsonl").write_text('{"x": [1, 2]}\n')
    return tmp_path


def tune(server, *words):
    argv = [sys.executable, "-m", "harness", "tune", *words]
    return argv, {"cwd": ROOT, "text": True, "env": os.environ}


def begin(server, *words):
    out = server / "run"
    given = ("--target", str(server / "recipe.toml"), "--bank", str(server / "payloads.jsonl"), "--out", str(out))
    return out, *tune(server, *given, *SHORT, *words)


def records(out):
    return [json.loads(path.read_text()) for path in sorted(out.glob("trials/*/trial.json"))]


def test_killed_with_9_and_resumed_it_loses_and_repeats_nothing(server):
    out, argv, options = begin(server, "--budget", "17s", "--slo", "p99<2s")
    process = subprocess.Popen(argv, **options, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(records(out)) >= 3 or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = records(out)
    argv, options = tune(server, "--resume", str(out), "--json")
    done = subprocess.run(argv, **options, capture_output=True, timeout=110, check=False)
    assert done.returncode in (0, 4, 8), done.stderr  # 4, 8: the machine was too busy
    after = records(out)
    plan = json.loads((out / "run.json").read_text())["plan"]
    assert [each["trial"]["number"] for each in after] == list(range(len(plan["trials"])))
    kept = {each["trial"]["number"]: each for each in after}
    assert all(kept[each["trial"]["number"]] == each for each in before if each["finished"])
    assert after[0]["point"]["setting"] == {"delay_ms": 20, "mode": "good", "pool": 1}

    broken = Counter(line.split(" ", 1)[1] for line in (server / "starts.txt").read_text().splitlines())
    twice = [setting for setting, count in broken.items() if "broken" in setting and count > 1]
    assert len(twice) <= 1  # the one that was being started when the search was killed
    pids = [int(line.split()[0]) for line in (server / "starts.txt").read_text().splitlines()]
    assert not any(map(alive, pids))

    tuning = json.loads(done.stdout)["result"]["tuning"]
    assert tuning["settings"] == 12
    assert len(tuning["steps"]) == len(after)
    assert all("cannot read the model" in each["reason"] for each in tuning["failed"])
    page = (out / "report.html").read_text()
    assert "The path of the search" in page
    assert "could not be served" in (out / "summary.md").read_text() or not tuning["failed"]


def test_a_space_in_which_nothing_starts_is_said_and_recorded(server):
    (server / "server.py").write_text("import sys; sys.exit('no such device')")
    out, argv, options = begin(server, "--budget", "60s")
    done = subprocess.run(argv, **options, capture_output=True, timeout=110, check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("error: none of 6 settings could be started, the last: mine: died")
    assert "no such device" in (out / "summary.md").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--budget", "3s"), "--budget 3s: the default, one other setting and fresh trials of both take about 12 s"),
        (("mode=good", "pool=1", "delay_ms=5"), "no knob is left that `tune` turns by itself"),
        (("protocol=http-json,http-binary",), "protocol: `tune` turns knobs of the target"),
        (("--precision", "5%"), "--precision: `tune` decides how often each setting is measured"),
    ],
)
def test_what_cannot_be_tuned_is_one_line(server, words, says):
    _, argv, options = begin(server, *words)
    done = subprocess.run(argv, **options, capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_while_time_is_left_the_final_asks_again_whether_a_limit_is_kept(server):
    # Half a second has too few responses to say so of a p99: it takes several trials of the same load.
    out, argv, more = begin(server, "delay_ms=20,5", "--budget", "90s", "--slo", "p99<2s")
    done = subprocess.run(argv, **more, capture_output=True, timeout=200, check=False)
    assert done.returncode in {0, 4, 8}, done.stdout  # 4, 8: the machine was too busy
    fresh = [each["trial"]["point"] for each in records(out) if each["trial"]["kind"] == "confirm"]
    assert max(Counter(fresh).values()) > 1
    assert done.returncode or "delay_ms=5" in done.stdout.split(" sustains ")[0].splitlines()[-1]
