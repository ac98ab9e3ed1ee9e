"""Preprocesses square images of one channel: stretch the contrast, resize, scale to 0..1; views shift by one pixel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from targets.preprocessing.pipeline import Pipeline, Step, Views
from targets.preprocessing.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable

SHIFTS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1))  # rows, columns


def image_pipeline(
    side: int, white: float, *, to: int | None = None, flat: bool = False, clean: bool = True
) -> Pipeline:
    """A pipeline from UINT8 (side, side), `white` the brightest value, to FP32 (to, to), or flat (to * to,)."""
    to = to or side
    steps = [Step(name="normalise", doc=f"divide by {white:g}", apply=_scale(white))]
    if to != side:
        steps.insert(0, Step(name="transform", doc=f"resize to {to}x{to} by area averages", apply=_resize(side, to)))
    if clean:
        steps.insert(0, Step(name="clean", doc="stretch the contrast of each image", apply=_stretch(white)))
    return Pipeline(
        raw=TensorSpec(datatype="UINT8", shape=(side, side)),
        ready=TensorSpec(datatype="FP32", shape=(to * to,) if flat else (to, to)),
        steps=tuple(steps),
        views=Views(doc="the image, and the image shifted by one pixel", apply=_shift, most=len(SHIFTS)),
    )


def _stretch(white: float) -> Callable[[Any, Any], Any]:
    def stretch(xp: Any, batch: Any) -> Any:
        values = _floats(xp, batch)
        darkest = xp.min(values, axis=(1, 2), keepdims=True)
        brightest = xp.max(values, axis=(1, 2), keepdims=True)
        return (values - darkest) * (white / xp.maximum(brightest - darkest, 1.0))

    return stretch


def _resize(side: int, to: int) -> Callable[[Any, Any], Any]:
    if side % to:
        raise ValueError(f"{side} pixels are not a multiple of {to}")
    step = side // to

    def resize(xp: Any, batch: Any) -> Any:
        blocks = xp.reshape(_floats(xp, batch), (-1, to, step, to, step))
        return xp.mean(blocks, axis=(2, 4))

    return resize


def _scale(white: float) -> Callable[[Any, Any], Any]:
    def scale(xp: Any, batch: Any) -> Any:
        return _floats(xp, batch) / white

    return scale


def _shift(xp: Any, batch: Any, number: int) -> Any:
    rows, columns = SHIFTS[number]
    flat = len(batch.shape) == 2
    side = math.isqrt(batch.shape[-1]) if flat else batch.shape[-1]
    images = xp.reshape(batch, (-1, side, side)) if flat else batch
    padded = xp.pad(images, ((0, 0), (1, 1), (1, 1)))
    shifted = padded[:, 1 - rows : 1 - rows + side, 1 - columns : 1 - columns + side]
    return xp.reshape(shifted, (-1, side * side)) if flat else shifted


def _floats(xp: Any, batch: Any) -> Any:
    """`batch` as float32: by `astype` for an array, by `cast` for a Keras tensor."""
    return xp.cast(batch, "float32") if hasattr(xp, "cast") else batch.astype("float32", copy=False)


DIGITS_PIPELINE = image_pipeline(8, 16.0, flat=True, clean=False)
