"""What embeddings and rerankings have in common: texts in, a result for each of them, and no output tokens."""

from __future__ import annotations

from abc import abstractmethod

from harness.wire.language.output_stream import ABSENT, OutputStream, StreamError, require_document
from harness.wire.language.text_codec import DOCUMENT, TextCodec


class ItemCodec(TextCodec):
    """Requests whose responses are one document, without output tokens."""

    converses = False
    length_field = ""
    adaptable = ("encoding_format",)

    def _common(self) -> dict[str, object]:
        return {}

    @property
    def _accepted(self) -> str:
        return DOCUMENT


class ItemResponse(OutputStream):
    """One response. It has one piece, which arrives with its end."""

    __slots__ = ("_results",)

    def __init__(self) -> None:
        super().__init__(streamed=False)
        self._results = ABSENT

    @property
    def result_count(self) -> int:
        """Number of results; ABSENT until they have arrived."""
        return self._results

    @property
    def output_tokens(self) -> int:
        """ABSENT: nothing is generated."""
        return ABSENT

    def document(self, body: bytes, now_ns: int) -> None:
        """Read the whole body, which arrived at `now_ns`. Raises StreamError."""
        require_document(body)
        self._results = self._read(body)
        if not self._results:
            raise StreamError("the response is empty: it holds no result")
        self.instants_ns.append(now_ns)
        self.done = self.whole = True

    @abstractmethod
    def _read(self, body: bytes) -> int:
        """Check the results of a body, and return how many there are. Raises StreamError."""

    def _take(self, event: bytes, now_ns: int) -> None:
        self.document(event, now_ns)
