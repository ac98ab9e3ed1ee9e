"""A load whose server the harness has asked asks nothing again: the prompts stay those that were sent ahead."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

# In a process of its own: importing Locust patches the interpreter. Nothing listens at the port: a question fails.
SCRIPT = """
from types import SimpleNamespace
from harness.errors import UserError
from harness.measure.load.locust.resolve_target import resolve_target
from harness.plan.chat_shape import ChatShape
from harness.plan.load_settings import TrialLoad
from harness.plan.request_mix import CHAT, ClassShare, RequestClass
from harness.wire.server_url import free_ports

for salt in ("a1b2", ""):
    options = SimpleNamespace(target=None)
    host = SimpleNamespace(host=f"http://127.0.0.1:{free_ports(1)[0]}", user_classes=[], parsed_options=options)
    classes = (ClassShare(name="chat", request_class=RequestClass(verb=CHAT)),)
    load = TrialLoad(trial_dir="", classes=classes, protocol="openai", chat=ChatShape(salt=salt))
    try:
        print(resolve_target(host, load).settings)
    except UserError as error:
        print("asked" if "got no response" in str(error) else error)
"""


def test_a_load_of_the_harness_asks_nothing_and_one_that_a_user_starts_asks_the_server():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["{}", "asked"]
