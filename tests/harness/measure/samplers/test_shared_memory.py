"""Memory of forks that share their pages."""

import psutil
import pytest
from consumers import SHARED, consumer, said

from harness.measure.samplers.shared_memory import pss_bytes

pytestmark = pytest.mark.process


def test_forks_share_what_they_share():
    with consumer(SHARED) as process:
        [shared] = said(process)
        pids = [process.pid, *(child.pid for child in psutil.Process(process.pid).children())]
        assert len(pids) == 4
        sizes = [pss_bytes(pid) for pid in pids]
        rss = sum(psutil.Process(pid).memory_info().rss for pid in pids)
        if None in sizes:
            pytest.skip("this system does not tell shared pages")
        # All four show the 48 MiB as resident; together they hold it once, and some MiB of an interpreter each.
        assert rss > 4 * shared
        assert shared < sum(sizes) < 2 * shared


def test_a_process_that_is_gone_has_none():
    assert pss_bytes(2**22 + 1) is None
