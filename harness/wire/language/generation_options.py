"""What every request of a load asks of a language model, besides its texts and the number of output tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

LENGTH_FIELDS = ("max_tokens", "max_completion_tokens")


class TakenFields(NamedTuple):
    """What a server takes: the field for the number of output tokens, and the fields of ours that it refuses."""

    length_field: str
    left_out: tuple[str, ...]


class GenerationOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that the bodies of all requests have in common.

    `stream` asks for the response piece by piece. `ignore_eos` asks the server to generate all the tokens that were
    drawn; `min_tokens` sends that number as the least one too. A response without any output is an error, unless
    `allow_empty`. The fields in `extra_body` replace ours of the same name; null leaves a field out.

    `length_field` is the name of the field that holds the number of output tokens (empty: the protocol's usual one),
    and `left_out` the fields of ours that the server refused; both are found by the first request.
    """

    stream: bool = True
    ignore_eos: bool = True
    min_tokens: bool = False
    allow_empty: bool = False
    extra_body: dict[str, Any] = {}
    length_field: str = ""
    left_out: tuple[str, ...] = ()

    def body(self, fields: dict[str, object]) -> dict[str, object]:
        """Our `fields`, without those that the server refused, and with those of the user."""
        ours = {name: value for name, value in fields.items() if name not in self.left_out}
        return {name: value for name, value in {**ours, **self.extra_body}.items() if value is not None}

    @property
    def asks_exact_length(self) -> bool:
        """Whether the responses that were asked for have exactly the drawn number of tokens."""
        exact = (("ignore_eos", self.ignore_eos), ("min_tokens", self.min_tokens))
        return any(asked and name not in self.left_out for name, asked in exact)
