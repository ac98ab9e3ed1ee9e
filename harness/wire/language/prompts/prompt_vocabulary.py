"""Finds words of which a model's tokenizer makes exactly one token each, by the server's own count.

A text of n such words has n tokens wherever it stands, so prompts of any length can be made while the load runs. What
the model's template adds is found by requests whose usage the server counts.
"""

from __future__ import annotations

import logging
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import orjson

from harness.errors import UserError
from harness.wire.bounded_http import OK, NoResponseError, exchange
from harness.wire.codec import http_post
from harness.wire.language.api_url import server_root
from harness.wire.language.output_stream import ABSENT, StreamError
from harness.wire.language.prompts.local_tokenizer import FLAG, read_tokenizer
from harness.wire.language.prompts.vocabulary import COMMON_WORDS, Vocabulary
from harness.wire.protocols import make_text_codec

if TYPE_CHECKING:
    from harness.wire.language.generation_options import GenerationOptions
    from harness.wire.language.text_codec import Message, TextCodec
    from harness.wire.server_url import ServerUrl

TIMEOUT_S = 60.0
LIMIT_BYTES = 4 << 20
SHORT, LONG = 16, 64  # words of the requests that measure the template
LEAD = 6  # words of the system message, where there is one
FEWEST_WORDS = 12  # for prompts that differ
MOST_REQUESTS = 96
logger = logging.getLogger(__name__)
REMEDY = "give --prompt-words, which are counted by us"


def find_vocabulary(
    url: ServerUrl, protocol: str, model: str, options: GenerationOptions, tokenizer: str | None = None
) -> Vocabulary:
    """The vocabulary of a served model; `tokenizer` is the path of a copy of its tokenizer.

    Raises UserError where the server does not count the tokens of prompts. With a tokenizer it need not: then only the
    tokens of texts are counted, and none of the model's template.
    """
    codec = make_text_codec(protocol, url, model, options)
    count = _Counter(url, codec)
    words = local_words(tokenizer) if tokenizer else _single_words(url, model) or _words_by_usage(count)
    if len(words) < FEWEST_WORDS:
        raise UserError(
            f"{url}: only {len(words)} common words are one token of {model}, too few for prompts of an exact length; "
            f"{REMEDY}",
            "server",
        )
    rng = Random(len(words))  # noqa: S311  (no secret)
    system = codec.converses and count.takes_system(rng.choices(words, k=SHORT))
    if tokenizer and not system and not count.counts(words):
        logger.warning(
            "%s does not count the tokens of prompts: those of its template come on top of what is asked", url
        )
        return Vocabulary(words=tuple(words), template_tokens=0)
    templates = {count.of(rng.choices(words, k=size), system=system) - size for size in (SHORT, LONG)}
    if len(templates) > 1 or min(templates) < 0:
        raise UserError(
            f"{url}: its count of prompt tokens does not grow by one with each word (besides them it counts "
            f"{sorted(templates)}); {REMEDY}",
            "server",
        )
    return Vocabulary(words=tuple(words), template_tokens=templates.pop(), system=system)


def prompt_messages(words: list[str], *, system: bool) -> list[Message]:
    """The messages of a prompt of these words."""
    if not system:
        return [{"role": "user", "content": " ".join(words)}]
    lead, rest = words[:LEAD], words[LEAD:]
    return [{"role": "system", "content": " ".join(lead)}, {"role": "user", "content": " ".join(rest)}]


class _Counter:
    """Counts the tokens of prompts by the usage that the server returns."""

    def __init__(self, url: ServerUrl, codec: TextCodec) -> None:
        self._url = url
        self._codec = codec
        self.left = MOST_REQUESTS

    def of(self, words: list[str], *, system: bool = False) -> int:
        """The prompt tokens of a request with these words. Raises UserError."""
        found = self._ask(words, system=system)
        if found == ABSENT:
            raise UserError(f"{self._url}: the server does not count the tokens of a prompt; {REMEDY}", "server")
        return found

    def counts(self, words: list[str]) -> bool:
        """Whether the server counts the tokens of a prompt."""
        return self._ask(words[:SHORT], system=False) != ABSENT

    def takes_system(self, words: list[str]) -> bool:
        """Whether a request with a system message has a good response."""
        return self._ask(words, system=True) != ABSENT

    def _ask(self, words: list[str], *, system: bool) -> int:
        self.left -= 1
        request = self._codec.encode(prompt_messages(words, system=system), 1)
        stream = self._codec.new_stream()
        try:
            response = exchange(self._url, request, timeout_s=TIMEOUT_S, limit_bytes=LIMIT_BYTES)
            if response.status != OK:
                return ABSENT
            if stream.streamed:
                stream.feed(response.body, 0)
            else:
                stream.document(response.body, 0)
        except (NoResponseError, StreamError):
            return ABSENT
        return stream.prompt_tokens


def local_words(tokenizer: str) -> list[str]:
    """The words that are one token by a tokenizer here, alone and after a space. Raises UserError."""
    count = read_tokenizer(Path(tokenizer))
    words = [word for word in COMMON_WORDS if count(word) == count(f" {word}") == 1]
    if count(" ".join(words)) != len(words):
        raise UserError(f"{FLAG} {tokenizer}: its tokens go over the ends of words, so no length can be made; {REMEDY}")
    return words


def _single_words(url: ServerUrl, model: str) -> list[str]:
    """The words that are one token, by the server's `/tokenize`; empty where it has none."""
    root = server_root(url)
    for form in _TOKENIZE_FORMS:
        if _tokens(root, form(model, "time")) is not None:
            return [
                word
                for word in COMMON_WORDS
                if all(_tokens(root, form(model, text)) == 1 for text in (word, f" {word}"))
            ]
    return []


def _llamacpp_form(model: str, text: str) -> dict[str, object]:
    del model
    return {"content": text, "add_special": False}


def _vllm_form(model: str, text: str) -> dict[str, object]:
    return {"model": model, "prompt": text, "add_special_tokens": False}


_TOKENIZE_FORMS = (_llamacpp_form, _vllm_form)


def _tokens(root: ServerUrl, fields: dict[str, object]) -> int | None:
    """The number of tokens that `/tokenize` finds; None where it gives no answer of that form."""
    request = http_post(root, "/tokenize", "Content-Type: application/json\r\n", orjson.dumps(fields))
    try:
        response = exchange(root, request, timeout_s=TIMEOUT_S, limit_bytes=LIMIT_BYTES)
    except NoResponseError:
        return None
    document: Any = response.document() if response.status == OK else None
    tokens = document.get("tokens") if isinstance(document, dict) else None
    return len(tokens) if isinstance(tokens, list) and tokens else None


def _words_by_usage(count: _Counter) -> list[str]:
    """The words that add one token to a prompt, in groups: a group with another count is halved."""
    base = count.of([*COMMON_WORDS[:1]])
    fillers = COMMON_WORDS[0]
    found: list[str] = []
    groups = [list(COMMON_WORDS[start : start + LONG]) for start in range(0, len(COMMON_WORDS), LONG)]
    while groups and count.left > 0:
        group = groups.pop(0)
        if count.of([fillers, *group]) == base + len(group):
            found += group
        elif len(group) > 1:
            half = len(group) // 2
            groups += [group[:half], group[half:]]
    return found
