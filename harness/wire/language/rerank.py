"""`/rerank` in the form of Cohere and Jina, which vLLM, SGLang and llama.cpp serve: a query and documents."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import msgspec

from harness.wire.language.item_response import ItemCodec, ItemResponse
from harness.wire.language.output_stream import ABSENT, StreamError, no_event
from harness.wire.protocol import Transport, WireProtocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.wire.language.text_codec import Message


class RerankCodec(ItemCodec):
    """The first text of a request is the query, all others are documents."""

    name = "rerank"
    path = "/rerank"
    texts_in_request = 8

    def message_count(self, texts: int) -> int:
        """The query, and each of the documents."""
        return 1 + texts

    def new_stream(self) -> RerankResponse:
        """The reader of the next response."""
        return RerankResponse()

    def _counts(self, messages: int) -> tuple[int, int]:
        documents = max(1, messages - 1)
        wanted = self.options.extra_body.get("top_n")
        return documents, min(wanted, documents) if type(wanted) is int and wanted > 0 else documents

    def _content(self, messages: Sequence[Message]) -> dict[str, object]:
        query, *documents = (message["content"] for message in messages)
        return {"query": query, "documents": documents or [query]}


class _Result(msgspec.Struct):
    index: int
    relevance_score: float | None = None
    score: float | None = None  # SGLang


class _Results(msgspec.Struct):
    results: list[_Result]
    usage: Any = None


_DECODER = msgspec.json.Decoder(_Results)
_LIST_DECODER = msgspec.json.Decoder(list[_Result])  # SGLang


class RerankResponse(ItemResponse):
    """One response of `/rerank`: each document once, with a finite score; the best ones only where `top_n` says so."""

    __slots__ = ("scores",)

    @property
    def text(self) -> str:
        """The scores in the order of the documents, as JSON."""
        return json.dumps(self.scores) if self.whole else ""

    def _read(self, body: bytes) -> int:
        try:
            read = _Results(_LIST_DECODER.decode(body)) if body.lstrip()[:1] == b"[" else _DECODER.decode(body)
        except (ValueError, RecursionError) as error:
            raise no_event(body, "list of ranked documents") from error
        tokens = read.usage.get("prompt_tokens", read.usage.get("total_tokens")) if _is_object(read.usage) else None
        if tokens is not None:
            self.prompt_tokens = self._tokens("prompt_tokens", tokens)
        scores = [result.score if result.relevance_score is None else result.relevance_score for result in read.results]
        if not all(score is not None and math.isfinite(score) for score in scores):
            raise StreamError("a document has no score")
        places = {result.index for result in read.results}
        documents = len(scores) if self.items == ABSENT else self.items
        if len(places) < len(scores) or not places <= set(range(documents)):
            raise StreamError("the ranking does not hold each document once")
        in_order = sorted(zip((result.index for result in read.results), scores, strict=True))
        self.scores = [score for _, score in in_order]
        return len(read.results)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


RERANK = WireProtocol(
    name=RerankCodec.name,
    doc="a query and documents, which are ranked (Cohere's and Jina's form)",
    transport=Transport.EVENT_STREAM,
    gives_results=True,
    make_text_codec=RerankCodec,
)
