"""Stands in for docker, podman, ssh and systemctl: what they start lives in a session of its own, as with them.

Run as `python stand_ins.py NAME WORDS...`, with the folder of pid files in STATE. Every server is `server.py PORT`, in
the folder where the command runs.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

STATE = Path(os.environ["STATE"])
HEALTH_S = 0.02


def begin(port: str, name: str) -> subprocess.Popen[bytes]:
    """Start the server, and remember it as `name`."""
    server = subprocess.Popen([sys.executable, "server.py", port], start_new_session=True)
    (STATE / name).write_text(str(server.pid))
    return server


def end(name: str, number: int = signal.SIGTERM) -> None:
    """Signal the server with that name, and wait until it has ended."""
    pid = int((STATE / name).read_text())
    try:
        while True:
            os.kill(pid, number)
            time.sleep(HEALTH_S)
    except ProcessLookupError:
        return


def in_front(port: str, name: str) -> None:
    """Start the server and wait for it; what ends this command ends the server, but for SIGKILL."""
    server = begin(port, name)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    sys.exit(server.wait())


def docker(words: list[str]) -> None:
    """Of docker and podman: pull, run, inspect, stop; and of docker compose: up, ps, down."""
    if words[0] == "run":
        in_front(words[words.index("-p") + 1].split(":")[1], words[words.index("--name") + 1])
    elif words[:2] == ["compose", "up"]:
        in_front(os.environ["PORT"], words[2])
    elif words[:2] == ["compose", "ps"]:
        print(words[-1])
    elif words[0] == "inspect":
        print((STATE / words[-1]).read_text())
    elif words[0] == "stop":
        end(words[1])
    elif words not in (["pull", "mine:1"], ["compose", "down"]):
        sys.exit(f"docker: {words[0]} is not known")


def ssh(words: list[str]) -> None:
    """With -tt the server gets HUP once the connection is lost, even by SIGKILL of this command."""
    port = re.search(r"--port (\d+)", words[-1])
    reading, writing = os.pipe()
    if os.fork() == 0:  # the other machine
        os.setsid()
        if os.fork():
            os._exit(0)
        os.close(writing)
        begin(port[1] if port else "", "ssh")
        os.read(reading, 1)
        end("ssh", signal.SIGHUP)
        os._exit(0)
    os.close(reading)
    os.wait()
    time.sleep(3600)


def systemctl(words: list[str]) -> None:
    """Start and stop of a user's unit; start returns at once."""
    if words[1] == "start":
        begin(os.environ["PORT"], "unit")
    else:
        end("unit")


if __name__ == "__main__":
    {"docker": docker, "podman": docker, "ssh": ssh, "systemctl": systemctl}[sys.argv[1]](sys.argv[2:])
