import pytest

from harness.judge.interval import Interval
from harness.judge.metrics import Quantile
from reports import units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (units.number(None), "\u2013"),
        (units.number(0.0), "0"),
        (units.number(9137.0), "9\u202f140"),
        (units.number(0.01234, 2), "0.012"),
        (units.count(1234567), "1\u202f234\u202f567"),
        (units.with_unit(None, "%", 2), "\u2013"),
        (units.with_unit(12.34, "%", 2), "12\u202f%"),
        (units.share(1, 8), "12.5\u202f%"),
        (units.share(0, 0), "\u2013"),
        (units.with_unit(12.345, "ms"), "12.3\u202fms"),
        (units.with_unit(None, "ms"), "\u2013"),
        (units.interval(8700.0, 9500.0), "8\u202f700\u20139\u202f500"),
        (units.interval(None, None), ""),
        (units.interval(3.0, None), "\u2265\u202f3"),
        (units.interval(None, 3.0), "\u2264\u202f3"),
        (units.percentile_name(0.999), "p99.9"),
        (units.duration(0.5), "0.5\u202fs"),
        (units.duration(200), "3\u202fmin 20\u202fs"),
        (units.duration(120), "2\u202fmin"),
        (units.duration(7500), "2\u202fh 05\u202fmin"),
        (units.machine_number(None), ""),
        (units.machine_number(0.1 + 0.2), "0.3"),
        (units.machine_number(12345678.0), "12345678"),
        (units.machine_number(0.0), "0"),
    ],
)
def test_text_of_numbers(text, expected):
    assert text == expected


def test_an_estimate_and_a_percentile_come_with_their_intervals():
    assert units.estimate(Interval(value=9100.0, low=8700.0, high=9500.0)) == (
        "9\u202f100",
        "8\u202f700\u20139\u202f500",
    )
    assert units.estimate(None) == ("\u2013", "")
    assert units.latency(Quantile(p=0.99, value_ms=3.0, low_ms=2.0, at_least=True)) == (
        "\u2265\u202f3",
        "\u2265\u202f2",
    )
    assert units.latency(Quantile(p=0.99, value_ms=None, low_ms=2.0)) == ("\u2013", "")
    # Too few requests for an upper bound: the observed value, which never reads as less than a lower percentile.
    assert units.latency(Quantile(p=0.99, value_ms=3.0, low_ms=2.0, needed=100)) == (
        "3\u202f\u2191",
        "\u2265\u202f2",
    )


def test_an_interval_that_says_nothing_is_not_shown():
    assert units.estimate(Interval(2790.0, 154.0, 50_600.0)) == ("\u2248\u202f2\u202f790", "")
    assert units.estimate(Interval(2790.0, 2000.0, 3900.0)) == ("2\u202f790", "2\u202f000\u20133\u202f900")
    vague, known = (Quantile(p=0.99, value_ms=3.0, low_ms=0.3, high_ms=high) for high in (3.1, 3.0))
    assert units.latency(vague) == ("\u2248\u202f3", "")
    assert units.latency(known) == ("3", "0.3\u20133")
