import resource

import pytest

from harness.cli.parts.system_limits import require_address_space, require_proc
from harness.errors import UserError


def test_a_limit_below_what_the_libraries_need_is_refused_in_one_line():
    with pytest.raises(UserError, match=r"`ulimit -v` allows this process 500 MB") as refused:
        require_address_space(500_000_000)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("limit_bytes", [resource.RLIM_INFINITY, 1 << 40])
def test_a_sufficient_limit_is_none(limit_bytes):
    require_address_space(limit_bytes)


def test_a_system_without_proc_is_refused_in_one_line(tmp_path):
    require_proc()
    with pytest.raises(UserError, match="is not mounted"):
        require_proc(tmp_path)
