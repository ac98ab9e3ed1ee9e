"""Builds chat completions as bytes: the events of a stream, or one document. No clock, no socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from targets.generation.sequence import Sequence

DONE = b"data: [DONE]\n\n"


class Frames:
    """The events of one chat completion. Their common parts are serialised once."""

    def __init__(self, number: int, model: str, created_s: int) -> None:
        self._base: dict[str, Any] = {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion.chunk",
            "created": created_s,
            "model": model,
        }
        self._first = self._around({"role": "assistant", "content": "\0"})
        self._later = self._around({"content": "\0"})

    def _around(self, delta: dict[str, str]) -> tuple[bytes, bytes]:
        before, _, after = _event(self._chunk(delta, None)).partition(b"\\u0000")
        return before, after

    def _chunk(self, delta: dict[str, str], finish: str | None) -> dict[str, Any]:
        return {**self._base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    def token(self, text_json: bytes, *, first: bool) -> bytes:
        """The event of one token. `text_json` is its text as the inside of a JSON string."""
        before, after = self._first if first else self._later
        return before + text_json + after

    def end(self, sequence: Sequence, *, include_usage: bool) -> bytes:
        """The events after the last token."""
        events = _event(self._chunk({}, sequence.finish))
        if include_usage:
            events += _event({**self._base, "choices": [], "usage": usage(sequence)})
        return events + DONE

    def whole(self, sequence: Sequence, text: str) -> bytes:
        """The document of a completion that is not streamed."""
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": sequence.finish}
        return orjson.dumps({
            **self._base, "object": "chat.completion", "choices": [choice], "usage": usage(sequence)
        })  # fmt: skip


def usage(sequence: Sequence) -> dict[str, int]:
    """The token counts of a completion."""
    prompt, output = len(sequence.prompt), sequence.output_count
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}


def inside_json(text: str) -> bytes:
    """`text` as the inside of a JSON string."""
    return orjson.dumps(text)[1:-1]


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"
