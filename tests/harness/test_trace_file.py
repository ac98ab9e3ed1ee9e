"""Traces and lengths as they come: units, marks, encodings; or refused in one line."""

import numpy as np
import pytest

from harness.errors import UserError
from harness.plan.arrivals import Replay
from harness.plan.request_lengths import TraceLengths
from harness.trace_file import trace_unit

MS = 1_000_000


@pytest.mark.parametrize(
    ("content", "unit", "offsets_ms"),
    [
        (b"timestamp\n1700000000000\n1700000000020\n", "ms", [0, 20]),
        (b"1700000000000000\n1700000000020000\n", "us", [0, 20]),
        (b"1700000000000000000\n1700000000020000000\n", "ns", [0, 20]),
        (b"1700000000.0\n1700000000.5\n", "s", [0, 500]),
        (b"arrival_ms\n0\n20\n", "ms", [0, 20]),
        (b"time (us)\n0\n20000\n", "us", [0, 20]),
        (b"\xef\xbb\xbf0.0\n0.5\n0.51\n", "s", [0, 500, 510]),
        ("Größe;Länge\n0.0\n0.1\n".encode("latin-1"), "s", [0, 100]),
        ("t\n0.0\n0.1\n".encode("utf-16"), "s", [0, 100]),
        (b"TIMESTAMP,Tokens\n2023-11-16 18:15:46.6805900,374\n2023-11-16 18:15:50.9951690,396\n", "s", [0, 4314.579]),
        (b'"0.0","a"\n"0.1","b"\n', "s", [0, 100]),
        (b"-1.0\n-0.5\n0.2\n", "s", [0, 500, 1200]),
    ],
)
def test_instants_are_read_in_their_unit(tmp_path, content, unit, offsets_ms):
    path = tmp_path / "trace.csv"
    path.write_bytes(content)
    assert trace_unit(path) == unit
    offsets = np.concatenate(list(Replay(path=str(path)).schedule(0)))
    np.testing.assert_allclose(offsets / MS, offsets_ms, atol=1e-3)


@pytest.mark.parametrize(
    ("instants", "unit", "offsets_ms"),
    [
        ((0, 27482), "ms", [0, 27482]),
        ((1700000000.5, 1700000001.5), "s", [0, 1000]),
        ((1700000000500, 1700000001500), "ms", [0, 1000]),
        ((1700000000500000, 1700000001500000), "us", [0, 1000]),
    ],
)
def test_instants_of_json_lines_are_milliseconds_or_those_of_an_epoch(tmp_path, instants, unit, offsets_ms):
    path = tmp_path / "trace.jsonl"
    path.write_text("".join(f'{{"timestamp": {instant}}}\n' for instant in instants))
    assert trace_unit(path) == unit
    offsets = np.concatenate(list(Replay(path=str(path)).schedule(0)))
    np.testing.assert_allclose(offsets / MS, offsets_ms, atol=1e-3)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"timestamp\n", "no two different instants"),
        (b"5.0\n", "no two different instants"),
        (b"", "no two different instants"),
        (b"0.0\n0.5\n0.2\n", "sort it"),
        (b"t\n0.0\n\0\n0.1\n", "must be seconds"),
        (b"0.0\ninf\n", "must be finite"),
    ],
)
def test_a_trace_that_is_none_is_refused_before_the_load(tmp_path, content, says):
    path = tmp_path / "trace.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"^--trace .*{says}"):
        _ = Replay(path=str(path)).length_s


def test_a_heading_of_lengths_may_have_any_encoding(tmp_path):
    path = tmp_path / "lengths.csv"
    path.write_bytes("Länge,Antwort\n10,5\n".encode("latin-1"))
    assert next(TraceLengths(path, "--lengths").endless()) == (10, 5, ())
    path.write_bytes(b"\xef\xbb\xbf10,5.0\n")
    assert next(TraceLengths(path, "--lengths").endless()) == (10, 5, ())


@pytest.mark.parametrize("line", ["10,inf", "10,nan", "10.9,5", "10,0", "10,99999999999", "10"])
def test_a_length_that_is_none_is_named_by_its_line(tmp_path, line):
    path = tmp_path / "lengths.csv"
    path.write_text(f"prompt,answer\n{line}\n")
    with pytest.raises(UserError, match=r"^--lengths .*line 2"):
        TraceLengths(path, "--lengths").check()
