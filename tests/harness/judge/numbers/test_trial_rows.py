"""Rows by column, against lists of Python's own."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.numbers.trial_rows import RowColumns
from harness.record.rows import ABSENT, Outcome

ROWS = st.lists(
    st.tuples(st.integers(-9, 9), st.none() | st.integers(0, 2**31 - 1), st.sampled_from(Outcome)), max_size=30
)
STEPS = st.lists(st.sampled_from(["odd user", "good", "by due", "small"]), max_size=4)


def table_of(rows, pieces):
    parts = [
        pa.table({
            "due_ns": pa.array([due for due, _, _ in part], pa.int64()),
            "user": pa.array([user for _, user, _ in part], pa.int32()),
            "outcome": pa.array([int(outcome) for _, _, outcome in part], pa.int8()),
            "queue_ns": pa.nulls(len(part), pa.int64()),
        })
        for part in pieces
    ]  # fmt: skip
    table = pa.concat_tables(parts)
    assert table.num_rows == len(rows)
    return table


@given(ROWS, st.integers(1, 3), STEPS)
def test_every_choice_of_rows_has_the_values_of_its_rows(rows, pieces, steps):
    size = -(-max(1, len(rows)) // pieces)
    columns = RowColumns(table_of(rows, [rows[start : start + size] for start in range(0, max(1, len(rows)), size)]))
    for step in steps:
        if step == "odd user":
            columns, rows = (
                columns.where(columns["user"] % 2 == 1),
                [row for row in rows if (row[1] or 0) % 2 == 1 or row[1] is None],
            )
        elif step == "good":
            columns, rows = columns.where(columns.outcome_is(Outcome.OK)), [row for row in rows if row[2] is Outcome.OK]
        elif step == "small":
            columns, rows = columns.where(columns["due_ns"] < 3), [row for row in rows if row[0] < 3]
        else:
            columns, rows = columns.by("due_ns"), sorted(rows, key=lambda row: row[0])
    assert len(columns) == len(rows)
    assert columns["due_ns"].tolist() == [due for due, _, _ in rows]
    assert columns["user"].tolist() == [ABSENT if user is None else user for _, user, _ in rows]
    assert columns["queue_ns"].tolist() == [ABSENT] * len(rows)
    assert columns.outcome_is(Outcome.OK, Outcome.ERROR).tolist() == [
        outcome in (Outcome.OK, Outcome.ERROR) for _, _, outcome in rows
    ]


def test_small_numbers_do_not_overflow():
    rows = RowColumns(pa.table({"worker": pa.array([3, 32_767], pa.int16())}))
    assert (rows["worker"] << 40).tolist() == [3 << 40, 32_767 << 40]
    assert not rows["worker"].dtype.itemsize < 8


def test_a_column_is_in_the_memory_of_its_table():
    values = np.arange(5)
    rows = RowColumns(pa.table({"due_ns": pa.array(values)}))
    assert np.shares_memory(rows["due_ns"], rows["due_ns"])
    assert rows["due_ns"].base is not None
