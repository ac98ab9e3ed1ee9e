import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from harness.record.arrow_stream import rescue_folder
from harness.record.recorder import Recorder, read_rows
from harness.record.rows import ABSENT, COLUMNS, Outcome, Phase

NAMES = [name for name, *_ in COLUMNS]


def row(number, **given):
    values = dict.fromkeys(NAMES, ABSENT) | {"request": number, "due_ns": 10 * number, "worker": 0, "request_class": 0}
    values |= {"outcome": Outcome.OK, "phase": Phase.MEASURE, "checked": 1} | given
    return [int(values[name]) for name in NAMES]


def recorded(path, rows):
    recorder = Recorder(path)
    recorder.open()
    for values in rows:
        recorder.add(values)
    recorder.write(recorder.take())
    recorder.close()
    return recorder


def test_rows_come_back_in_order_and_whole(tmp_path):
    path = tmp_path / "requests.arrow"
    recorder = recorded(path, [row(n, done_ns=2**62 + n, status=200, payload=n) for n in range(11)])
    table = read_rows(path)
    assert (recorder.rows_added, recorder.rows_written, recorder.error) == (11, 11, None)
    assert table.column("request").to_pylist() == list(range(11))
    assert table.column("done_ns").to_pylist() == [2**62 + n for n in range(11)]
    assert table.column("payload").to_pylist() == list(range(11))


def test_absent_is_null_and_zero_is_zero(tmp_path):
    path = tmp_path / "requests.arrow"
    recorded(path, [row(0, sent_ns=ABSENT, status=0), row(1, sent_ns=0, status=ABSENT)])
    table = read_rows(path)
    assert table.column("sent_ns").to_pylist() == [None, 0]
    assert table.column("status").to_pylist() == [0, None]
    assert table.column("queue_ns").to_pylist() == [None, None]


def test_taken_rows_are_not_written_over(tmp_path):
    recorder = Recorder(tmp_path / "requests.arrow")
    recorder.open()
    recorder.add(row(1))
    taken = recorder.take()
    recorder.add(row(2))
    recorder.add(row(3))
    recorder.add(row(4))
    assert taken["request"].tolist() == [1]
    assert recorder.take()["request"].tolist() == [2, 3, 4]
    assert recorder.take().size == 0


@pytest.mark.slow
def test_a_truncated_tail_costs_only_the_last_batch(tmp_path):
    path = tmp_path / "requests.arrow"
    recorder = Recorder(path)
    recorder.open()
    sizes = []
    for start in (0, 5, 10):
        for number in range(start, start + 5):
            recorder.add(row(number))
        recorder.write(recorder.take())
        sizes.append(path.stat().st_size)
    recorder.close()
    whole = path.read_bytes()
    for cut in range(sizes[1], sizes[2]):
        path.write_bytes(whole[:cut])
        assert read_rows(path).column("request").to_pylist() == list(range(10))
    for cut in (20, 0):
        path.write_bytes(whole[:cut])
        assert read_rows(path).num_rows == 0


def test_a_cut_and_a_whole_shard_can_be_put_together(tmp_path):
    recorded(tmp_path / "a", [row(0), row(1)])
    recorded(tmp_path / "b", [row(2)])
    (tmp_path / "b").write_bytes((tmp_path / "b").read_bytes()[:-30])
    assert pa.concat_tables([read_rows(tmp_path / "a"), read_rows(tmp_path / "b")]).num_rows in (2, 3)


@pytest.mark.process
def test_the_file_outlives_kill_9(tmp_path):
    path = tmp_path / "requests.arrow"
    code = f"""
        import sys, time
        from pathlib import Path
        from harness.record.recorder import Recorder
        recorder = Recorder(Path({str(path)!r}))
        recorder.open()
        for number in range(1000):
            recorder.add({row(7)!r})
        recorder.write(recorder.take())
        recorder.add({row(8)!r})
        print("flushed", flush=True)
        time.sleep(60)
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"flushed\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert read_rows(path).column("request").to_pylist() == [7] * 1000


@pytest.mark.process
def test_a_full_disk_is_kept_and_counted(tmp_path):
    path = tmp_path / "requests.arrow"
    code = f"""
        import resource, signal
        from pathlib import Path
        from harness.record.recorder import Recorder
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        recorder = Recorder(Path({str(path)!r}))
        recorder.open()
        for _ in range(4):
            for _ in range(400):
                recorder.add({row(7)!r})
            recorder.write(recorder.take())
        recorder.close()
        print(recorder.rows_added, recorder.rows_written, recorder.error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    added, written, error = done.stdout.split(maxsplit=2)
    assert int(added) == 1600 > int(written)
    assert "File too large" in error
    assert read_rows(path).num_rows == int(written)


def test_a_folder_that_cannot_be_written_is_an_error_not_a_crash(tmp_path):
    recorder = recorded(tmp_path / "missing" / "requests.arrow", [row(0)])
    assert recorder.rows_written == 0
    assert "requests.arrow" in recorder.error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_no_space_left():
    recorder = recorded(Path("/dev/full"), [row(n) for n in range(100)])
    assert recorder.rows_written == 0
    assert "No space left" in recorder.error


def test_every_value_comes_into_its_column(tmp_path):
    recorder = Recorder(tmp_path / "x")
    recorder.add(range(1, len(NAMES) + 1))
    taken = recorder.take()
    assert [int(taken[name][0]) for name in NAMES] == list(range(1, len(NAMES) + 1))
    assert isinstance(taken, np.ndarray)


def test_columns_that_are_not_noted_are_absent_or_null(tmp_path):
    path = tmp_path / "requests.arrow"
    recorder = Recorder(path, noted=("due_ns", "status"))
    recorder.open()
    recorder.add((10, 200))
    recorder.add((2**62, ABSENT))
    assert (recorder.rows_waiting, recorder.rows_added) == (2, 2)
    rows = recorder.take(("worker", "queue_ns", "due_ns"))
    assert (recorder.rows_waiting, recorder.rows_added) == (0, 2)
    assert rows["queue_ns"].tolist() == [ABSENT, ABSENT]
    rows["worker"], rows["queue_ns"][1] = 3, 7
    recorder.write(rows)
    recorder.close()
    table = read_rows(path)
    table.validate(full=True)
    assert table.column("due_ns").to_pylist() == [10, 2**62]
    assert table.column("status").to_pylist() == [200, None]
    assert table.column("worker").to_pylist() == [3, 3]
    assert table.column("queue_ns").to_pylist() == [None, 7]
    assert table.column("sent_ns").to_pylist() == [None, None]


def test_half_a_row_is_an_error_and_not_another_row(tmp_path):
    recorder = Recorder(tmp_path / "x", noted=("due_ns", "status"))
    recorder.add((1, 2, 3))
    with pytest.raises(ValueError, match="reshape"):
        recorder.take()


def test_a_file_of_before_streams_is_still_read(tmp_path):
    path = tmp_path / "requests.arrow"
    recorded(path, [row(n) for n in range(3)])
    table = read_rows(path)
    old = table.drop_columns(["first_token_ns", "prompt_tokens", "output_tokens"])
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, old.schema) as writer:
        writer.write_table(old)
    again = read_rows(path)
    assert again.schema.names == table.schema.names
    assert again.column("request").to_pylist() == [0, 1, 2]
    assert again.column("output_tokens").to_pylist() == [None, None, None]


def some_rows(recorder, numbers):
    for number in numbers:
        recorder.add(row(number))
    recorder.write(recorder.take())


@pytest.fixture
def rescued(tmp_path, monkeypatch):
    """The folder for temporary files, which is this test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    rescue_folder.cache_clear()
    yield folder
    rescue_folder.cache_clear()


def test_rows_of_a_removed_file_are_kept_elsewhere(tmp_path, rescued):
    path = tmp_path / "trial" / "requests.arrow"
    path.parent.mkdir()
    recorder = Recorder(path)
    recorder.open()
    some_rows(recorder, range(5))
    shutil.rmtree(path.parent)
    some_rows(recorder, range(5, 9))
    recorder.close()
    (copy,) = rescued.glob("sweepspot-rescued-*/requests.arrow")
    assert read_rows(copy).column("request").to_pylist() == list(range(9))
    assert recorder.error == f"requests.arrow: was removed; what it held is in {copy}"


def test_rows_of_a_moved_file_are_found(tmp_path, rescued):
    recorder = Recorder(tmp_path / "requests.arrow")
    recorder.open()
    some_rows(recorder, range(5))
    moved = tmp_path / "requests.arrow"
    moved.rename(tmp_path / "moved.arrow")
    recorder.close()
    assert recorder.error == f"requests.arrow: was moved to {tmp_path / 'moved.arrow'}"
    assert read_rows(tmp_path / "moved.arrow").num_rows == 5
    assert list(rescued.iterdir()) == []


def test_rows_that_the_disk_refuses_go_elsewhere(tmp_path, rescued):
    recorder = Recorder(tmp_path / "requests.arrow")
    recorder.open()
    some_rows(recorder, range(5))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "requests.arrow").stat().st_size + 100, limits[1]))
    try:
        some_rows(recorder, range(5, 9))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    some_rows(recorder, range(9, 12))
    recorder.close()
    (copy,) = rescued.glob("sweepspot-rescued-*/requests.arrow")
    assert recorder.rows_written == 5
    assert read_rows(tmp_path / "requests.arrow").num_rows == 5
    assert read_rows(copy).column("request").to_pylist() == list(range(5, 12))
    assert "File too large" in recorder.error
