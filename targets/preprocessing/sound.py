"""Preprocesses speech: boost high frequencies, log-mel spectra, subtract each band's mean; views shift over the bands.

Padding is a value that no sample has, so that it differs from silence at every step: `RAW_PAD` in samples, `PAD` in
scaled samples, rows of zeros in spectra.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from targets.data.voices import LONGEST, RATE_HZ, SHORTEST
from targets.data.voices import PAD as RAW_PAD
from targets.preprocessing.pipeline import Pipeline, Step, Views
from targets.preprocessing.tensor_spec import TensorSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FRAME, HOP, FFT, BANDS = 200, 80, 256, 40  # samples: 25 ms every 10 ms
LOWEST_HZ = 60.0
BOOST = 0.97
SCALE = 32768.0
PAD = -4.0  # scaled and boosted samples are within -2..2
FLOOR = 1e-6  # of a band's power
SPREAD = 3.0  # about the standard deviation of the log-mel values
QUANTUM = 8  # frames: the networks halve the time axis three times
SHIFTS = (0, 1, -1, 2, -2)  # bands


def _boost(xp: Any, batch: Any) -> Any:
    """Pre-emphasis of scaled samples: y[t] = x[t] - 0.97 x[t - 1]."""
    sound = _scaled(xp, batch)
    before = xp.pad(sound[:, :-1], ((0, 0), (1, 0)))
    return xp.where(xp.not_equal(sound, PAD), sound - BOOST * before, PAD)


def _scaled(xp: Any, batch: Any) -> Any:
    """Samples scaled to -1..1 as float32, padding as `PAD`; float32 input is returned unchanged."""
    if str(batch.dtype) == "float32":
        return batch
    values = xp.cast(batch, "float32") if hasattr(xp, "cast") else batch.astype("float32")
    return xp.where(xp.not_equal(values, float(RAW_PAD)), values / SCALE, PAD)


def _log_mel(xp: Any, batch: Any) -> Any:
    """Log-mel spectra (n, frames, BANDS); a frame that contains padding is a row of zeros."""
    sound = _scaled(xp, batch)
    frames = xp.lib.stride_tricks.sliding_window_view(sound, FRAME, axis=1)[:, ::HOP]
    power = xp.square(xp.abs(xp.fft.rfft(frames * window(), FFT))).astype("float32")
    present = sound[:, FRAME - 1 :: HOP, None] != PAD
    return xp.where(present, xp.log(power @ mel_weights() + xp.float32(FLOOR)), xp.float32(0))


def _log_mel_layers(sound: Any) -> Any:
    """The same for a model's graph: a convolution with the sines and cosines of the Fourier transform."""
    import keras
    from keras import ops

    sound = _scaled(ops, sound)
    present = ops.not_equal(sound, PAD)
    silent = ops.expand_dims(ops.where(present, sound, 0.0), -1)
    bins = FFT // 2 + 1
    transform = keras.layers.Conv1D(2 * bins, FRAME, strides=HOP, use_bias=False, trainable=False, name="fourier")
    bands = keras.layers.Dense(BANDS, use_bias=False, trainable=False, name="mel")
    waves = ops.square(transform(silent))
    power = waves[..., :bins] + waves[..., bins:]
    spectra = ops.log(bands(power) + FLOOR)
    transform.set_weights([fourier_kernel()])
    bands.set_weights([mel_weights()])
    return ops.where(ops.expand_dims(present[:, FRAME - 1 :: HOP], -1), spectra, 0.0)


def _centre(xp: Any, batch: Any) -> Any:
    """Subtract each band's mean over time and scale; padding stays zero."""
    present = _as_float(xp, xp.any(xp.not_equal(batch, 0.0), axis=-1, keepdims=True))
    count = xp.maximum(xp.sum(present, axis=1, keepdims=True), 1.0)
    mean = xp.sum(batch, axis=1, keepdims=True) / count
    return (batch - mean) * present / SPREAD


def _shift(xp: Any, batch: Any, number: int) -> Any:
    bands = SHIFTS[number]
    if not bands:
        return batch
    padded = xp.pad(batch, ((0, 0), (0, 0), (abs(bands), abs(bands))))
    return padded[..., abs(bands) - bands : abs(bands) - bands + BANDS]


def _as_float(xp: Any, mask: Any) -> Any:
    return xp.cast(mask, "float32") if hasattr(xp, "cast") else mask.astype("float32")


@lru_cache(maxsize=1)
def window() -> NDArray[np.float32]:
    """The Hann window (FRAME,)."""
    import numpy as np

    return np.hanning(FRAME).astype(np.float32)


@lru_cache(maxsize=1)
def fourier_kernel() -> NDArray[np.float32]:
    """Kernel (FRAME, 1, 2 * bins): windowed cosines, then sines, at the frequencies of the FFT."""
    import numpy as np

    angles = 2 * math.pi * np.outer(np.arange(FRAME), np.arange(FFT // 2 + 1)) / FFT
    kernel = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * window()[:, None]
    return kernel[:, None].astype(np.float32)


@lru_cache(maxsize=1)
def mel_weights() -> NDArray[np.float32]:
    """Weights (bins, BANDS): triangles evenly spaced on the mel scale 2595 log10(1 + f / 700) (O'Shaughnessy 1987)."""
    import numpy as np

    lowest, highest = (2595 * math.log10(1 + hertz / 700) for hertz in (LOWEST_HZ, RATE_HZ / 2))
    edges_hz = 700 * (10 ** (np.linspace(lowest, highest, BANDS + 2) / 2595) - 1)
    bins_hz = np.arange(FFT // 2 + 1) * RATE_HZ / FFT
    rising = (bins_hz[:, None] - edges_hz[:-2]) / (edges_hz[1:-1] - edges_hz[:-2])
    falling = (edges_hz[2:] - bins_hz[:, None]) / (edges_hz[2:] - edges_hz[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


SOUND_PIPELINE = Pipeline(
    raw=TensorSpec(
        datatype="INT16",
        shape=(-1,),
        shortest=SHORTEST,
        longest=LONGEST,
        pad=RAW_PAD,
        quantum=QUANTUM * HOP,
        offset=FRAME - HOP,
    ),
    ready=TensorSpec(
        datatype="FP32",
        shape=(-1, BANDS),
        longest=(LONGEST - FRAME) // HOP + 1,
        quantum=QUANTUM,
    ),
    steps=(
        Step(name="clean", doc="boost high frequencies (pre-emphasis)", apply=_boost),
        Step(name="transform", doc="40 log-mel bands every 10 ms", apply=_log_mel, graph=_log_mel_layers),
        Step(name="normalise", doc="subtract each band's mean", apply=_centre),
    ),
    views=Views(doc="the spectrum, and the spectrum shifted over the bands", apply=_shift, most=len(SHIFTS)),
)
