from itertools import islice

import numpy as np

from harness.measure.load.payloads.payload_sets import payload_order


def test_without_skew_every_payload_comes_once_per_round():
    order = payload_order(5, seed=1)
    rounds = [[next(order) for _ in range(5)] for _ in range(4)]
    assert all(sorted(one) == [0, 1, 2, 3, 4] for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1


def test_skew_follows_zipfs_law():
    drawn = np.bincount(list(islice(payload_order(50, seed=3, skew=1.0), 200_000)), minlength=50)
    share = np.sort(drawn)[::-1] / drawn.sum()
    harmonic = sum(1 / rank for rank in range(1, 51))
    assert np.allclose(share[:5], [1 / (rank * harmonic) for rank in range(1, 6)], rtol=0.03)


def test_workers_agree_on_what_is_popular_but_draw_on_their_own():
    one, other = (list(islice(payload_order(9, seed=3, worker=number, skew=2.0), 2000)) for number in (0, 1))
    assert one != other
    assert np.bincount(one).argmax() == np.bincount(other).argmax()
