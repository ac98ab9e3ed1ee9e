"""How many threads linear algebra has while a search runs, and after it."""

import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_info, threadpool_limits

from harness.system.blas_threads import one_blas_thread


def threads():
    return {each["filepath"]: each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_numpy_and_scipy_have_one_thread_inside_and_those_of_before_afterwards():
    with threadpool_limits(2, user_api="blas"):
        assert set(threads().values()) == {2}
        with one_blas_thread():
            assert set(threads().values()) == {1}
        assert set(threads().values()) == {2}
