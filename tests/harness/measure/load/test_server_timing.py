import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.load.server_timing import ServerTimingReader
from harness.record.rows import ABSENT, row_dtype


def read(*headers):
    rows = np.zeros(len(headers), row_dtype())
    for name in rows.dtype.names:
        rows[name] = ABSENT
    ServerTimingReader().fill(rows, enumerate(headers))
    names = ("queue_ns", "batch_wait_ns", "preprocess_ns", "compute_ns", "serialise_ns", "batch_size")
    return [{name: int(row[name]) for name in names if row[name] != ABSENT} for row in rows]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b'queue;dur=1.234, batch;dur=0.400;desc="n=8", preprocess;dur=0.1, compute;dur=3.1, serialise;dur=0.2',
         {"queue_ns": 1_234_000, "batch_wait_ns": 400_000, "preprocess_ns": 100_000, "compute_ns": 3_100_000,
          "serialise_ns": 200_000, "batch_size": 8}),
        (b"compute;dur=12", {"compute_ns": 12_000_000}),
        (b"compute;dur=0.000001,queue;dur=.5", {"compute_ns": 1, "queue_ns": 500_000}),
        (b'batch;desc="n=64";dur=3.', {"batch_wait_ns": 3_000_000, "batch_size": 64}),
        (b"batch;dur=1;desc=n=2", {"batch_wait_ns": 1_000_000, "batch_size": 2}),
        (b'cache;desc="queue;dur=9, x", db;dur=53, compute2;dur=4', {}),
        (b"queue, compute;desc=a", {}),
        (b"queue;dur=1e3, compute;dur=-1, serialise;dur=2", {"serialise_ns": 2_000_000}),
        (b"queue;dur=1, queue;dur=2", {"queue_ns": 1_000_000}),
        (b"queue;dur=12345678901234567", {}),
        (b"queue;dur=999999999999999, compute;dur=1", {"compute_ns": 1_000_000}),
        (b'batch;dur=1;desc="n=99999999999"', {"batch_wait_ns": 1_000_000}),
        (b'queue;dur="7"', {"queue_ns": 7_000_000}),
        (b"", {}),
        (b',;="\xff', {}),
    ],
)  # fmt: skip
def test_a_header_becomes_columns(header, expected):
    assert read(header) == [expected]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(1, 512)), max_size=30))
def test_many_headers_at_once_are_exact_to_the_nanosecond(splits):
    headers = [b'queue;dur=%d.%06d, batch;dur=%d.%06d;desc="n=%d"' % (
        queue // 10**6, queue % 10**6, wait // 10**6, wait % 10**6, size) for queue, wait, size in splits]  # fmt: skip
    assert read(*headers) == [
        {"queue_ns": queue, "batch_wait_ns": wait, "batch_size": size} for queue, wait, size in splits
    ]
