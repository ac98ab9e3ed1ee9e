"""Servers by recipe: real processes that start, die, stay silent, refuse to end, and leave children behind."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness.errors import RunError, UserError
from harness.measure.target.listening_process import server_process
from harness.measure.target.recipe_server import RecipeServer
from harness.plan.server_recipe import load_recipe
from harness.wire.server_url import free_ports
from tests.examples.processes import wait_for, wait_for_end

pytestmark = pytest.mark.process

SERVER = """
import http.server, json, os, signal, subprocess, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"argv": sys.argv[2:], "env": os.environ.get("MODE"), "cwd": os.getcwd()}).encode()
        self.send_response(503 if "busy" in sys.argv else 200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "parent" in sys.argv:
    print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
if "dies" in sys.argv:
    sys.exit("cannot open the model file")
print("model is loaded", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

RECIPE = """
name = "toy"
doc = "a toy"
models = ["m"]
command = ["{python}", "server.py", "{port}", "{word}", "{flag}"]
env = { MODE = "mode-{word}" }

[ready]
path = "/"
timeout_s = 10

[stop]
timeout_s = 0.5

[knobs.word]
doc = "A word."
default = "plain"

[knobs.flag]
doc = "A switch."
default = ""
"""


@pytest.fixture
def make(tmp_path):
    started = []

    def start(text=RECIPE, log=None, **setting):
        (tmp_path / "server.py").write_text(SERVER)
        (tmp_path / "recipe.toml").write_text(text)
        recipe = load_recipe(tmp_path / "recipe.toml")
        complete = recipe.knob_set().complete(setting)
        started.append(RecipeServer(recipe, "m", complete, log=log))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def ask(url):
    from urllib.request import urlopen

    with urlopen(url, timeout=5) as answer:
        return json.load(answer)


def test_a_server_gets_its_knobs_and_its_own_folder(make, tmp_path):
    log = tmp_path / "target.log"
    server = make(word="hello", log=log)
    ready = server.start()
    # A word that became empty is left out.
    assert ask(ready.url) == {"argv": ["hello"], "env": "mode-hello", "cwd": str(tmp_path)}
    assert ready.bank is None
    assert server.alive()
    assert "model is loaded" in log.read_text()
    server.stop()
    assert not server.alive()


def test_one_that_dies_says_its_last_words(make, tmp_path):
    with pytest.raises(RunError, match=r"toy: died at start with exit code 1: cannot open the model file"):
        make(word="dies", log=tmp_path / "target.log").start()


def test_one_that_never_gets_ready_says_what_was_missing_and_where_to_wait_longer(make):
    server = make(RECIPE.replace("timeout_s = 10", "timeout_s = 1"), word="busy")
    with pytest.raises(RunError, match=r"not ready after 1 s \(GET / answers 503\).*model is loaded.*ready\.timeout_s"):
        server.start()
    assert not server.alive()


def test_a_line_of_the_output_can_be_waited_for(make, tmp_path):
    waits = RECIPE.replace('path = "/"', 'path = "/"\nline = "model is (loaded|there)"')
    assert make(waits, log=tmp_path / "target.log").start()
    never = waits.replace("loaded|there", "gone").replace("timeout_s = 10", "timeout_s = 1")
    with pytest.raises(RunError, match=r"no line of its output matches"):
        make(never).start()


def test_a_line_that_an_earlier_start_wrote_does_not_count(make, tmp_path):
    log = tmp_path / "target.log"
    log.write_text("model is loaded\n")
    with pytest.raises(RunError, match="died at start"):
        make(RECIPE.replace('path = "/"', 'line = "loaded"'), word="dies", log=log).start()


def test_one_that_ignores_the_signal_is_killed_with_its_children(make, tmp_path):
    log = tmp_path / "target.log"
    server = make(word="stubborn", flag="parent", log=log)
    server.start()
    child = int(log.read_text().split()[0])
    pid = server.pid
    server.stop()
    wait_for_end(pid)
    wait_for_end(child)


def test_a_command_that_is_not_there_is_the_users_to_mend(make):
    with pytest.raises((UserError, RunError), match=r"toy.*(no-such-program)"):
        make(RECIPE.replace('"{python}"', '"no-such-program"')).start()


def test_a_server_that_is_not_installed_says_how(make, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "needs.txt").write_text("nothing\n")
    with pytest.raises(UserError, match=r"toy: not installed; run `python -m harness prepare .*recipe\.toml`"):
        make(RECIPE.replace('doc = "a toy"', 'doc = "a toy"\nrequirements = "needs.txt"')).start()


def test_a_server_does_not_outlive_a_killed_harness(make, tmp_path):
    server = make()
    code = (
        "import sys; from pathlib import Path\n"
        "from harness.measure.target.recipe_server import RecipeServer\n"
        "from harness.plan.server_recipe import load_recipe\n"
        "recipe = load_recipe(Path(sys.argv[1]))\n"
        "server = RecipeServer(recipe, 'm', recipe.knob_set().complete({}))\n"
        "server.start(); print(server.pid, flush=True); sys.stdin.read()\n"
    )
    del server
    argv = [sys.executable, "-c", code, str(tmp_path / "recipe.toml")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[4]) as parent:
        pid = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    wait_for_end(pid)


COMMAND = '["{python}", "server.py", "{port}", "{word}", "{flag}"]'
LEAVES = RECIPE.replace(COMMAND, '["sh", "start.sh", "{python}", "{port}", "{word}", "{flag}"]')
SCRIPT = 'nohup setsid "$1" server.py "$2" "$3" $4 > left.log 2>&1 &\n'


@pytest.mark.parametrize("flag", ["", "stubborn", "parent"])
def test_a_server_that_leaves_the_command_which_started_it_is_found_watched_and_ended(make, tmp_path, flag):
    (tmp_path / "start.sh").write_text(SCRIPT)
    server = make(LEAVES, flag=flag)
    ready = server.start()
    port = int(ready.url.rpartition(":")[2])
    pid = server.pid
    assert pid is not None
    assert any(each.laddr.port == port for each in psutil.Process(pid).net_connections("tcp"))
    assert server.alive()
    left = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    server.stop()
    for each in left:
        wait_for_end(each)
    assert not server.alive()


@pytest.mark.parametrize("flag", ["", "stubborn"])
def test_a_server_that_is_no_child_of_its_command_is_ended_after_it(make, tmp_path, flag):
    (tmp_path / "start.sh").write_text('(setsid "$1" server.py "$2" "$3" $4 > left.log 2>&1 &)\nexec sleep 60\n')
    server = make(LEAVES, flag=flag)
    server.start()
    pid = server.pid
    assert pid is not None
    assert psutil.Process(pid).ppid() != os.getpid()
    server.stop()
    wait_for_end(pid)


def test_a_server_that_was_left_behind_and_dies_is_dead(make, tmp_path):
    (tmp_path / "start.sh").write_text(SCRIPT)
    server = make(LEAVES)
    server.start()
    os.kill(server.pid, signal.SIGKILL)
    wait_for_end(server.pid)
    assert not server.alive()


def test_commands_before_and_after_and_those_that_stop_it_and_name_its_process(make, tmp_path):
    (tmp_path / "start.sh").write_text(SCRIPT + "echo $! > pid")
    more = """before = [["sh", "-c", "echo before {word} >> hooks"]]
after = [["sh", "-c", "echo after {word} >> hooks"]]
pid_command = ["cat", "pid"]
"""
    stop = '[stop]\ncommand = ["sh", "-c", "echo stop >> hooks; kill $(cat pid)"]\n'
    server = make(more + LEAVES.replace("[stop]\n", stop), word="w")
    server.start()
    assert server.pid == int((tmp_path / "pid").read_text())
    pid = server.pid
    server.stop()
    wait_for_end(pid)
    assert (tmp_path / "hooks").read_text().split("\n") == ["before w", "stop", "after w", ""]


def test_a_command_before_the_start_that_fails_is_quoted_and_nothing_is_started(make):
    server = make('before = [["sh", "-c", "echo no such image >&2; exit 3"]]\n' + RECIPE)
    with pytest.raises(RunError, match=r"toy: sh -c .* ended with exit code 3: no such image"):
        server.start()
    assert server.pid is None


def test_without_a_condition_a_server_is_ready_once_it_accepts_connections(make):
    server = make(RECIPE.replace('[ready]\npath = "/"', "[ready]"))
    assert ask(server.start().url)["argv"] == ["plain"]


def test_a_server_that_speaks_grpc_alone_has_its_only_url_for_it(make):
    grpc = 'url = "grpc://127.0.0.1:{port}"\n'
    ready = make(grpc + RECIPE.replace('[ready]\npath = "/"', "[ready]")).start()
    assert ready.url_for("grpc-method") == ready.url


def test_nothing_is_said_of_the_processes_of_another_machine():
    assert server_process(os.getpid(), "192.0.2.1", 80) is None


@pytest.mark.parametrize(("name", "known"), [("serve", True), ("ssh", False), ("docker-proxy", False)])
def test_what_only_forwards_to_a_server_is_not_taken_for_it(name, known):
    code = (
        "import socket, sys; open('/proc/self/comm', 'w').write(sys.argv[1])\n"
        "it = socket.create_server(('127.0.0.1', 0)); print(it.getsockname()[1], flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, name]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as listening:
        port = int(listening.stdout.readline())
        for started in (listening.pid, None):
            assert server_process(started, "127.0.0.1", port) == (listening.pid if known else None)
        listening.stdin.close()


ROOT = Path(__file__).parents[4]
WAYS = re.findall(
    r"^\| (docker, podman|a compose service|another machine|systemd) \| (.*) \|$",
    (ROOT / "targets/external/README.md").read_text(),
    re.MULTILINE,
)
WAYS = [*WAYS, ("podman", dict(WAYS)["docker, podman"].replace('"docker"', '"podman"'))]


@pytest.fixture
def documented(tmp_path):
    """Writes the recipe that a row of the document makes, for commands that stand in for those of the row."""
    (tmp_path / "bin").mkdir()
    for name in ("docker", "podman", "ssh", "systemctl"):
        command = tmp_path / "bin" / name
        command.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/examples/stand_ins.py {name} "$@"\n')
        command.chmod(0o755)

    def write(number):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "server.py").write_text(SERVER)
        (port,) = free_ports(1)
        # The document has ports, machines and paths of its own; a unit file would say the port.
        words = WAYS[number][1].replace("gpu1:", "127.0.0.1:").replace("8000", str(port)).replace("/predict", "")
        words = words.replace(f"127.0.0.1:{{port}}:{port}", f"127.0.0.1:{port}:{port}")
        keys = re.findall(r"`([^`]*)`", words)
        environment = next((key for key in keys if key.startswith("env")), 'env = { W = "{workers}" }')
        places = f'PATH = "{tmp_path}/bin:{os.environ["PATH"]}", STATE = "{folder}", PORT = "{port}"'
        (folder / "way.toml").write_text("\n".join((
            'name = "mine"', 'doc = "a server"', f'url = "http://127.0.0.1:{port}"',
            environment.replace("{ ", f"{{ {places}, ", 1),
            *(key for key in keys if not key.startswith(("env", "url", "[stop]"))),
            *(key.replace("] ", "]\n") for key in keys if key.startswith("[stop]")),
            "[knobs.workers]", 'doc = "Processes."', "default = 1",
        )))  # fmt: skip
        return folder

    return write


def pid_in(folder):
    """The process that the stand-in has started."""
    names = wait_for(lambda: [path for path in folder.iterdir() if path.name in ("mine", "ssh", "unit")])
    return int(names[0].read_text())


@pytest.mark.parametrize("number", range(len(WAYS)), ids=[name for name, _ in WAYS])
def test_each_documented_way_to_start_a_server_finds_its_process_and_ends_it(documented, number):
    folder = documented(number)
    recipe = load_recipe(folder / "way.toml")
    server = RecipeServer(recipe, "mine", recipe.knob_set().complete({}))
    try:
        assert "argv" in ask(server.start().url)
        assert server.pid == pid_in(folder)
    finally:
        server.stop()
    wait_for_end(pid_in(folder))


def test_no_documented_way_leaves_a_server_behind_a_killed_harness(documented):
    folders = [documented(number) for number in range(len(WAYS))]
    code = (
        "import sys; from pathlib import Path\n"
        "from harness.measure.target.recipe_server import RecipeServer\n"
        "from harness.plan.server_recipe import load_recipe\n"
        "servers = []\n"
        "for path in sys.argv[1:]:\n"
        "    recipe = load_recipe(Path(path) / 'way.toml')\n"
        "    servers.append(RecipeServer(recipe, 'mine', recipe.knob_set().complete({})))\n"
        "    servers[-1].start()\n"
        "print(flush=True); sys.stdin.read()\n"
    )
    argv = [sys.executable, "-c", code, *map(str, folders)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout.readline() == b"\n"
        pids = [pid_in(folder) for folder in folders]
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    for pid in pids:
        wait_for_end(pid)
