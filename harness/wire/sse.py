"""Parses server-sent events incrementally and without I/O (WHATWG HTML, section 9.2)."""

from __future__ import annotations

MAX_EVENT_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"


class SseError(Exception):
    """An event is longer than MAX_EVENT_BYTES."""


class SseParser:
    """Takes the body in pieces of any size, and returns the data of whole events, in order.

    Lines end with LF, CRLF or CR. Comments, fields other than `data`, and events without data are
    ignored. `pending` says whether an event has begun and not ended.
    """

    __slots__ = ("_data", "_fresh", "_held")

    def __init__(self) -> None:
        self._held = b""  # an unfinished line
        self._data: list[bytes] = []  # of an unfinished event
        self._fresh = True  # nothing has come yet: a byte order mark may

    @property
    def pending(self) -> bool:
        """Whether an event is unfinished."""
        return bool(self._held or self._data)

    def feed(self, data: bytes) -> list[bytes]:
        """The data of each event that is complete now. Raises SseError."""
        if self._held:
            data = self._held + data
        if self._fresh:
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._held = data
                return []
            self._fresh = False
            data = data.removeprefix(_BOM)
        # A CR at the end may be half of a CRLF: wait for the next byte.
        complete, self._held = _cut(data)
        events = []
        for line in complete:
            if line:
                self._field(line)
            elif self._data:
                events.append(b"\n".join(self._data))
                self._data = []
        if len(self._held) > MAX_EVENT_BYTES:
            raise SseError(f"an event of the stream is longer than {MAX_EVENT_BYTES} bytes")
        return events

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            if len(self._data) > 1 and sum(map(len, self._data)) > MAX_EVENT_BYTES:
                raise SseError(f"an event of the stream is longer than {MAX_EVENT_BYTES} bytes")


def _cut(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole lines of `data`, and what is left."""
    if b"\r" not in data:
        *complete, rest = data.split(b"\n")
        return complete, rest
    waits = data.endswith(b"\r")
    *complete, rest = (data[:-1] if waits else data).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return complete, rest + b"\r" if waits else rest
