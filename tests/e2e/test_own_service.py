"""A service that speaks no known protocol: a key, nested JSON, refusals; measured by its URL and conditions alone."""

import contextlib
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from http_service import JsonHandler, served_by

ROOT = Path(__file__).parents[2]
KEY = "sesame-key-12"


def command_lines():
    found = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            found += path.read_bytes()
    return found


class Service(JsonHandler):
    command_lines: list = []  # noqa: RUF012  (of the machine, at each of the first good requests)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("x-api-key") != KEY:
            self.answer(403, {"detail": f"bad key {self.headers.get('x-api-key')}"})
            return
        if len(self.command_lines) < 5:
            self.command_lines.append(command_lines())
        text = json.loads(body)["input"]["text"]
        if not isinstance(text, str):
            what = {
                "type": "string_type",
                "loc": ["body", "input", "text"],
                "msg": "Input should be a string",
                "input": 5,
            }
            self.answer(422, {"detail": [what]})
            return
        self.answer(200, {"result": {"labels": [{"name": "long" if len(text) > 12 else "short", "score": 0.75}]}})


@pytest.fixture
def url():
    with served_by(Service) as url:
        yield f"{url}/v1/classify?k=1"


def harness(folder, url, *words):
    quick = ("--seconds", "0.5s", "--warmup", "0.1s", "--concurrency", "2")
    argv = [sys.executable, "-m", "harness", "run", "--target", url, *quick, *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MY_KEY": KEY}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_a_refusal_is_quoted_before_the_load_and_leaves_no_folder(tmp_path, url):
    refused = harness(tmp_path, url, "--header", "X-Api-Key: $MY_KEY", "--body", '{"input": {"text": 5}}')
    assert refused.returncode == 2
    assert "HTTP 422: body.input.text: Input should be a string" in refused.stderr
    wrong_key = harness(tmp_path, url, "--header", "X-Api-Key: another-secret", "--body", "{}", "--out", "a/b")
    assert (wrong_key.returncode, "HTTP 403" in wrong_key.stderr) == (2, True)
    assert "another-secret" not in wrong_key.stderr
    assert list(tmp_path.iterdir()) == []


def test_rows_of_data_are_sent_and_each_response_is_checked_against_its_row(tmp_path, url):
    (tmp_path / "rows.csv").write_text("text,label\nhello,short\na much longer one,long\n")
    (tmp_path / "key.txt").write_text(f"{KEY}\n")
    sent = ("--header", "X-Api-Key: @key.txt", "--body", '{"input": {"text": "{text}"}}', "--data", "rows.csv")
    expect = "status=200, $.result.labels[0].name = {label}, $.result.labels[*].score > 0.5"
    done = harness(tmp_path, url, *sent, "--expect", expect, "--out", "out")
    assert done.returncode in (0, 4, 5), done.stderr
    with (tmp_path / "out/points.csv").open(newline="") as file:
        (point,) = csv.DictReader(file)
    assert int(point["ok"]) > 0
    assert int(point["wrong"]) == int(point["error"]) == 0
    result = json.loads(next((tmp_path / "out/trials").glob("*/load.json")).read_text())
    assert result["checked"] == result["ok"] > 0
    assert "the server was not started here: its cores are not known." in (tmp_path / "out/report.html").read_text()
    assert Service.command_lines
    assert not any(KEY.encode() in lines for lines in Service.command_lines)
    assert KEY not in done.stdout + done.stderr
    assert not any(KEY.encode() in file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file())
