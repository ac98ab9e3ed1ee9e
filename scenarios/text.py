"""Classifies opinions as negative or positive: sentences of reviews and tweets, sent as UTF-8 bytes.

    python -m harness sweep model --scenario text
    python -m harness sweep preprocess --scenario text
    locust -f scenarios/text.py --headless -u 32 -r 32 --measure 10s

The server converts them to lower case and to word numbers (the knob `preprocess` sets where). A sentence without words
gets the model's prediction for an empty input; an empty request is refused. The sentences come from the source
distribution of vaderSentiment, which pip fetches on first use (2.5 MB).
"""

from typing import ClassVar

from harness.users import InferenceUser


class Text(InferenceUser):
    """Sends one sentence at a time."""

    default_model = "text-small"
    default_knobs: ClassVar = ("preprocess=batch",)
