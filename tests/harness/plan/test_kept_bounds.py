import pytest

from harness.errors import UserError
from harness.plan.slo import KeptBound, parse_keep


def test_bounds_are_read_with_their_direction():
    assert parse_keep("accuracy>0.9, memory_mb<=2000") == (
        KeptBound(metric="accuracy", above=True, limit=0.9), KeptBound(metric="memory_mb", above=False, limit=2000.0),
    )  # fmt: skip
    assert parse_keep("accuracy>=97%")[0].limit == pytest.approx(0.97)
    assert str(parse_keep("cores<2")[0]) == "cores ≤ 2"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("p99<20ms", "a latency limit is given by --slo"),
        ("accuracy", "cannot read 'accuracy'"),
        ("accuracy>90", "write 0.9 or 90%"),
        ("memory_mb<50%", "memory_mb takes no %"),
        ("", "cannot read ''"),
    ],
)
def test_what_is_no_bound_is_refused(text, says):
    with pytest.raises(UserError, match=says):
        parse_keep(text)
