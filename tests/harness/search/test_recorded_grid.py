"""The grids that `bench_tune` replays: what a file holds and says of itself, worked out by hand."""

import math

import numpy as np
import pytest
from tune_spaces import Replay, true_capacities

from tests.benchmarks.grid_file import STRETCH_S, GridFile
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
            file.add(values, 2.0, [(4, factor * rate, 10.0, 0.5, 0.0), (8, factor * 1.5 * rate, 30.0, 0.5, 0.0)])
        file.add((8, "b"), None, [(4, None, None, None, 0.0), (8, None, None, None, 0.0)])
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


def test_stretches_in_which_the_machine_was_slow_do_not_move_a_cell():
    # By hand: rates are 100 and 400, p99s 10 and 40 ms. In the second of three stretches all rates are divided by 4 and
    # p99s doubled; the second cell is measured there only. Each cell was as fast as the machine on the whole, which is
    # the mean of the logs of the stretches: rates times 4^(-1/3), p99s times 2^(1/3).
    file = GridFile(HEAD)
    slow, fast = 1.0 + STRETCH_S, 1.0
    file.add((1, "a"), 2.0, [(4, 100.0, 10.0, 0.0, fast), (4, 25.0, 20.0, 0.0, slow), (4, 100.0, 10.0, 0.0, 3 * slow)])
    file.add((8, "a"), 2.0, [(4, 100.0, 80.0, 0.0, slow), (4, 100.0, 80.0, 0.0, slow)])
    cells = {values: repeats for (values, _), repeats in file.cells().items()}
    for values, rate, tail_ms in (((1, "a"), 100.0, 10.0), ((8, "a"), 400.0, 40.0)):
        wanted = [math.log(rate / 4 ** (1 / 3)), math.log(tail_ms * 2 ** (1 / 3))]
        assert cells[values] == pytest.approx(np.tile(wanted, (len(cells[values]), 1)), abs=1e-3)
    assert file.noise() == pytest.approx([0.0, 0.0], abs=1e-3)


def test_the_noise_counts_what_the_stretches_took():
    # One cell, four samples in two stretches: 0.1 above and below the mean of each. The sum of squares is 0.04; of four
    # samples one mean and the difference of two stretches are taken: two are free.
    file = GridFile(HEAD)
    file.add((1, "a"), 2.0, [(4, math.exp(shift + off), 10.0, 0.0, 10.0 * shift)
                             for shift in (1.0, 2.0) for off in (-0.1, 0.1)])  # fmt: skip
    assert file.noise() == pytest.approx([math.sqrt(0.02), 0.0], abs=1e-3)


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
