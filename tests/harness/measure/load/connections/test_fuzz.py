"""A short run of the fuzz of responses, whose long one is `tests/soak/fuzz.py`."""

import pytest

from tests.soak.response_noise import ResponseNoise


@pytest.mark.parametrize("seed", range(4))
def test_damaged_answers_are_errors_and_nothing_worse(seed):
    noise = ResponseNoise(seed)
    for _ in range(1500):
        noise.case()
    assert min(noise.answers, noise.errors, noise.unfinished) > 100
