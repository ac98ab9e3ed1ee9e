"""Some thousands of damaged conversations; `tests/soak/fuzz.py` makes millions."""

import pytest
from grpc_noise import Noise


@pytest.mark.slow
def test_noise_harms_neither_the_front_nor_other_clients() -> None:
    noise = Noise(20261128)
    for _ in range(2000):
        noise.case()
    assert noise.answers > 3000
    assert noise.statuses > 1000, "damaged conversations that were answered in part"
    assert 500 < noise.faults < 1900
