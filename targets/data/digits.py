"""scikit-learn's handwritten digits: 1797 images of 8x8 pixels in 10 classes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from harness.errors import UserError
from targets.data.source import DataSource, Examples

TEST_COUNT = 360
SPLIT_SEED = 7


def load() -> Examples:
    """Load images (n, 8, 8) uint8 in 0..16: 1437 for training, 360 held out; both with the same class shares."""
    import numpy as np
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    try:
        data = datasets.load_digits()
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"the digits in {files()[0]} are corrupt ({error}); pip install --force-reinstall scikit-learn"
        ) from error
    images = data.images.astype(np.uint8)
    labels = data.target.astype(np.int64)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, labels, test_size=TEST_COUNT, stratify=labels, random_state=SPLIT_SEED
    )
    return Examples(train_images, train_labels, test_images, test_labels)


def files() -> tuple[Path, ...]:
    """The file of the digits, found without importing scikit-learn. Raises UserError where it is not installed."""
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise UserError("scikit-learn is not installed; it holds the digits: pip install scikit-learn")
    return (Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz",)


DIGITS = DataSource(
    name="digits",
    doc="scikit-learn digits (1797 images of 8x8)",
    classes=tuple("0123456789"),
    files=files,
    load=load,
)
