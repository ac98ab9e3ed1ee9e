"""The grids that `bench_tune` replays: what a file holds and says of itself, worked out by hand."""

import math

import numpy as np
import pytest
from tune_spaces import Replay, true_capacities

from tests.benchmarks.grid_file import GridFile
from tests.benchmarks.recorded_server import RecordedServer

HEAD = {
    "knobs": {"batch_size": [1, 8], "engine": ["a", "b"]}, "live": ["batch_size"],
    "default": {"batch_size": 1, "engine": "a"}, "users": [4, 8],
}  # fmt: skip


@pytest.fixture
def grid():
    """Two passes; rates differ by a factor of e^0.1 in each cell: the deviation of one repeat is 0.1 / sqrt(2)."""
    file = GridFile(HEAD)
    for factor in (1.0, math.exp(0.1)):
        for values, rate in (((1, "a"), 100.0), ((8, "a"), 400.0), ((1, "b"), 200.0)):
            file.add(values, 2.0, [(4, factor * rate, 10.0, 0.5), (8, factor * 1.5 * rate, 30.0, 0.5)])
        file.add((8, "b"), None, [(4, None, None, None), (8, None, None, None)])
    return file


def test_a_file_is_read_as_it_was_written(grid, tmp_path):
    path = tmp_path / "grid.json.gz"
    grid.write(path)
    first = path.read_bytes()
    again = GridFile.read(path)
    again.write(path)
    assert (again.head, again.settings, path.read_bytes()) == (grid.head, grid.settings, first)


def test_it_says_how_far_from_3_percent_it_is(grid):
    assert grid.noise() == pytest.approx([0.1 / math.sqrt(2), 0.0], abs=1e-3)
    assert "2 to 2 passes" in grid.state()
    assert "within 10.3 %" in grid.state()  # exp(1.96 * 0.0707 / sqrt(2)) = 1.103
    assert "takes 22 passes" in grid.state()  # (1.96 * 0.0707 / 0.03)^2 = 21.3


def test_what_slow_memory_explains_is_taken_out():
    # By hand: rates are 100 and 400 times (30 ns / access)^2, p99s 10 and 40 ms times access / 30 ns; the median of the
    # five accesses is 33 ns. Where the access is not known, nothing is changed.
    file = GridFile(HEAD)
    for values, rate, tail_ms, accesses_ns in (
        ((1, "a"), 100.0, 10.0, (30, 33, 36)),
        ((8, "a"), 400.0, 40.0, (33, 40)),
    ):
        for ns in accesses_ns:
            file.add(values, 2.0, [(4, rate * (30 / ns) ** 2, tail_ms * ns / 30, 0.0, ns)])
    file.add((1, "b"), 2.0, [(4, 70.0, 5.0, 0.0, None)])
    cells = {values: repeats for (values, _), repeats in file.cells().items()}
    for values, rate, tail_ms in (((1, "a"), 100.0, 10.0), ((8, "a"), 400.0, 40.0)):
        wanted = [math.log(rate / 1.1**2), math.log(tail_ms * 1.1)]
        assert cells[values] == pytest.approx(np.tile(wanted, (len(cells[values]), 1)), abs=2e-3)
    assert cells[1, "b"].tolist() == [[math.log(70.0), math.log(5.0)]]


def test_a_replay_has_the_means_as_truth_and_the_repeats_as_noise(grid):
    server = RecordedServer(grid)
    space = server.space()
    limit_ms, middle = server.limit_ms, math.exp(0.05)
    assert limit_ms == pytest.approx(math.sqrt(10.0 * 30.0))
    settings = [tuple(space.setting(number).values()) for number in range(len(space))]
    capacity = dict(zip(settings, true_capacities(server, space), strict=True))
    assert capacity == pytest.approx({
        (1, "a"): 100.0 * middle, (8, "a"): 400.0 * middle, (1, "b"): 200.0 * middle, (8, "b"): 0.0
    }, rel=1e-3)  # fmt: skip
    replay = Replay(server, space, seed=1)
    rates = {round(replay.trial(0, 0)[0] - math.log(100.0), 2) for _ in range(50)}
    assert rates == {-0.02, 0.12}  # 0.05 -+ 0.05 * sqrt(2)
