"""Parses server-sent events incrementally and without I/O (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import msgspec

MAX_EVENT_BYTES = 1 << 20
MAX_STRAY_BYTES = 1 << 12
_BOM = b"\xef\xbb\xbf"
_OTHER_NAMES = (b"", b"id", b"retry")  # a comment has no name
_DOCUMENT = b"data: {"  # how an event that is one JSON object usually begins


class SseError(Exception):
    """An event is longer than MAX_EVENT_BYTES."""


class SseParser:
    """Takes the body in pieces of any size, and returns the data of whole events, in order.

    Lines end with LF, CRLF or CR. Comments, fields other than `data`, and events without data are
    ignored. `pending` says whether an event has begun and not ended. `failure` is the data of the first event of the
    name `error`, or the value of the first field `error` (llama.cpp); None while there was none. It is no event.
    `stray` are the first lines that are no field: a body that is no stream of events has nothing else.

    documents: each data is one JSON document, so a line that holds a whole object ends its event. Some servers leave
    the blank line between events out.
    """

    __slots__ = ("_data", "_documents", "_fresh", "_held", "_name", "_size", "failure", "stray")

    def __init__(self, *, documents: bool = False) -> None:
        self._held = b""  # an unfinished line
        self._data: list[bytes] = []  # of an unfinished event
        self._size = 0  # of `_data`, with line breaks
        self._name = b""  # of an unfinished event
        self._documents = documents
        self._fresh = True  # nothing has come yet: a byte order mark may
        self.failure: bytes | None = None
        self.stray = b""

    @property
    def pending(self) -> bool:
        """Whether an event is unfinished."""
        return bool(self._held or self._data or self._name)

    def feed(self, data: bytes) -> list[bytes]:
        """The data of each event that is complete now. Raises SseError."""
        if self._is_one_document(data):
            self._fresh = False
            return [data[6:-2]]
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
        events: list[bytes] = []
        for line in complete:
            if line:
                self._field(line, events)
            elif self._data or self._name:
                self._dispatch(events)
        if len(self._held) > MAX_EVENT_BYTES:
            raise SseError(f"an event of the stream is longer than {MAX_EVENT_BYTES} bytes")
        return events

    def _is_one_document(self, data: bytes) -> bool:
        """Whether these bytes are one event in its usual form, which most pieces of a stream are."""
        return (
            data.find(b"\n") == len(data) - 2  # `count` and `in` take twice as long
            and self._documents
            and data.startswith(_DOCUMENT)
            and data.endswith(b"}\n\n")
            and data.find(b"\r") < 0
            and not (self._held or self._data or self._name)
        )

    def end(self) -> list[bytes]:
        """The data of the event that the end of the body completes: its last line, or its blank line, is not there."""
        events: list[bytes] = []
        if self._held:
            self._field(self._held.removesuffix(b"\r"), events)
            self._held = b""
        if self._data or self._name:
            self._dispatch(events)
        return events

    def _dispatch(self, events: list[bytes]) -> None:
        if self._name == b"error":
            self._fail(b"\n".join(self._data))
        elif self._data:
            events.append(b"\n".join(self._data))
        self._data = []
        self._size = 0
        self._name = b""

    def _field(self, line: bytes, events: list[bytes]) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value) + 1
            if self._documents and len(self._data) == 1 and _is_object(value):
                self._dispatch(events)
            elif len(self._data) > 1 and self._size > MAX_EVENT_BYTES:
                raise SseError(f"an event of the stream is longer than {MAX_EVENT_BYTES} bytes")
        elif name == b"event":
            self._name = value
        elif name == b"error":
            self._fail(value)
        elif name not in _OTHER_NAMES and len(self.stray) < MAX_STRAY_BYTES:
            self.stray += line + b"\n"

    def _fail(self, data: bytes) -> None:
        if self.failure is None:
            self.failure = data


def _is_object(line: bytes) -> bool:
    """Whether a line is a whole object. A document over several lines may have one that begins and ends like that."""
    if line[:1] != b"{" or not line.endswith(b"}"):
        return False
    if line.count(b"{") == line.count(b"}"):  # nearly always: no text has a brace
        return True
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


def _cut(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole lines of `data`, and what is left."""
    if b"\r" not in data:
        *complete, rest = data.split(b"\n")
        return complete, rest
    waits = data.endswith(b"\r")
    *complete, rest = (data[:-1] if waits else data).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return complete, rest + b"\r" if waits else rest
