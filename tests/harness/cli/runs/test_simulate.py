"""For how many cores `simulate` predicts."""

from types import SimpleNamespace

import pytest

from harness.cli.runs.simulate import _cores
from harness.errors import UserError


def test_the_cores_are_those_that_were_asked_for_or_those_of_the_target():
    assert _cores(SimpleNamespace(target_cores=2), None) == 2
    assert _cores(SimpleNamespace(target_cores=2), 8) == 8
    assert _cores(SimpleNamespace(target_cores=None), 8) == 8
    with pytest.raises(UserError, match=r"^--cores: the server was not started here, .* such as --cores 8"):
        _cores(SimpleNamespace(target_cores=None), None)
