"""Rows as Parquet: small, read by pandas, Polars and DuckDB, and the same rows when they are read back."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.record.parquet.parquet_file import present, replace_by_parquet
from harness.record.parquet.shown_rows import NOTES, RowNotes, shown_rows
from harness.record.recorder import Recorder, read_rows
from harness.record.rows import ABSENT, COLUMNS, Outcome, Phase, row_dtype

README = Path(__file__).parents[4] / "harness/record/README.md"
CLASSES = ("fast", "bulk")
SHOW = shown_rows(RowNotes(request_classes=CLASSES, clock_offset_ns=5))


def some_rows(count, seed=1):
    """Rows as 32 users of a server would leave: responses in batches, times with the noise of a real machine."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(count, row_dtype())
    for column in COLUMNS:
        rows[column.name] = ABSENT if column.nullable else 0
    done = np.sort(rng.integers(0, 100_000 * count, count)) + 9_000_000_000_000
    rows["request"] = np.arange(count)
    rows["done_ns"] = done
    rows["first_byte_ns"] = done - rng.integers(0, 3_000, count)
    rows["sent_ns"] = done - rng.gamma(9, 400_000, count).astype(int)
    rows["due_ns"] = rows["sent_ns"] - rng.integers(0, 60_000, count)
    rows["compute_ns"] = rng.integers(50_000, 900_000, count)
    rows["payload"] = np.arange(count) % 360
    rows["user"] = rng.integers(0, 32, count)
    rows["status"] = 200
    rows["outcome"] = np.where(np.arange(count) % 50 == 7, Outcome.TIMEOUT, Outcome.OK)
    rows["phase"] = np.where(np.arange(count) < count // 4, Phase.WARMUP, Phase.MEASURE)
    rows["request_class"] = np.arange(count) % 2
    rows["checked"] = np.arange(count) % 3 == 0
    return rows


def recorded(path, rows, batches=4):
    recorder = Recorder(path)
    recorder.open()
    for part in np.array_split(rows, batches):
        recorder.write(part)
    recorder.close()
    return path


def test_every_row_is_the_same_when_it_is_read_back(tmp_path):
    stream = recorded(tmp_path / "requests.arrow", some_rows(1000))
    before = read_rows(stream)
    assert replace_by_parquet(stream, SHOW)
    (path,) = present(tmp_path, "requests")
    assert path.name == "requests.parquet"
    assert read_rows(path).equals(before)


def test_a_million_rows_take_at_most_30_mb(tmp_path):
    count = 100_000
    stream = recorded(tmp_path / "requests.arrow", some_rows(count))
    assert stream.stat().st_size / count > 150
    replace_by_parquet(stream, SHOW)
    assert (tmp_path / "requests.parquet").stat().st_size / count < 30


def test_a_stream_that_is_cut_off_stays_as_it_is(tmp_path):
    stream = recorded(tmp_path / "requests.arrow", some_rows(1000))
    os.truncate(stream, stream.stat().st_size - 400)
    assert not replace_by_parquet(stream, SHOW)
    assert [path.name for path in tmp_path.iterdir()] == ["requests.arrow"]
    assert read_rows(stream).num_rows < 1000


def test_a_class_without_a_name_leaves_the_stream_as_it_is(tmp_path):
    stream = recorded(tmp_path / "requests.arrow", some_rows(10))
    assert not replace_by_parquet(stream, shown_rows(RowNotes(request_classes=("fast",))))
    assert present(tmp_path, "requests") == [stream]


@pytest.mark.parametrize("place", [100, 2000, 9000, -5, -300])
def test_of_a_damaged_file_no_row_is_made_up(tmp_path, place):
    stream = recorded(tmp_path / "requests.arrow", some_rows(1000))
    replace_by_parquet(stream, SHOW)
    path = tmp_path / "requests.parquet"
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    assert read_rows(path).num_rows == 0


def test_the_schema_says_what_each_column_means(tmp_path):
    replace_by_parquet(recorded(tmp_path / "requests.arrow", some_rows(10)), SHOW)
    schema = pq.read_schema(tmp_path / "requests.parquet")
    assert schema.field("due_ns").metadata[b"unit"] == b"ns"
    assert schema.field("request_bytes").metadata[b"unit"] == b"bytes"
    assert b"unit" not in schema.field("user").metadata
    assert all(schema.field(column.name).metadata[b"description"].decode() == column.doc for column in COLUMNS)
    assert json.loads(schema.metadata[NOTES])["clock_offset_ns"] == 5


def test_pandas_polars_and_duckdb_read_the_same_values(tmp_path):
    import duckdb
    import pandas as pd
    import polars as pl

    rows = some_rows(1000)
    replace_by_parquet(recorded(tmp_path / "requests.arrow", rows), SHOW)
    path = str(tmp_path / "requests.parquet")
    good = rows[rows["outcome"] == Outcome.OK]
    expected = (good.size, int((good["done_ns"] - good["due_ns"]).sum()), int((good["request_class"] == 1).sum()))

    frame = pd.read_parquet(path, dtype_backend="pyarrow")
    ok = frame[frame["outcome"] == "ok"]
    assert (len(ok), (ok["done_ns"] - ok["due_ns"]).sum(), (ok["request_class"] == "bulk").sum()) == expected

    lazy = pl.scan_parquet(path).filter(pl.col("outcome") == "ok")
    found = lazy.select(
        pl.len(), (pl.col("done_ns") - pl.col("due_ns")).sum().alias("t"), (pl.col("request_class") == "bulk").sum()
    )
    assert found.collect().row(0) == expected

    query = "count(*), sum(done_ns - due_ns), count(*) FILTER (request_class = 'bulk')"
    assert duckdb.sql(f"SELECT {query} FROM '{path}' WHERE outcome = 'ok'").fetchall() == [expected]
    assert duckdb.sql(f"SELECT count(*) FROM '{path}' WHERE queue_ns IS NULL AND checked").fetchall() == [(334,)]


def test_the_page_describes_every_column():
    table = dict(re.findall(r"^\| `(\w+)` \| \w+ \| (?:\w+)? ?\| (.*) \|$", README.read_text(), re.MULTILINE))
    assert {column.name: column.doc for column in COLUMNS} == table


@pytest.mark.parametrize("library", ["pandas", "Polars", "DuckDB"])
def test_the_examples_of_the_page_run(library, tmp_path, monkeypatch, capsys):
    (code,) = re.findall(rf"```python\n# {library}\n(.*?)```", README.read_text(), re.DOTALL)
    trial = tmp_path / "results/my-run/trials/000-users=8-r0"
    trial.mkdir(parents=True)
    rows = some_rows(400)
    replace_by_parquet(recorded(trial / "requests.arrow", rows), SHOW)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    shown = capsys.readouterr().out
    measured = rows[rows["phase"] == Phase.MEASURE]
    expected = {
        "pandas": str((measured["outcome"] == Outcome.OK).sum()),
        "Polars": "p99_ms",
        "DuckDB": str(measured.size),
    }
    assert expected[library] in shown


def test_token_instants_are_compressed_too(tmp_path):
    from array import array

    from harness.record.token_times import TokenRecorder, TokenTimes, read_tokens

    recorder = TokenRecorder(tmp_path / "tokens.arrow", worker=3)
    recorder.open()
    recorder.write([TokenTimes(n, array("q", [10**12 + n * 10**6 + k * 20_000 for k in range(n)])) for n in range(200)])
    recorder.close()
    before = read_tokens(tmp_path / "tokens.arrow")
    size = (tmp_path / "tokens.arrow").stat().st_size
    assert replace_by_parquet(tmp_path / "tokens.arrow", lambda table: table)
    assert read_tokens(tmp_path / "tokens.parquet").equals(before)
    assert (tmp_path / "tokens.parquet").stat().st_size < size / 4
    assert isinstance(before, pa.Table)
