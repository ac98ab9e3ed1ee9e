"""What embeddings and rerankings have in common: texts in, a result for each of them, and no output tokens."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from harness.wire.language.output_stream import ABSENT, OutputStream, StreamError, require_document
from harness.wire.language.text_codec import DOCUMENT, TextCodec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.wire.language.text_codec import Message


class ItemCodec(TextCodec):
    """Requests whose responses are one document, without output tokens."""

    converses = False
    length_field = ""
    adaptable: ClassVar[tuple[str, ...]] = ()

    def _common(self) -> dict[str, object]:
        return {}

    @property
    def _accepted(self) -> str:
        return DOCUMENT

    @abstractmethod
    def new_stream(self) -> ItemResponse:
        """The reader of the next response."""

    def stream_for(self, messages: Sequence[Message]) -> ItemResponse:
        """The reader of the response to a request with these messages; it knows how many results are due."""
        stream = self.new_stream()
        stream.items, stream.results_due = self._counts(len(messages))
        return stream

    def _counts(self, messages: int) -> tuple[int, int]:
        """The number of items in a request with so many messages, and that of the results that it asks for."""
        return messages, messages


class ItemResponse(OutputStream):
    """One response. It has one piece, which arrives with its end.

    `items` is the number of texts that were sent, `results_due` that of the results asked for; ABSENT: any will do.
    """

    __slots__ = ("_results", "items", "results_due")

    def __init__(self) -> None:
        super().__init__(streamed=False)
        self._results = self.items = self.results_due = ABSENT

    @property
    def result_count(self) -> int:
        """Number of results; ABSENT until they have arrived."""
        return self._results

    def document(self, body: bytes, now_ns: int) -> None:
        """Read the whole body, which arrived at `now_ns`. Raises StreamError."""
        require_document(body)
        self._results = self._read(body)
        if not self._results:
            raise StreamError("the response is empty: it holds no result")
        if self.results_due not in (ABSENT, self._results):
            raise StreamError(f"the response holds {self._results} results where {self.results_due} were asked for")
        self.instants_ns.append(now_ns)
        self.done = self.whole = True

    @abstractmethod
    def _read(self, body: bytes) -> int:
        """Check the results of a body, and return how many there are. Raises StreamError."""

    def _take(self, event: bytes, now_ns: int) -> None:
        self.document(event, now_ns)
