"""OpenAI's `/embeddings`: texts in, one vector for each out."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

import msgspec

from harness.wire.language.item_response import ItemCodec, ItemResponse
from harness.wire.language.output_stream import StreamError, no_event
from harness.wire.protocol import Transport, WireProtocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from harness.wire.language.text_codec import Message


class EmbeddingCodec(ItemCodec):
    """All texts of a request are its inputs."""

    name = "openai-embeddings"
    path = "/embeddings"
    adaptable = ("encoding_format",)

    def new_stream(self) -> EmbeddingResponse:
        """The reader of the next response."""
        return EmbeddingResponse()

    def _content(self, messages: Sequence[Message]) -> dict[str, object]:
        return {"input": [message["content"] for message in messages]}

    def _common(self) -> dict[str, object]:
        return {"encoding_format": "float"}


class _Embedding(msgspec.Struct):
    embedding: list[float] | str
    index: int | None = None  # None: the vectors are in the order of the texts


class _Usage(msgspec.Struct):
    prompt_tokens: Any = None


class _Embeddings(msgspec.Struct):
    data: list[_Embedding]
    usage: _Usage | None = None


_DECODER = msgspec.json.Decoder(_Embeddings)


class EmbeddingResponse(ItemResponse):
    """One response of `/embeddings`: finite vectors of one size, none of them zero, as many as there were texts."""

    __slots__ = ("vectors",)

    @property
    def text(self) -> str:
        """The first vector, as JSON."""
        return json.dumps(self.vectors[0].tolist()) if self.whole else ""

    def _read(self, body: bytes) -> int:
        try:
            read = _DECODER.decode(body)
        except (ValueError, RecursionError) as error:
            raise no_event(body, "list of embeddings") from error
        if read.usage is not None and read.usage.prompt_tokens is not None:
            self.prompt_tokens = self._tokens("prompt_tokens", read.usage.prompt_tokens)
        places = [at if each.index is None else each.index for at, each in enumerate(read.data)]
        if sorted(places) != list(range(len(places))):
            raise StreamError("the embeddings do not hold one vector for each text: their indices have gaps or repeat")
        in_order = sorted(zip(places, read.data, strict=True), key=lambda placed: placed[0])
        self.vectors = [_vector(each.embedding) for _, each in in_order]
        if len({vector.size for vector in self.vectors}) > 1:
            raise StreamError("the embeddings of one response differ in size")
        return len(self.vectors)


def _vector(given: list[float] | str) -> NDArray[np.float32]:
    """A vector (size,), given as numbers or as the base64 of float32. Raises StreamError where it says nothing."""
    import numpy as np

    try:
        vector = np.frombuffer(base64.b64decode(given), "<f4") if isinstance(given, str) else np.array(given, "<f4")
    except (binascii.Error, ValueError) as error:
        raise StreamError(f"an embedding cannot be read ({error})") from error
    if not vector.size or not np.isfinite(vector).all() or not vector.any():
        raise StreamError("an embedding is empty, not finite, or zero in every place")
    return vector


EMBEDDINGS = WireProtocol(
    name=EmbeddingCodec.name,
    doc="OpenAI's embeddings of texts",
    transport=Transport.EVENT_STREAM,
    gives_results=True,
    make_text_codec=EmbeddingCodec,
)
