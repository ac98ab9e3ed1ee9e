"""Which language is spoken? Telephone prompts of 0.1 to 8 seconds, 8 kHz, as a client has recorded them.

    python -m harness sweep model --scenario speech
    python -m harness sweep padding --scenario speech
    locust -f scenarios/speech.py --headless -u 8 -r 8 --measure 10s

The server makes log-mel spectra of them (`preprocess` says where). The recordings come from five Debian packages:

    apt-get install asterisk-core-sounds-{en,es,fr,it,ru}-wav

There is no stand-in without them: made-up sounds would say nothing. Every language has one speaker (English and
Spanish the same), so a model may know a voice for its language. Its accuracy tells whether served answers are as good
as the trainer's; it is no benchmark of language identification.
"""

from typing import ClassVar

from harness.measure.load.locust.inference_user import InferenceUser


class Speech(InferenceUser):
    """Sends one recording at a time."""

    default_model = "speech-small"
    default_knobs: ClassVar = ("preprocess=batch",)
