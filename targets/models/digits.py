"""The data: scikit-learn's handwritten digits, 1797 real images of 8x8 pixels in 10 classes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SOURCE = "scikit-learn digits (1797 images of 8x8)"
TEST_COUNT = 360
SPLIT_SEED = 7
WHITE = 16.0  # the pixel value of pure white


@dataclass(frozen=True, slots=True)
class Digits:
    """Images (n, 64) float32 in 0..1 and their classes (n,) int64, split into train and held-out test."""

    train_images: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int64]


def load_digits() -> Digits:
    """1437 images to train on and 360 held out, each class in the same share in both; always the same split."""
    import numpy as np
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    data = datasets.load_digits()
    images = (data.data / WHITE).astype(np.float32)
    labels = data.target.astype(np.int64)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, labels, test_size=TEST_COUNT, stratify=labels, random_state=SPLIT_SEED
    )
    return Digits(train_images, train_labels, test_images, test_labels)


def data_file() -> Path:
    """Where the installed package keeps the digits; found without importing it."""
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("scikit-learn is not installed; it holds the digits")
    return Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
