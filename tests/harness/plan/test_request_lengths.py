"""Lengths of requests in the forms of public traces."""

import json
import tracemalloc
from itertools import islice

import pytest

from harness.errors import UserError
from harness.plan.arrivals import Replay
from harness.plan.request_lengths import TraceLengths

AZURE = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n"
)
BURSTGPT = (
    "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5,,0.5,ChatGPT,472,18,490,Conversation log\n45,,1.5,GPT-4,1087,230,1317,API log\n"
)
MOONCAKE = (
    '{"timestamp": 0, "input_length": 1300, "output_length": 5, "hash_ids": [0, 1, 2]}\n'
    '{"timestamp": 3052, "input_length": 1200, "output_length": 7, "hash_ids": [0, 1, 9]}\n'
)
FLOATS = (
    '{"timestamp": 0, "input_length": 512.0, "output_length": 64.0}\n'
    '{"timestamp": 1000, "input_length": 16, "output_length": 2}\n'
)


@pytest.mark.parametrize(
    ("name", "content", "requests", "in_tokens", "length_s"),
    [
        ("azure.csv", AZURE, [(374, 44, ()), (396, 109, ())], True, 4.314579),
        ("burst.csv", BURSTGPT, [(472, 18, ()), (1087, 230, ())], True, 40.0),
        ("mooncake.jsonl", MOONCAKE, [(1300, 5, (0, 1, 2)), (1200, 7, (0, 1, 9))], True, 3.052),
        ("floats.jsonl", FLOATS, [(512, 64, ()), (16, 2, ())], True, 1.0),
        ("own.csv", "0.0,12,3\n0.5,4,9.0\n", [(12, 3, ()), (4, 9, ())], False, 0.5),
        ("headed.csv", "t,prompt,response\n0.0,12,3\n1.5,4,9\n", [(12, 3, ()), (4, 9, ())], False, 1.5),
    ],
)
def test_public_traces_serve_as_lengths_and_as_instants(tmp_path, name, content, requests, in_tokens, length_s):
    path = tmp_path / name
    path.write_text(content)
    lengths = TraceLengths(path, "--lengths")
    assert (lengths.check(), lengths.in_tokens, lengths.has_blocks) == (2, in_tokens, bool(requests[0][2]))
    assert list(islice(lengths.endless(), 5)) == [*requests, *requests, requests[0]]
    assert {type(number) for each in islice(lengths.endless(), 2) for number in each[:2]} == {int}  # to draw words by
    assert Replay(path=str(path)).length_s == pytest.approx(length_s, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "", "it holds no lengths"),
        ("a.csv", "1,2\n3,x\n", "line 2 must end with two whole numbers"),
        ("a.csv", BURSTGPT + "50,,1.5,GPT-4,1087,0,1087,API log\n", "line 4: lengths are from 1"),
        ("a.jsonl", '{"timestamp": 1}\n', "line 1 must be an object with input_length and output_length"),
        ("a.jsonl", "[1]\n", "line 1 must be an object"),
        ("a.jsonl", '{"input_length": 1.5, "output_length": 2}\n', "line 1 must be an object"),
        ("a.jsonl", json.dumps({"input_length": 5, "output_length": 2e9}) + "\n", "line 1"),
    ],
)
def test_what_is_no_length_is_refused_by_its_line(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UserError, match=says):
        TraceLengths(path, "--lengths").check()


def test_the_processes_of_a_load_share_the_lines(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("".join(f"{number},{number + 1},9\n" for number in range(5)))
    parts = [TraceLengths(path, "--lengths", first, 2).endless() for first in (0, 1)]
    taken = [[next(part).prompt for _ in range(5)] for part in parts]
    assert taken == [[1, 3, 5, 2, 4], [2, 4, 1, 3, 5]]  # the file again and again, every second line of it


def test_a_long_trace_needs_no_more_memory_than_a_short_one(tmp_path):
    path = tmp_path / "trace.jsonl"
    most = []
    for lines in (1_000, 20_000):
        line = '{"timestamp": 1, "input_length": 8000, "output_length": 9, "hash_ids": [%s]}\n'
        ids = ", ".join(map(str, range(1_000_000, 1_000_016)))
        path.write_text(line % ids * lines)
        tracemalloc.start()
        lengths = TraceLengths(path, "--lengths")
        assert lengths.check() == lines
        assert sum(each.prompt for each in islice(lengths.endless(), lines)) == 8000 * lines
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert most[1] < 1.5 * most[0]
