"""Classifies images: photographs of clothes, 28x28 bytes each, sent as raw bytes.

    python -m harness sweep model --scenario image
    python -m harness sweep preprocess --scenario image
    locust -f scenarios/image.py --headless -u 32 -r 32 --measure 10s

The server stretches the contrast, resizes where the model is smaller, and scales; the knobs `preprocess`, `clean`,
`normalise` and `tta` change that. The images come from the Debian package `dataset-fashion-mnist`; without it use
`--model digits-cnn` or `digits-mlp`, whose 8x8 images come with scikit-learn.
"""

from typing import ClassVar

from harness.users import InferenceUser


class Image(InferenceUser):
    """Sends one image at a time."""

    default_model = "fashion-cnn"
    default_knobs: ClassVar = ("preprocess=batch",)
