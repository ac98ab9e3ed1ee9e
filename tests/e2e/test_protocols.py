"""`sweep protocol`: one server, three protocols, the same answers."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_sweep_of_protocols_is_one_server_with_the_same_right_answers(tmp_path):
    out = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-m", "harness", "sweep", "protocol", "tls=on", "engine=onnxruntime", "--concurrency", "2",
         "--seconds", "0.5s", "--warmup", "0.1s", "--repeats", "1", "--out", str(out)],
        cwd=ROOT, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 4), done.stdout + done.stderr
    reports = {json.loads(path.read_text())["protocol"]: json.loads(path.read_text())
               for path in out.glob("trials/*/load.json")}  # fmt: skip
    assert set(reports) == {"http-json", "http-binary", "grpc"}
    for report in reports.values():
        assert report["ok"] == report["checked"] == report["sent"] > 0, report["errors"]
    urls = {json.loads(path.read_text())["target_url"] for path in out.glob("trials/*/trial.json")}
    assert {url.split(":")[0] for url in urls} == {"https", "grpcs"}
    assert len(urls) == 2  # the server was not started again between them
    header, *rows = (out / "points.csv").read_text().splitlines()
    column = header.split(",").index("protocol")
    assert sorted(row.split(",")[column] for row in rows) == sorted(reports)
