import pyarrow as pa
import pytest

from harness.clock import NS_PER_S
from harness.record.samples import Sample, SampleWriter, read_samples, record_batch, sample_schema


def sample(t_ns, value=1.5, error=None, source="target"):
    return Sample(t_ns=t_ns, late_ns=3, source=source, metric="cpu_s", value=value, error=error)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "samples.arrow"
    samples = [sample(1), sample(2, None, "gone ✗"), sample(3, 0.0, source="")] * 5  # more than one byte of validity
    with SampleWriter(path) as writer:
        writer.add(samples, 1)
    rows = read_samples(path).to_pylist()
    assert rows == [{name: getattr(s, name) for name in sample_schema().names} for s in samples]


def test_the_columns_are_what_arrow_itself_would_make():
    samples = [sample(n, None if n % 3 == 0 else n / 7, "é" * n if n % 2 else None) for n in range(20)]
    expected = pa.RecordBatch.from_pylist(
        [{name: getattr(s, name) for name in sample_schema().names} for s in samples], schema=sample_schema()
    )
    batch = record_batch(samples, sample_schema())
    batch.validate(full=True)
    assert batch.equals(expected)


def test_samples_reach_the_disk_each_second_without_a_close(tmp_path):
    path = tmp_path / "samples.arrow"
    writer = SampleWriter(path)
    writer.add([sample(0)], 0)
    assert read_samples(path).num_rows == 1  # the first at once
    writer.add([sample(1)], NS_PER_S - 1)
    assert read_samples(path).num_rows == 1
    writer.add([sample(2)], NS_PER_S)
    assert read_samples(path).num_rows == 3


@pytest.mark.slow
def test_a_file_cut_off_anywhere_keeps_its_whole_batches(tmp_path):
    path, cut = tmp_path / "samples.arrow", tmp_path / "cut.arrow"
    with SampleWriter(path) as writer:
        for second in range(3):
            writer.add([sample(second)], second * NS_PER_S)
    content = path.read_bytes()
    seen = []
    for length in range(len(content) + 1):
        cut.write_bytes(content[:length])
        table = read_samples(cut)
        assert table.schema == sample_schema()
        seen.append(table.column("t_ns").to_pylist())
    assert seen == sorted(seen, key=len)
    assert [list(times) for times in dict.fromkeys(map(tuple, seen))] == [[], [0], [0, 1], [0, 1, 2]]


def test_no_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_samples(tmp_path / "none.arrow")
