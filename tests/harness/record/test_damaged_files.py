"""Files of a run that were changed after they were written."""

import os
from array import array
from pathlib import Path

import msgspec
import pytest

from harness.errors import RunError, UserError
from harness.files import decode, pretty, sealed, unsealed
from harness.record.run_dir import RunDir
from harness.record.run_folder import kind_of
from harness.record.token_times import TokenRecorder, TokenTimes
from harness.record.trial_tables import read_tables
from tests.harness.record.test_recorder import recorded, row
from tests.harness.record.test_run_dir import PLAN, POINTS, TRIALS, end_trial, record

pytestmark = pytest.mark.process
NS = 10**9


class Document(msgspec.Struct):
    name: str
    count: int


SEALED = sealed(pretty(Document("a", 7)))


def test_a_sealed_document_is_read_as_it_was_and_is_json():
    assert msgspec.json.decode(SEALED)["count"] == 7
    assert unsealed(SEALED) == pretty(Document("a", 7))
    assert decode(SEALED, Document) == Document("a", 7)


def test_a_document_larger_than_any_of_ours_is_not_read(monkeypatch):
    monkeypatch.setattr("harness.files.MOST_JSON_BYTES", len(SEALED) - 1)
    with pytest.raises(msgspec.DecodeError, match="more than any that is written here"):
        decode(SEALED, Document)


@pytest.mark.parametrize("place", range(len(SEALED) - 20))
def test_no_changed_bit_of_a_sealed_document_is_believed(place):
    content = bytearray(SEALED)
    content[place] ^= 1
    try:
        found = decode(bytes(content), Document)
    except msgspec.DecodeError:
        return
    assert found == Document("a", 7)  # the change was in the seal itself


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"name": "\xff", "count": 1}', b"[" * 10_000,
                                     b'{"name": "a", "count": 1' + b"0" * 30 + b"}", b"null"])  # fmt: skip
def test_whatever_is_wrong_with_a_document_is_one_kind_of_error(content):
    with pytest.raises(msgspec.DecodeError):
        decode(content, Document)


def test_numbers_in_texts_and_after_the_point_may_be_long():
    content = b'{"name": "12345678901234567890", "count": 1, "share": 0.12345678901234567890}'
    assert decode(content, Document) == Document("12345678901234567890", 1)


@pytest.fixture
def run(tmp_path):
    run = RunDir.create(tmp_path / "run")
    run.write(record())
    return run


def test_a_changed_run_json_is_refused(run):
    path = run.path / "run.json"
    path.write_bytes(path.read_bytes().replace(b"sweep-batch_size", b"sweep-batch-size"))
    with pytest.raises(UserError, match="it was changed since it was written"):
        run.read()
    lines = [line for line in path.read_text().splitlines() if '"crc32"' not in line]
    path.write_text("\n".join(lines).replace(",\n}", "\n}"))
    assert run.read().plan.name == "sweep-batch-size"


def trial_with_rows(run, count=12):
    folder = run.trial(TRIALS[0], POINTS[0])
    folder.create()
    rows = [row(number, due_ns=NS + number, sent_ns=NS + number, done_ns=2 * NS) for number in range(count)]
    recorded(folder.path / "requests.arrow", rows)
    folder.path.joinpath("server.json").write_text("{}")
    return end_again(run, folder)


def end_again(run, folder):
    held = folder.path.rename(folder.path.with_name("held"))
    ended = end_trial(run, 0)
    for path in held.iterdir():
        path.rename(ended.path / path.name)
    ended.write(ended.read())
    return ended


def test_a_changed_file_of_a_trial_is_named_and_its_whole_rows_are_read(run):
    folder = trial_with_rows(run)
    data = run.trial_data(PLAN, TRIALS[0])
    assert (data.damaged, data.rows.num_rows) == ((), 12)
    path = folder.path / "requests.arrow"
    content = path.read_bytes()
    place = content.rindex((2 * NS).to_bytes(8, "little"))  # the last row's done_ns
    path.write_bytes(content[:place] + b"\x7f" * 8 + content[place + 8 :])
    data = run.trial_data(PLAN, TRIALS[0])
    assert data.damaged == ("requests.arrow",)
    assert data.rows["request"].to_pylist() == list(range(11))  # an instant of another century is no row


@pytest.mark.parametrize("cut", [0, 3, 100, 2000])
def test_a_cut_file_is_named(run, cut):
    folder = trial_with_rows(run)
    path = folder.path / "requests.arrow"
    path.write_bytes(path.read_bytes()[:cut])
    data = run.trial_data(PLAN, TRIALS[0])
    assert data.damaged == ("requests.arrow",)
    assert data.rows is None or data.rows.num_rows == 0


def test_a_removed_file_is_named(run):
    folder = trial_with_rows(run)
    (folder.path / "server.json").unlink()
    assert run.trial_data(PLAN, TRIALS[0]).damaged == ("server.json",)


def test_offsets_that_point_nowhere_crash_nothing(tmp_path):
    recorder = TokenRecorder(tmp_path / "tokens.arrow", 0)
    recorder.open()
    recorder.write([TokenTimes(number, array("q", [NS, NS + 1])) for number in range(5)])
    recorder.close()
    path = tmp_path / "tokens.arrow"
    content = path.read_bytes()
    offsets = array("i", [0, 2, 4, 6, 8, 10]).tobytes()
    assert content.count(offsets) == 1
    path.write_bytes(content.replace(offsets, array("i", [0, 2**30, -7, 2**31 - 1, 8, 10]).tobytes()))
    (tokens,) = read_tables(tmp_path, trusted=False).tokens
    assert tokens.num_rows == 0


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
@pytest.mark.parametrize("name", ["requests.arrow", "load.json", "server.json"])
def test_what_is_no_file_is_named_and_not_waited_for(run, name, make):
    folder = trial_with_rows(run)
    (folder.path / "load.json").touch()
    folder.write(folder.read())
    (folder.path / name).unlink()
    make(folder.path / name)
    data = run.trial_data(PLAN, TRIALS[0])
    assert name in data.damaged


def test_a_record_that_is_a_pipe_is_none(run):
    folder = trial_with_rows(run)
    for path in (folder.path / "trial.json", run.path / "run.json"):
        path.unlink()
        os.mkfifo(path)
    assert folder.read() is None
    assert kind_of(run.path) is None
    with pytest.raises(RunError, match="is no regular file"):
        run.read()
