"""Finish reasons: which of them say that the server broke the response off."""

from __future__ import annotations

import re

from harness.wire.failure_text import quoted
from harness.wire.language.output_stream import StreamError

# vLLM's abort, Azure's content_filter, OpenRouter's error, DeepSeek's insufficient_system_resource, Gemini's SAFETY,
# Anthropic's refusal.
_NO_ANSWER = re.compile(
    "abort|cancel|error|fail|filter|safety|recitation|block|prohibited|spii|refusal|overload|timeout|time_out|"
    "insufficient|malformed",
    re.IGNORECASE,
)


def require_answer(reason: str) -> str:
    """The finish reason of a whole response. Raises StreamError where the server gave up."""
    if _NO_ANSWER.search(reason):
        raise StreamError(f"the response ended with finish reason {quoted(reason)}")
    return reason
