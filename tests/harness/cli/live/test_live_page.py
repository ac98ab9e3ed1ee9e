"""The live page: what it shows of a run, and to whom."""

import json
import socket
import struct
import threading
import urllib.error
import urllib.request

import msgspec
import pytest
from live_run import running_trial

from harness.cli.live.live_page import HOST, LiveServer, watched
from harness.cli.live.live_state import RunWatch
from harness.run.events import Note, RunStarted, TrialEnded, TrialProgress, TrialStarted


def feed(watch):
    watch(RunStarted(3))
    watch(TrialStarted("batch_size=1, 8 users"))
    text, doubts = "900 req/s, p99 5 ms", ("The load generator was busy",)
    watch(TrialEnded("batch_size=1, 8 users", text, rate_rps=900.0, p99_ms=5.0, doubts=doubts))
    watch(Note("2 of 3 points are still measured"))
    watch(TrialStarted("batch_size=4, 8 users"))
    watch(TrialProgress("batch_size=4, 8 users", "after 5 s", left_s=12.0))


def test_the_state_is_made_of_events_and_of_what_is_on_disk(tmp_path):
    watch = RunWatch(tmp_path)
    running_trial(tmp_path)
    feed(watch)
    state = watch.state()
    assert (state.name, state.done, state.total, state.left_s) == ("batch_size=4, 8 users", 1, 3, 12.0)
    assert [(trial.rate_rps, trial.p99_ms) for trial in state.trials] == [(900.0, 5.0)]
    found = "batch_size=1, 8 users: 900 req/s, p99 5 ms. The load generator was busy"
    assert state.lines == (found, "2 of 3 points are still measured")
    assert state.running.seconds >= 5  # more on a busy machine
    assert state.running.rate_rps == pytest.approx(500 / state.running.seconds, rel=0.01)
    assert state.running.failed == 3
    assert state.running.cpu_cores == {"target": pytest.approx(0.5), "load": pytest.approx(0.1)}


def test_without_a_running_trial_there_are_no_figures(tmp_path):
    watch = RunWatch(tmp_path)
    folder = running_trial(tmp_path)
    assert watch.state().running is not None
    (folder / "trial.json").write_text("{}")
    assert watch.state().running is None


def test_a_trial_that_was_killed_before_the_run_went_on_is_not_running(tmp_path):
    running_trial(tmp_path)
    assert RunWatch(tmp_path).state().running is None


def test_of_load_on_other_machines_no_cpu_time_is_shown(tmp_path):
    watch = RunWatch(tmp_path)
    report = running_trial(tmp_path) / "load.json"
    report.write_bytes(msgspec.json.encode(msgspec.json.decode(report.read_bytes()) | {"clock_error_ns": 200}))
    assert watch.state().running.cpu_cores == {"target": pytest.approx(0.5)}


@pytest.mark.process
def test_the_page_and_its_state_are_served_while_the_run_lasts(tmp_path, capsys):
    heard = []
    with watched(tmp_path, heard.append) as listener:
        feed(listener)
        url = capsys.readouterr().err.split("live: ")[1].strip()
        assert url.startswith("http://127.0.0.1:")
        page = urllib.request.urlopen(url, timeout=5).read().decode()
        assert "connect-src 'self'" in page
        assert len(page) < 30_000
        state = json.loads(urllib.request.urlopen(f"{url}state", timeout=5).read())
        assert (state["done"], state["ended"]) == (1, False)
    assert len(heard) == 6
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=5)


@pytest.mark.process
def test_a_name_that_leads_here_is_refused(tmp_path):
    server = LiveServer(RunWatch(tmp_path), b"page")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        url = f"http://{HOST}:{server.server_port}/state"
        named = urllib.request.Request(url, headers={"Host": f"localhost:{server.server_port}"})
        assert urllib.request.urlopen(named, timeout=5).status == 200
        foreign = urllib.request.Request(url, headers={"Host": f"evil.example:{server.server_port}"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(foreign, timeout=5)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.process
def test_a_browser_that_goes_in_the_middle_of_a_response_is_not_reported(tmp_path, capsys):
    server = LiveServer(RunWatch(tmp_path), b"page" * 5_000_000)
    server.daemon_threads = False  # so that closing waits for the response
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with socket.create_connection((HOST, server.server_port)) as browser:
        browser.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % server.server_port)
        browser.recv(100)
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it is reset
    server.shutdown()
    thread.join()
    server.server_close()
    assert capsys.readouterr().err == ""


@pytest.mark.process
def test_an_open_page_hears_that_the_run_was_interrupted(tmp_path, capsys):
    """The server waits for the question that comes within a second; the thread below asks it as a page does."""
    import threading

    heard, asking = [], []

    def ask(url):
        while not heard or not heard[-1]["ended"]:
            heard.append(json.loads(urllib.request.urlopen(f"{url}state", timeout=5).read()))

    def run():
        with watched(tmp_path, lambda _: None):
            asking.append(threading.Thread(target=ask, args=(capsys.readouterr().err.split("live: ")[1].strip(),)))
            asking[0].start()
            while not heard:
                pass
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    asking[0].join()  # the response may still be on its way when the server has ended
    assert (heard[0]["ended"], heard[-1]["ended"], heard[-1]["interrupted"]) == (False, True, True)
