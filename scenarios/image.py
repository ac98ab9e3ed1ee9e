"""Which pictures show what? Photographs of clothes, 28x28 bytes each, as a client has them.

    python -m harness sweep model --scenario image
    python -m harness sweep preprocess --scenario image
    locust -f scenarios/image.py --headless -u 32 -r 32 --measure 10s

The server stretches the contrast, resizes where the model is smaller, and scales (`preprocess`, `clean`, `normalise`,
`tta` say otherwise). The pictures come from the Debian package `dataset-fashion-mnist`; without it take
`--model digits-cnn` or `digits-mlp`, whose 8x8 pictures come with scikit-learn.
"""

from typing import ClassVar

from harness.measure.load.locust.inference_user import InferenceUser


class Image(InferenceUser):
    """Sends one picture at a time."""

    default_model = "fashion-cnn"
    default_knobs: ClassVar = ("preprocess=batch",)
