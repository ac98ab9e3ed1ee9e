"""What other generators print, as they printed it, and what that says."""

import sys

import pytest

from harness.calibration.peers import PEERS, PeerRun, chosen_peers
from harness.errors import UserError

WRK = """Running 2s test @ http://127.0.0.1:44261/v2/models/digits-mlp/infer
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    78.59ms    8.44ms  93.77ms   95.50%
    Req/Sec   200.55      2.46   202.00     99.50%
  Latency Distribution
     50%   79.99ms
     75%   80.01ms
     90%   80.13ms
     99%   1.02s
  399 requests in 2.00s, 172.22KB read
  Socket errors: connect 0, read 3, write 0, timeout 8
  Non-2xx or 3xx responses: 30
Requests/sec:    199.48
Transfer/sec:     86.10KB
"""
HEY = """
Summary:
  Total:	2.0058 secs
  Slowest:	0.0114 secs
  Fastest:	0.0050 secs
  Average:	0.0072 secs
  Requests/sec:	199.4200

Latency distribution:
  10% in 0.0052 secs
  50% in 0.0060 secs
  99% in 0.0110 secs

Status code distribution:
  [200]	290 responses
  [500]	10 responses

Error distribution:
  [100]	Post "http://127.0.0.1:38607/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)
"""
LOCUST = """\
         Aggregated         326     13(3.99%) |     78       6     122     80 |  191.46        0.00

Response time percentiles (approximated)
         Aggregated              80     80     80     80     82     84     94    110    120    120    120    326
"""


@pytest.fixture
def run(tmp_path):
    body = tmp_path / "body.json"
    body.write_text("{}")
    return PeerRun(
        url="http://127.0.0.1:1/x", body=body, seconds=2, users=4, rate_rps=200, timeout_s=1, folder=tmp_path
    )


def test_wrk(run):
    said = PEERS["wrk"].read(WRK, run)
    assert said == {
        "rows": 399,
        "throughput_rps": 199.48,
        "p50_ms": 79.99,
        "p99_ms": 1020,
        "max_ms": 93.77,
        "failed_share": 41 / 410,
    }


def test_hey(run):
    said = PEERS["hey"].read(HEY, run)
    assert (said["rows"], said["throughput_rps"], said["failed_share"]) == (400, 199.42, 110 / 400)
    assert [said["p50_ms"], said["p99_ms"], said["max_ms"]] == pytest.approx([6.0, 11.0, 11.4])
    assert "-q 50" in " ".join(PEERS["hey"].command(run))


def test_locust(run):
    said = PEERS["locust"].read(LOCUST, run)
    assert said == {
        "rows": 326,
        "throughput_rps": 191.46,
        "p50_ms": 80,
        "p99_ms": 110,
        "max_ms": 122,
        "failed_share": 13 / 326,
    }
    assert "--per-user-rate=50" in PEERS["locust"].command(run)


@pytest.mark.parametrize("name", PEERS)
def test_what_cannot_be_read_is_no_number(name, run):
    with pytest.raises(LookupError):
        PEERS[name].read("it crashed\n", run)


def test_peers_are_chosen_by_name(monkeypatch):
    assert PEERS["locust"].program == sys.executable
    monkeypatch.setattr("shutil.which", lambda program: "/usr/bin/hey" if program == "hey" else None)
    assert [peer.name for peer in chosen_peers(("all",))] == ["hey", "locust"]
    assert [peer.name for peer in chosen_peers(("locust", "hey"))] == ["locust", "hey"]
    with pytest.raises(UserError, match="not installed"):
        chosen_peers(("wrk",))
    with pytest.raises(UserError, match="did you mean 'hey'"):
        chosen_peers(("whey",))
