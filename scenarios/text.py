"""Is an opinion good or bad? Sentences of reviews and tweets, as their UTF-8 bytes.

    python -m harness sweep model --scenario text
    python -m harness sweep preprocess --scenario text
    locust -f scenarios/text.py --headless -u 32 -r 32 --measure 10s

The server lower-cases them and numbers their words (`preprocess` says where). A sentence without any word gets the
model's answer to nothing; an empty one is refused. The sentences come from the source distribution of vaderSentiment,
which pip fetches the first time (2.5 MB).
"""

from typing import ClassVar

from harness.measure.load.locust.inference_user import InferenceUser


class Text(InferenceUser):
    """Sends one sentence at a time."""

    default_model = "text-small"
    default_knobs: ClassVar = ("preprocess=batch",)
