"""A locustfile whose users know no target of ours, and no --host: plain Locust would name --host, and so does this."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

USERS = {
    "HttpUser": "class Visitor({user}):\n    @task\n    def visit(self):\n        self.client.get('/')\n",
    "User": "class Visitor({user}):\n    wait_time = constant(0.01)\n\n    @task\n    def visit(self):\n        "
    "self.environment.events.request.fire(request_type='own', name='call', response_time=1.0, response_length=1,\n"
    "            exception=None, context={{}})\n",
}


def locust(tmp_path, user, *words):
    file = tmp_path / "own.py"
    head = "from locust import HttpUser, User, constant, task\n\n\n"
    file.write_text(head + USERS[user].format(user=user))
    argv = [sys.executable, "-m", "harness", "locust", "-f", str(file), "--out", str(tmp_path / "run"), *words]
    load = ("--headless", "-u", "1", "-r", "1", "-t", "1s")
    return subprocess.run([*argv, *load], check=False, capture_output=True, text=True, timeout=120, cwd=tmp_path)


def test_users_of_locusts_clients_need_a_host(tmp_path):
    done = locust(tmp_path, "HttpUser")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("error: --host: the users in ")
    assert not (tmp_path / "run").exists()


def test_users_with_a_client_of_their_own_need_none(tmp_path):
    done = locust(tmp_path, "User", "--json")
    assert "batched" not in done.stderr
    assert json.loads(done.stdout)[0]["name"] == "call"  # nothing of ours is in Locust's own JSON
    assert (tmp_path / "run" / "run.json").is_file(), done.stderr
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["isolated"], record["target_cores"]) == (None, None)
    assert record["isolation"].endswith("; the server was not started here: its cores are not known.")
