"""Finds the form of prompts that a language model's server takes: how long, and with a system message or without."""

from __future__ import annotations

import logging
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from harness.wire.bounded_http import NoResponseError, exchange
from harness.wire.language.output_stream import StreamError
from harness.wire.language.prompts.prompt_vocabulary import LIMIT_BYTES, SHORT, TIMEOUT_S, prompt_messages
from harness.wire.language.prompts.vocabulary import COMMON_WORDS
from harness.wire.protocols import make_text_codec

if TYPE_CHECKING:
    from harness.wire.language.generation_options import GenerationOptions
    from harness.wire.language.text_codec import TextCodec
    from harness.wire.server_url import ServerUrl

REFUSED = (400, 413, 422, 500)  # 500: a template that raises an error
FEWEST_WORDS = 32

logger = logging.getLogger(__name__)


class PromptForm(NamedTuple):
    """What a server takes: a system message, and so many words in a prompt."""

    system: bool
    words: int


def find_prompt_form(
    url: ServerUrl, protocol: str, model: str, options: GenerationOptions, lengths: tuple[int, int]
) -> PromptForm:
    """The form of prompts for a served model; `lengths` are the wanted words, and the tokens that a response may have.

    A prompt that a server refuses is halved. A server that is busy, silent, or refuses them all is taken to take
    everything: the load reports what happens then.
    """
    codec = make_text_codec(protocol, url, model, options)
    words, room = lengths
    if not codec.converses:
        return PromptForm(system=False, words=words)
    system = _takes(url, codec, SHORT, system=True)
    while words > FEWEST_WORDS and not _takes(url, codec, words + room, system=system):
        words //= 2
    if words < lengths[0] and words <= FEWEST_WORDS and not _takes(url, codec, words + room, system=system):
        words = lengths[0]  # it refuses every prompt, so that their length is not why
    if words < lengths[0]:
        logger.warning("%s refuses prompts of %d words; they have %d", url, lengths[0], words)
    return PromptForm(system=system, words=words)


def _takes(url: ServerUrl, codec: TextCodec, size: int, *, system: bool) -> bool:
    rng = Random()  # noqa: S311  (no secret; another each time, so that no cache knows it)
    messages = prompt_messages(rng.choices(COMMON_WORDS, k=size), system=system)
    try:
        response = exchange(url, codec.encode(messages, 1), timeout_s=TIMEOUT_S, limit_bytes=LIMIT_BYTES)
        if response.status in REFUSED:
            return False
        stream = codec.new_stream()
        if 200 <= response.status < 300:
            (stream.feed if stream.streamed else stream.document)(response.body, 0)
    except StreamError:
        return False
    except NoResponseError:
        return True
    return True
