import os
import socket
import textwrap

import pytest

from harness.errors import RunError, UserError
from harness.measure.target.embedded_server import EmbeddedServer
from harness.plan.knobs import KnobSet
from harness.plan.target_spec import EmbeddedTarget, find_target

pytestmark = pytest.mark.process


def scripted(tmp_path, code):
    """A target whose process runs `code`; `control` is its end of the channel."""
    script = tmp_path / "target.py"
    script.write_text(
        "import argparse, sys, time\n"
        "from harness.system.control_channel import ControlChannel\n"
        "parser = argparse.ArgumentParser()\n"
        "for flag in ('--port', '--model', '--knobs'): parser.add_argument(flag)\n"
        "parser.add_argument('--control-fd', type=int)\n"
        "options = parser.parse_args()\n"
        "control = ControlChannel.inherited(options.control_fd)\n" + textwrap.dedent(code)
    )
    return EmbeddedTarget(name="scripted", doc="", knobs=KnobSet("scripted", ()), models=(), command=(str(script),))


READY = "control.send({'event': 'ready', 'url': 'http://127.0.0.1:1', 'bank': '/b.npz', 'model': {'name': 'm'}})\n"
SERVE = "while (message := control.receive()) and not message.get('stop'): pass\n"


def test_a_real_target_starts_refuses_what_needs_a_restart_and_ends():
    stages = []
    spec = find_target("fixed")
    setting = spec.knobs.complete({})
    with EmbeddedServer(spec, "digits-mlp", setting, progress=lambda *stage: stages.append(stage)) as target:
        host, port = target.ready.url.removeprefix("http://").split(":")
        assert target.alive()
        assert target.ready.bank.exists()
        assert os.getpgid(target.pid) == target.pid != os.getpgid(0)
        with socket.create_connection((host, int(port)), timeout=5):
            pass
        with pytest.raises(UserError, match="restart"):
            target.set_knobs({"delay_ms": 1.0})
    assert not target.alive()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, int(port)), timeout=5)


def test_a_live_knob_is_set_once_the_target_says_so(tmp_path):
    code = (
        READY + "while not (message := control.receive()).get('stop'):\n"
        "    print(message['set'], flush=True)\n    control.send({'event': 'progress'})\n"
        "    control.send({'event': 'set', 'knobs': message['set']})\n"
    )
    log = tmp_path / "target.log"
    with EmbeddedServer(scripted(tmp_path, code), "m", {}, log=log) as target:
        target.set_knobs({"batch_size": 4})
        assert log.read_text() == "{'batch_size': 4}\n"


def test_it_is_pinned_where_asked():
    core = min(os.sched_getaffinity(0))
    spec = find_target("null")
    with EmbeddedServer(spec, "digits-mlp", spec.knobs.complete({}), cores=(core,)) as target:
        assert os.sched_getaffinity(target.pid) == {core}


def test_progress_comes_before_ready(tmp_path):
    stages = []
    code = "control.send({'event': 'progress', 'stage': 'training', 'done': 1, 'total': 2})\n" + READY + SERVE
    with EmbeddedServer(scripted(tmp_path, code), "m", {}, progress=lambda *stage: stages.append(stage)) as target:
        assert target.ready.model.name == "m"
    assert stages == [("training", 1, 2)]


def test_a_death_at_start_brings_its_last_words(tmp_path):
    log = tmp_path / "target.log"
    for kept in (log, None):
        target = EmbeddedServer(scripted(tmp_path, "print('a'); sys.exit('out of memory')"), "m", {}, log=kept)
        with pytest.raises(RunError, match=r"exit code 1: a \| out of memory"):
            target.start()
        assert not target.alive()
    assert "out of memory" in log.read_text()


def test_what_the_user_can_mend_is_a_user_error(tmp_path):
    code = "control.send({'event': 'error', 'message': 'no such model'}); sys.exit(2)"
    with pytest.raises(UserError, match="no such model"):
        EmbeddedServer(scripted(tmp_path, code), "m", {}).start()


def test_silence_is_not_waited_for_for_ever(tmp_path):
    target = EmbeddedServer(scripted(tmp_path, SERVE), "m", {})
    with pytest.raises(RunError, match="silence"):
        target.start(ready_timeout_s=0.5)
    assert not target.alive()


def test_one_that_will_not_stop_is_killed(tmp_path):
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + "time.sleep(60)"
    target = EmbeddedServer(scripted(tmp_path, code), "m", {})
    target.start()
    target.stop(timeout_s=0.2)
    assert not target.alive()


def test_one_that_dies_later_is_known_to_be_dead(tmp_path):
    target = EmbeddedServer(scripted(tmp_path, READY + "print('bye'); sys.exit(9)"), "m", {})
    target.start()
    with pytest.raises(RunError, match="died: bye"):
        target.set_knobs({"x": 1})
    target.stop()
    target.stop()
