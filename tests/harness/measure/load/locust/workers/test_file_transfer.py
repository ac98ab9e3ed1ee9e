"""What a worker sends of its files, and what the master keeps of it."""

import pytest

from harness.measure.load.locust.workers.file_transfer import MOST_FILE_BYTES, FileTransfer, keep_shard
from harness.system.temporary_folder import OwnedFolder


class Wire:
    """A master at the other end that keeps what comes, in any order, twice."""

    def __init__(self, folder):
        self.folder = folder
        self.sent = []

    def send_message(self, kind, data):
        assert kind == "sweepspot_shard"
        self.sent.append(data)

    def deliver(self):
        for shard in [*reversed(self.sent), *self.sent]:
            keep_shard(self.folder, shard, "-1")


def test_files_arrive_whole_whatever_the_order(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.measure.load.locust.workers.file_transfer.CHUNK_BYTES", 1000)
    owned, here = OwnedFolder("worker", str(tmp_path)), tmp_path / "here"
    there = owned.path
    here.mkdir()
    wire = Wire(here)
    transfer = FileTransfer(wire, owned)
    content = bytes(range(256)) * 40
    (there / "requests-1.arrow").write_bytes(content[:3000])
    (there / "load-1.json").write_text("{}")
    (there / "tokens-1.arrow").write_bytes(b"tokens")
    transfer._send_new()
    before = len(wire.sent)
    (there / "requests-1.arrow").write_bytes(content)
    transfer.finish()
    assert sum(len(shard["data"]) for shard in wire.sent if shard["name"] == "requests-1.arrow") == len(content)
    assert before < len(wire.sent)
    assert not there.exists()
    wire.deliver()
    assert (here / "requests-1.arrow").read_bytes() == content
    assert (here / "tokens-1.arrow").read_bytes() == b"tokens"
    assert (here / "load-1.json").read_text() == "{}"


@pytest.mark.parametrize(
    "name",
    [
        "../evil-1.arrow",
        "run.json",
        "requests-1.arrow/x",
        "/etc/passwd",
        "load-1.json.bak",
        "requests-2.arrow",
        "load.json",
    ],
)
def test_a_name_that_is_not_a_workers_own_is_refused(tmp_path, name):
    keep_shard(tmp_path, {"name": name, "offset": 0, "data": b"x"}, "-1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("offset", [-1, MOST_FILE_BYTES, 1 << 62])
def test_a_part_beyond_the_longest_file_is_refused(tmp_path, offset):
    keep_shard(tmp_path, {"name": "requests-1.arrow", "offset": offset, "data": b"x"}, "-1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("requests.arrow", ""),
        ("load.json", ""),
        ("requests-12.arrow", "-12"),
        ("tokens.arrow", ""),
        ("load-3.json", "-3"),
    ],
)
def test_the_names_of_workers_own_are_kept_with_a_number_and_without(tmp_path, name, suffix):
    keep_shard(tmp_path, {"name": name, "offset": 0, "data": b"x"}, suffix)
    assert (tmp_path / name).read_bytes() == b"x"
