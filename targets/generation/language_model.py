"""The served language model: tokens in, logits out, with a KV cache in slots.

A token's logits must not depend on the rest of the batch, or greedy responses would change with the load. Three rules
ensure that: ONNX Runtime multiplies each row with packed weights in the same order whatever the number of rows;
attention is one small product per token; and its length is rounded up to a multiple of `STRIDE`, so that no vector
loop has a remainder (positions beyond the token have weight 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from targets.generation.dense import dense_sessions
from targets.generation.text import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from targets.generation.recipe import DecoderShape

    Floats = NDArray[np.float32]

STRIDE = 32


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive tokens of one sequence, the first at position `start`; its cached keys and values are in `slot`."""

    slot: int
    start: int
    tokens: Sequence[int]


class LanguageModel:
    """A model with KV cache slots for `slots` sequences. Not thread-safe."""

    def __init__(self, shape: DecoderShape, tokenizer: Tokenizer, weights: dict[str, Floats], slots: int) -> None:
        self.shape = shape
        self.tokenizer = tokenizer
        self._embedding = np.ascontiguousarray(weights["embedding"])
        self._dense = dense_sessions(shape, weights)
        # Pages take memory only once written: a slot costs what its longest sequence so far needed.
        rows = -(-shape.context // STRIDE) * STRIDE
        self._keys = np.zeros((shape.layers, slots, rows, shape.head_width), np.float32)
        self._values = np.zeros_like(self._keys)
        self._slopes = np.array(shape.slopes, np.float32)[:, None]
        self._places = np.arange(rows, dtype=np.float32)
        self._ones = np.ones(rows, np.float32)
        self._scale = np.float32(shape.head_width**-0.5)
        self._suppressed = np.array(tokenizer.non_text)

    def logits(self, chunks: Sequence[Chunk]) -> Floats:
        """Logits (chunks, vocabulary) of the token after each chunk. Tokens that are not text get -inf."""
        tokens = np.concatenate([chunk.tokens for chunk in chunks])
        past = _Past.of(chunks)
        x = self._embedding[tokens]
        (projected,) = self._dense[0].run(None, {"x": x})
        for layer in range(self.shape.layers):
            mixed = self._attend(layer, projected, past)
            if layer == self.shape.layers - 1:
                last = past.ends - 1
                x, mixed = x[last], mixed[last]
            projected, x = self._dense[layer + 1].run(None, {"x": x, "mixed": mixed})
        result: Floats = projected
        result[:, self._suppressed] = -np.inf
        return result

    def _attend(self, layer: int, projected: Floats, past: _Past) -> Floats:
        """The attention output of each token (tokens, width); also writes keys and values to the cache."""
        d, key = self.shape.width, self.shape.head_width
        keys, values = self._keys[layer], self._values[layer]
        keys[past.slots, past.positions] = projected[:, d : d + key]
        values[past.slots, past.positions] = projected[:, d + key :]
        queries = projected[:, :d].reshape(-1, self.shape.heads, key) * self._scale
        mixed = np.empty((len(queries), self.shape.heads, key), np.float32)
        if past.decoding:
            rows = past.decoding
            mixed[:rows] = self._mix(queries[:rows], keys, values, past, slice(0, rows))
        for place, slot in past.prefills:
            mixed[place] = self._mix(queries[place], keys[slot : slot + 1], values[slot : slot + 1], past, place)
        return mixed.reshape(-1, d)

    def _mix(self, queries: Floats, keys: Floats, values: Floats, past: _Past, place: slice) -> Floats:
        positions = past.positions[place]
        length = -(-(int(positions.max()) + 1) // STRIDE) * STRIDE
        if len(keys) > 1:  # one sequence per token
            slots = past.slots[place]
            keys, values = keys[slots, :length], values[slots, :length]
        distance = positions[:, None].astype(np.float32) - self._places[:length]
        scores = np.matmul(queries, keys[:, :length].transpose(0, 2, 1))
        scores -= self._slopes * distance[:, None]
        scores[np.broadcast_to(distance[:, None] < 0, scores.shape)] = -np.inf
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        total = np.matmul(scores, self._ones[:length])
        mixed: Floats = np.matmul(scores, values[:, :length]) / total[..., None]
        return mixed


@dataclass(frozen=True, slots=True)
class _Past:
    """The cache positions of a step's tokens: single tokens first, one per sequence, then longer chunks."""

    slots: NDArray[np.intp]  # (tokens,)
    positions: NDArray[np.intp]  # (tokens,)
    ends: NDArray[np.intp]  # (chunks,): the index after the last token of each
    decoding: int  # the number of leading chunks with a single token
    prefills: list[tuple[slice, int]]  # the tokens of every other chunk, and its slot

    @classmethod
    def of(cls, chunks: Sequence[Chunk]) -> _Past:
        lengths = np.array([len(chunk.tokens) for chunk in chunks])
        ends = np.cumsum(lengths)
        slots = np.repeat([chunk.slot for chunk in chunks], lengths)
        starts = np.repeat([chunk.start for chunk in chunks], lengths)
        positions = starts + np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
        longer = np.flatnonzero(lengths > 1)
        decoding = int(longer[0]) if longer.size else len(chunks)
        prefills = [
            (slice(int(end - length), int(end)), chunk.slot)
            for chunk, end, length in zip(chunks[decoding:], ends[decoding:], lengths[decoding:], strict=True)
        ]
        return cls(slots, positions, ends, decoding, prefills)


def load_language_model(folder: Path, shape: DecoderShape, slots: int) -> LanguageModel:
    """Load the model that `train` wrote to `folder`."""
    tokenizer = Tokenizer((folder / "tokens.model").read_bytes())
    with np.load(folder / "weights.npz", allow_pickle=False) as file:
        weights: dict[str, Any] = {name: file[name] for name in file.files}
    return LanguageModel(shape, tokenizer, weights, slots)
