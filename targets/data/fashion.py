"""Fashion-MNIST: photographs of clothes, 28x28 pixels in 10 classes, from a Debian package (MIT, Zalando)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from targets.data.packages import intact, share
from targets.data.source import DataSource, Examples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INSTALL = "apt-get install dataset-fashion-mnist"
SIDE = 28
TRAIN_COUNT = 12_000
TEST_COUNT = 2_000
NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
IMAGES_HEAD, LABELS_HEAD = 16, 8  # bytes before the values, in the idx format


def load() -> Examples:
    """Load images (n, 28, 28) uint8: the first 12 000 for training, the first 2 000 of the test set held out."""
    train_images, train_labels, test_images, test_labels = files()
    with intact(f"Fashion-MNIST in {train_images.parent}", INSTALL.replace("install", "install --reinstall")):
        return Examples(
            _values(train_images, IMAGES_HEAD, TRAIN_COUNT * SIDE * SIDE).reshape(-1, SIDE, SIDE),
            _values(train_labels, LABELS_HEAD, TRAIN_COUNT).astype("int64"),
            _values(test_images, IMAGES_HEAD, TEST_COUNT * SIDE * SIDE).reshape(-1, SIDE, SIDE),
            _values(test_labels, LABELS_HEAD, TEST_COUNT).astype("int64"),
        )


def files() -> tuple[Path, ...]:
    """The four files of the package. Raises UserError where it is not installed."""
    folder = share("datasets/fashion-mnist")
    found = tuple((folder or Path()) / name for name in NAMES)
    if folder is None or not all(file.is_file() for file in found):
        raise UserError(f"Fashion-MNIST is not installed: {INSTALL}; without it use --model digits-cnn or digits-mlp")
    return found


def _values(file: Path, head: int, count: int) -> NDArray[np.uint8]:
    import gzip

    import numpy as np

    with gzip.open(file) as stream:
        stream.read(head)
        values = np.frombuffer(stream.read(count), np.uint8)
    if values.size != count:
        raise ValueError(f"{file.name} ends early")
    return values


FASHION = DataSource(
    name="fashion",
    doc="Fashion-MNIST (14000 images of 28x28)",
    classes=(
        "T-shirt",
        "trousers",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "boot",
    ),
    files=files,
    load=load,
)
