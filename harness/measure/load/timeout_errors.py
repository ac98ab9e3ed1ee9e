"""Recognises a time-out in the exception that a client of another library reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_CAUSES = 20


def is_timeout(error: BaseException) -> bool:
    """Whether the exception, or what caused it, is a time-out.

    Clients wrap it: FastHttpUser in `RetriesExceeded.original`, urllib3 in `MaxRetryError.reason`; gRPC has a code.
    """
    return any(
        isinstance(each, TimeoutError)
        or "timeout" in type(each).__name__.lower()
        or "timed out" in str(each).lower()
        or _grpc_code(each) == "DEADLINE_EXCEEDED"
        for each in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    waiting: list[Any] = [error]
    seen: list[BaseException] = []
    while waiting and len(seen) < MOST_CAUSES:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and not any(each is known for known in seen):
            seen.append(each)
            yield each
            waiting += [getattr(each, "original", None), getattr(each, "reason", None), each.__cause__, *each.args]


def _grpc_code(error: BaseException) -> str:
    code = getattr(error, "code", None)
    try:
        return str(getattr(code() if callable(code) else code, "name", ""))
    except TypeError:  # some other `code`, which takes an argument
        return ""
