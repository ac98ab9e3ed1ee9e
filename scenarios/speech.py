"""Classifies the spoken language: telephone prompts of 0.1 to 8 seconds at 8 kHz, sent as raw samples.

    python -m harness sweep model --scenario speech
    python -m harness sweep padding --scenario speech
    locust -f scenarios/speech.py --headless -u 8 -r 8 --measure 10s

The server computes log-mel spectra (the knob `preprocess` sets where). The recordings come from five Debian packages:

    apt-get install asterisk-core-sounds-{en,es,fr,it,ru}-wav

There is no synthetic substitute. Every language has one speaker (English and Spanish share theirs), so a model may
recognise a voice instead of a language. Its accuracy shows whether responses are as good as offline predictions; it
does not measure language identification.
"""

from typing import ClassVar

from harness.users import InferenceUser


class Speech(InferenceUser):
    """Sends one recording at a time."""

    default_model = "speech-small"
    default_knobs: ClassVar = ("preprocess=batch",)
