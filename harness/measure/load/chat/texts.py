"""Makes the texts of users: lines of a bank, or words, of an exact number of tokens where the server counts them."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from harness.plan.request_lengths import BLOCK_TOKENS
from harness.record.rows import ABSENT
from harness.wire.language.prompts.prompt_vocabulary import LEAD, prompt_messages
from harness.wire.language.prompts.vocabulary import COMMON_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.plan.chat_shape import ChatShape
    from harness.wire.language.text_codec import Message
    from harness.wire.prompt_bank import PromptBank

MOST_BLOCKS = 4096  # that are kept
LEAD_WORDS = 4  # before a line of ours, so that no two prompts begin alike
AFTER_TEXTS = 5  # tokens of a template that usually come after the last text; they are never shared


class MadeText(NamedTuple):
    """What a user says in one turn."""

    messages: list[Message]
    prompt_tokens: int  # that the whole prompt of an opening turn is to have; ABSENT where that is not known
    shared_tokens: int  # of those, what every prompt is to begin with; ABSENT where that is not known


class TextMaker:
    """Makes texts. No two prompts of it begin alike, but for the share that the shape asks for.

    Words come from `salt` and the user's own random sequence. Lines of a bank are sent as they are. A bank of ours that
    nobody chose (`unique`) gives long texts that begin with a few words that differ, in a system message where the
    server takes one: models whose template has a system message of its own would begin all prompts with that.
    """

    def __init__(self, bank: PromptBank, shape: ChatShape, *, unique: bool) -> None:
        self._bank = bank
        self._shape = shape
        self._unique = unique
        self._vocabulary = shape.vocabulary
        self._words = shape.vocabulary.words if shape.vocabulary else COMMON_WORDS
        self._shared: list[str] = []
        self._blocks: dict[str, list[str]] = {}
        self._shared_rng = Random(f"{shape.salt}/shared")  # noqa: S311  (prompts are no secret)

    def opening(self, line: int, size: int | None, rng: Random) -> MadeText:
        """The first message of a conversation: a line of the bank, or a text of a size."""
        if self._vocabulary is None or size is None:
            return self._unmeasured(line, size, rng)
        template = self._vocabulary.template_tokens
        count = max(1, size - template)
        shared = 0
        if self._shape.prefix_share:
            shared = min(count, max(0, round(self._shape.prefix_share * size) - max(0, template - AFTER_TEXTS)))
        words = [*self._shared_words(shared), *self._drawn(rng, count - shared)]
        asked = template + count
        wanted = round(self._shape.prefix_share * asked)
        return MadeText(prompt_messages(words, system=self._vocabulary.system and count > 1), asked, wanted)

    def _unmeasured(self, line: int, size: int | None, rng: Random) -> MadeText:
        """A first message whose tokens are not known: a line as it is, or words of the lines."""
        if size is None and self._bank.images:
            return MadeText([{"role": "user", "content": self._parts(line)}], ABSENT, ABSENT)
        if not self._unique:
            words = [self._line(line)] if size is None else self._of_lines(line, size, rng)
            return MadeText(prompt_messages(words, system=False), ABSENT, ABSENT)
        words = self._of_lines(line, size or self._shape.made_words, rng)
        return MadeText(prompt_messages(words, system=self._shape.system and len(words) > LEAD), ABSENT, 0)

    def _parts(self, line: int) -> list[dict[str, object]]:
        """A line and its images, as OpenAI's chat completions have them."""
        urls = self._bank.images[line % len(self._bank.prompts)]
        shown: list[dict[str, object]] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        return [{"type": "text", "text": self._line(line)}, *shown]

    def of_blocks(self, blocks: tuple[int, ...], size: int) -> MadeText:
        """A prompt of a size that consists of blocks; each id stands for the same words in all prompts.

        What it shares with earlier prompts is not counted here: the server's own count of cached tokens says it.
        """
        template = self._vocabulary.template_tokens if self._vocabulary else 0
        count = max(1, size - template)
        wanted = -(-count // BLOCK_TOKENS)
        ids = [*map(str, blocks[:wanted]), *(f"{blocks}/{number}" for number in range(len(blocks), wanted))]
        words = [word for each in ids for word in self._block(each)][:count]
        system = self._vocabulary is not None and self._vocabulary.system and count > 1
        asked = template + count if self._vocabulary else ABSENT
        return MadeText(prompt_messages(words, system=system), asked, asked)

    def _block(self, each: str) -> list[str]:
        if each not in self._blocks:
            if len(self._blocks) >= MOST_BLOCKS:
                self._blocks.clear()
            rng = Random(f"{self._shape.salt}/block/{each}")  # noqa: S311  (prompts are no secret)
            self._blocks[each] = rng.choices(self._words, k=BLOCK_TOKENS)
        return self._blocks[each]

    def documents(self, line: int) -> tuple[str, ...]:
        """The documents of the user's that belong to a prompt; none where they are to be made."""
        return self._bank.documents[line % len(self._bank.prompts)] if self._bank.documents else ()

    def following(self, line: int, size: int | None, rng: Random) -> str:
        """A message of a later turn, or a further text of a request."""
        if size is None:
            return self._line(line)
        return " ".join(self._drawn(rng, size) if self._vocabulary else self._of_lines(line, size, rng))

    def _line(self, number: int) -> str:
        return self._bank.prompts[number % len(self._bank.prompts)]

    def _of_lines(self, line: int, size: int, rng: Random) -> list[str]:
        """Words of one line after the other, after some that differ where the bank is ours."""
        lead = self._drawn(rng, min(LEAD_WORDS, size)) if self._unique else []
        return [*lead, *islice(self._line_words(line), size - len(lead))]

    def _line_words(self, line: int) -> Iterator[str]:
        while True:
            yield from self._line(line).split()
            line += 1

    def _drawn(self, rng: Random, count: int) -> list[str]:
        return rng.choices(self._words, k=count)

    def _shared_words(self, count: int) -> list[str]:
        if count > len(self._shared):
            self._shared += self._drawn(self._shared_rng, count - len(self._shared))
        return self._shared[:count]
