"""Request classes, and the mix of them in a load: `predict:95+explain:5`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import UserError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Collection

CHAT = "chat"
VERBS = ("predict", "explain", CHAT)
_PART = re.compile(r"([\w.-]+)(?::(\d+(?:\.\d+)?))?")


class RequestClass(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request: its verb, its model, its size, and its own latency limit.

    Of a class that chats, `chat` has options of its conversations by name, in place of the load's: `{"turns": "3",
    "prompt_tokens": "512", "output_tokens": "64-256"}`.
    """

    verb: str = "predict"  # one of VERBS
    model: str | None = None  # None: the load's --model; of a language model also a LoRA adapter that the server knows
    rows: int = 1  # items in one request, over the Open Inference Protocol
    slo: str = ""  # "p99<50ms"; empty: the run's
    chat: dict[str, Any] = {}
    priority: int | None = None  # the field `priority` of requests to a language model; None: it is left out


class ClassShare(msgspec.Struct, frozen=True, kw_only=True):
    """A request class with its weight in a load; weights are relative to each other."""

    name: str
    weight: float = 1.0
    request_class: RequestClass = RequestClass()


ONLY_PREDICT = (ClassShare(name="predict"),)


def parse_mix(text: str, known: Collection[str] | None = None) -> dict[str, float]:
    """`"predict:95+explain:5"` as weights by class, in that order; a class without a number weighs 1.

    Raises UserError for a class that is not `known` (None: not asked), one named twice, or a text that does not parse.
    """
    weights: dict[str, float] = {}
    for part in text.split("+"):
        match = _PART.fullmatch(part.strip())
        if match is None or match[1] in weights:
            raise UserError(
                f"mix {text!r}: cannot read {part!r}; write for example predict:95+explain:5, each class once"
            )
        if known is not None and match[1] not in known:
            raise unknown_name(f"request class in mix {text!r}", match[1], known)
        weights[match[1]] = float(match[2] or 1)
    kept = {name: weight for name, weight in weights.items() if weight}
    if not kept:
        raise UserError(f"mix {text!r}: every class weighs nothing; give one a weight above 0")
    return kept
