"""The language model for training in Keras. `language_model.py` runs the same arithmetic with a KV cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

if TYPE_CHECKING:
    from targets.generation.recipe import DecoderShape

EPSILON = 1e-6


def norm(x: Any) -> Any:
    """RMS normalisation without a gain (Zhang and Sennrich 2019): `x` scaled to a root mean square of 1."""
    return x / ops.sqrt(ops.mean(x * x, axis=-1, keepdims=True) + EPSILON)


class Block(keras.layers.Layer):
    """One decoder block: attention and a ReLU network, each with a residual connection."""

    def __init__(self, shape: DecoderShape, number: int, window: int) -> None:
        super().__init__(name=f"block{number}")
        self._shape = shape
        distance = np.arange(window)[:, None] - np.arange(window)[None, :]
        bias = -np.array(shape.slopes)[:, None, None] * distance
        self._bias = np.where(distance < 0, -1e9, bias).astype(np.float32)
        d, key = shape.width, shape.head_width
        self.attend = self._weight("attend", number, (d, d + 2 * key))
        self.mix = self._weight("mix", number, (d, d))
        self.widen = self._weight("widen", number, (d, 4 * d))
        self.narrow = self._weight("narrow", number, (4 * d, d))

    def _weight(self, name: str, number: int, shape: tuple[int, int]) -> Any:
        return self.add_weight(shape=shape, name=f"{name}{number}", initializer="glorot_uniform")

    def call(self, x: Any) -> Any:
        """Map (batch, window, width) to the same shape."""
        d, heads, key = self._shape.width, self._shape.heads, self._shape.head_width
        window = ops.shape(x)[1]
        y = ops.matmul(norm(x), self.attend)
        queries = ops.transpose(ops.reshape(y[..., :d], (-1, window, heads, key)), (0, 2, 1, 3))
        keys, values = y[:, None, :, d : d + key], y[:, None, :, d + key :]
        scores = ops.matmul(queries, ops.transpose(keys, (0, 1, 3, 2))) / key**0.5 + self._bias
        mixed = ops.matmul(ops.softmax(scores), values)
        x += ops.matmul(ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (-1, window, d)), self.mix)
        return x + ops.matmul(ops.relu(ops.matmul(norm(x), self.widen)), self.narrow)


class ChatModel(keras.Model):
    """Maps tokens (batch, window) to the logits of each next token (batch, window, vocabulary)."""

    def __init__(self, shape: DecoderShape, window: int) -> None:
        super().__init__()
        self.embedding = self.add_weight(
            shape=(shape.vocabulary, shape.width),
            name="embedding",
            initializer=keras.initializers.RandomNormal(stddev=shape.width**-0.5),
        )
        self.blocks = [Block(shape, number, window) for number in range(shape.layers)]

    def call(self, tokens: Any) -> Any:
        """Compute logits; the embedding is also the output projection (Press and Wolf 2017)."""
        x = ops.take(self.embedding, tokens, axis=0)
        for block in self.blocks:
            x = block(x)
        return ops.matmul(norm(x), ops.transpose(self.embedding))


def build(shape: DecoderShape, window: int) -> keras.Model:
    """Build the untrained model."""
    model = ChatModel(shape, window)
    model(np.zeros((1, window), dtype=np.int32))
    return model
