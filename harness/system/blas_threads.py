"""Keeps linear algebra on one thread: with the small matrices of a search, two threads take seven times the CPU."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy and SciPy compute on one thread of this process; the processes that it starts keep theirs."""
    import scipy.linalg  # noqa: F401  (a library that is loaded later would keep its threads)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
