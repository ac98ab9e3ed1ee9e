"""Checks of streamed responses: whether they stream, have the requested length, and have the right token count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.judge.checks.case import finding
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import percent
from harness.judge.numbers.stream_tokens import unasked_hits
from harness.record.rows import ABSENT

if TYPE_CHECKING:
    from harness.judge.checks.case import TrialCase
    from harness.judge.findings import Finding
    from harness.judge.metrics import StreamShape

UNSTREAMED = FindingKind("unstreamed", "Nothing was streamed")
UNDERCOUNTED = FindingKind("undercounted", "The server counts too few tokens")
OFF_LENGTH = FindingKind("off_length", "Responses do not have the requested length")
SEVERAL_TOKENS = FindingKind("several_tokens", "A piece holds several tokens")
OFF_PROMPT = FindingKind("off_prompt", "Prompts do not have the requested length")
WARM_CACHE = FindingKind("warm_cache", "The prefix cache was warm")
REPEATED = FindingKind("repeated_prompts", "Prompts were sent more than once")
FEW = 0.05  # of the responses
FEW_PROMPTS = 0.01
WARM = 0.02  # of the prompts' tokens
SEVERAL = 1.5  # tokens in a piece


def well_formed(shape: StreamShape) -> bool:
    """Whether nearly all responses were streamed, as long as requested, and counted by the server as they came."""
    figures = (shape.unstreamed, shape.undercounted, shape.off_length)
    return all(share is not None and share <= FEW for share in figures)


def unstreamed(case: TrialCase) -> Finding | None:
    """Responses of several tokens came whole, at one instant."""
    share = _shape_figure(case, "unstreamed")
    if share is None or share <= FEW:
        return None
    text = f"Nothing was streamed in {percent(share)} of the responses: all their tokens came at one instant."
    remedy = (
        "Their TTFT is that of the whole response, without ITL and TPOT. A proxy that buffers does that, and "
        "so does a server that does not stream."
    )
    return finding(UNSTREAMED, Verdict.DEGRADED, text, remedy, share=share)


def undercounted(case: TrialCase) -> Finding | None:
    """The server's usage has fewer tokens than pieces came."""
    share = _shape_figure(case, "undercounted")
    if share is None or share <= FEW:
        return None
    text = f"In {percent(share)} of the responses the server's usage counts fewer tokens than pieces of output came."
    remedy = "The pieces were counted instead, so tokens/s and TPOT are those of pieces: correct the server's usage."
    return finding(UNDERCOUNTED, Verdict.DEGRADED, text, remedy, share=share)


def off_length(case: TrialCase) -> Finding | None:
    """Responses are clearly longer or shorter than requested, though requests ask the server to ignore ends of turn."""
    share = _shape_figure(case, "off_length")
    if share is None or share <= FEW:
        return None
    tokens = case.metrics.stream.output_tokens if case.metrics.stream else None
    text = (
        f"{percent(share)} of the responses do not have the requested length; they have {tokens or 0:.1f} "
        "tokens on average."
    )
    remedy = "Settings whose responses differ in length cannot be compared. If they may differ, use --ignore-eos off."
    return finding(OFF_LENGTH, Verdict.DEGRADED, text, remedy, share=share)


def off_prompt(case: TrialCase) -> Finding | None:
    """By the server's count prompts are longer or shorter than they were made to be."""
    share = _shape_figure(case, "off_prompt")
    if share is None or share <= FEW_PROMPTS:
        return None
    tokens = case.metrics.stream.prompt_tokens if case.metrics.stream else None
    text = (
        f"By the server's count {percent(share)} of the prompts do not have the requested number of tokens; they have "
        f"{tokens or 0:.1f} on average."
    )
    remedy = "Its tokenizer joins words, or it changes prompts. Lengths of prompts are approximate here."
    return finding(OFF_PROMPT, Verdict.DEGRADED, text, remedy, share=share)


def warm_cache(case: TrialCase) -> Finding | None:
    """The server had tokens of prompts in its prefix cache that this load has not sent before."""
    share = _shape_figure(case, "unasked_cached")
    hits = case.metrics.server.prefix_hits if case.metrics.server else None
    if share is None and hits is not None and case.rows is not None:  # many servers count them in their metrics alone
        share = unasked_hits(case.rows.good, hits)
    if share is None or share <= WARM:
        return None
    text = (
        f"{percent(share)} of the prompts' tokens were in the server's prefix cache though nobody asked for that: its "
        "TTFT is shorter than that of new prompts."
    )
    remedy = "Prompts were sent more than once (--prompts), or by a run before. --prompt-tokens makes new ones."
    return finding(WARM_CACHE, Verdict.DEGRADED, text, remedy, share=share)


def repeated_prompts(case: TrialCase) -> Finding | None:
    """The user's prompts came again, and a server that others started does not say what it had cached."""
    if case.data.has_log or case.rows is None or _shape_figure(case, "unasked_cached") is not None:
        return None
    if case.metrics.server is not None and case.metrics.server.prefix_hits is not None:
        return None
    good = case.rows.good
    # Of later turns what was sent before is known, where the server counts the tokens of prompts.
    own = (good["shared_tokens"] == ABSENT) & (good["prompt_tokens"] != ABSENT) & (good["first_token_ns"] != ABSENT)
    sent = good["payload"][own]
    again = sent.size - np.unique(sent).size
    if again <= FEW * sent.size:
        return None
    text = (
        f"{percent(again / sent.size)} of the prompts were sent more than once, and the server does not say how much "
        "of them it had in a prefix cache."
    )
    remedy = "If it has one, TTFT depends on which trial came first. --prompt-tokens makes new prompts."
    return finding(REPEATED, Verdict.VALID, text, remedy, share=again / sent.size)


def several_tokens(case: TrialCase) -> Finding | None:
    """By the server's count a piece holds more than one token."""
    tokens = _shape_figure(case, "tokens_per_piece")
    if tokens is None or tokens < SEVERAL:
        return None
    text = (
        f"By the server's count a piece holds {tokens:.1f} tokens on average: ITL is the gap between two pieces, TPOT "
        "the time per token."
    )
    remedy = "If it counts tokens that it does not stream (hidden reasoning), TPOT and tokens/s are better than true."
    return finding(SEVERAL_TOKENS, Verdict.VALID, text, remedy, tokens_per_piece=tokens)


def _shape_figure(case: TrialCase, name: str) -> float | None:
    stream = case.metrics.stream
    figure: float | None = getattr(stream.shape, name) if stream else None
    return figure
